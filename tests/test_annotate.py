"""The batch runner: order, resume after any kill, failures, duplicates, full disk."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from describer.annotate import ahead, run
from describer.depths import read_depth
from describer.errors import InputError, OutputError, RecordError
from describer.frames import iter_frames
from describer.records import read_records
from describer.results import ResultsFolder
from describer.types import Annotation, Failure, Frame, Scene
from tests.fake_describer import FakeDescriber


def write_frames(folder: Path, n: int, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        Image.fromarray(rng.integers(0, 255, (32, 48, 3), dtype=np.uint8)).save(folder / f"f{i}.png")
    return folder


def contents(out: Path) -> dict[str, bytes]:
    """Everything that must be equal between two runs: summary.json holds times."""
    files = [path for path in out.rglob("*") if path.is_file() and path.name not in {"summary.json", "run.json"}]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def sources(out: Path) -> list[str]:
    return [r.frame.source if isinstance(r, Annotation) else r.source for r in read_records(out / "annotations.jsonl")]


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    return write_frames(tmp_path / "src", 7)


def test_one_record_a_frame_in_natural_order_with_overlays_and_summary(frames, tmp_path):
    done: list[int] = []
    summary = run(FakeDescriber(), str(frames), tmp_path / "out", batch_size=3, progress=done.append)
    assert sources(tmp_path / "out") == [f"f{i}.png" for i in range(7)]
    assert [r.frame.index for r in read_records(tmp_path / "out/annotations.jsonl")] == list(range(7))
    assert sorted(p.name for p in (tmp_path / "out/overlays").iterdir()) == [f"f{i}.png.jpg" for i in range(7)]
    assert sum(done) == summary.frames == 7
    assert (summary.skipped, summary.failures) == (0, 0)
    assert summary.truth["regions"] == 7
    assert summary.truth["hallucination_rate"] == 0.5
    assert json.loads((tmp_path / "out/summary.json").read_text()) == json.loads(json.dumps(summary.to_dict()))
    assert not (tmp_path / "out/.partial").exists()


def test_a_second_run_computes_nothing_and_changes_nothing(frames, tmp_path):
    run(FakeDescriber(), str(frames), tmp_path / "out", batch_size=3)
    before = contents(tmp_path / "out")
    again = FakeDescriber()
    summary = run(again, str(frames), tmp_path / "out", batch_size=3)
    assert again.batches == []
    assert (summary.frames, summary.skipped, summary.truth["frames"]) == (7, 7, 7)
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("kept_lines", [0, 1, 3, 4, 6])
@pytest.mark.parametrize("torn", [b"", b'{"schema_version": 1, "fra', b"\x00\x00"])
def test_a_torn_file_resumes_to_the_unbroken_result(frames, tmp_path, kept_lines, torn):
    run(FakeDescriber(), str(frames), tmp_path / "out", batch_size=3)
    whole = contents(tmp_path / "out")
    records = tmp_path / "out/annotations.jsonl"
    records.write_bytes(b"".join(records.read_bytes().splitlines(keepends=True)[:kept_lines]) + torn)
    resumed = FakeDescriber()
    run(resumed, str(frames), tmp_path / "out", batch_size=3)
    assert contents(tmp_path / "out") == whole
    # A partly done batch is computed whole, a done one not at all.
    assert resumed.batches[0] == [f"f{i}.png" for i in range(3 * (kept_lines // 3), min(7, 3 * (kept_lines // 3) + 3))]


def test_killed_at_random_moments_it_ends_with_the_unbroken_result(tmp_path):
    source = write_frames(tmp_path / "src", 24)
    run(FakeDescriber(), str(source), tmp_path / "whole", batch_size=3)
    command = [sys.executable, "-m", "tests.fake_describer", str(source), str(tmp_path / "out"), "3", "0.05"]
    rng = random.Random(0)
    killed = 0
    root = Path(__file__).parents[1]
    records = tmp_path / "out/annotations.jsonl"
    for target in (1, 6, 13):
        process = subprocess.Popen(command, cwd=root, env={**os.environ, "OMP_NUM_THREADS": "1"})
        while process.poll() is None and (not records.exists() or records.read_bytes().count(b"\n") < target):
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.06))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
    assert killed >= 2
    subprocess.run(command, cwd=root, check=True)
    left = contents(tmp_path / "out")
    assert left == contents(tmp_path / "whole")


def test_other_settings_are_refused_by_name_until_overwrite(frames, tmp_path):
    run(FakeDescriber(), str(frames), tmp_path / "out")
    with pytest.raises(OutputError, match=r"flavour.*--overwrite"):
        run(FakeDescriber(flavour="sweet"), str(frames), tmp_path / "out")
    with pytest.raises(OutputError, match="fps"):
        run(FakeDescriber(), str(frames), tmp_path / "out", fps=2.0)
    with pytest.raises(OutputError, match="source"):
        run(FakeDescriber(), str(write_frames(tmp_path / "other", 1)), tmp_path / "out")
    fresh = FakeDescriber(flavour="sweet")
    run(fresh, str(frames), tmp_path / "out", overwrite=True)
    assert len(sources(tmp_path / "out")) == 7
    assert fresh.batches


def test_overwrite_spares_what_it_did_not_make(frames, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out/annotations.jsonl").write_text("mine\n")
    with pytest.raises(OutputError, match="not made by describer annotate"):
        run(FakeDescriber(), str(frames), tmp_path / "out", overwrite=True)
    with pytest.raises(OutputError, match="another -o"):
        run(FakeDescriber(), str(frames), tmp_path / "out")
    assert (tmp_path / "out/annotations.jsonl").read_text() == "mine\n"


def test_a_frame_the_model_fails_on_is_a_record_and_its_batch_is_not_lost(frames, tmp_path):
    summary = run(FakeDescriber(bad=["f4.png"]), str(frames), tmp_path / "out", batch_size=3)
    records = list(read_records(tmp_path / "out/annotations.jsonl"))
    assert [type(record) for record in records] == [Failure if i == 4 else Annotation for i in range(7)]
    assert "f4.png could not be described: out of memory" in records[4].error
    assert "\n" not in records[4].error
    assert summary.failures == 1
    assert not (tmp_path / "out/overlays/f4.png.jpg").exists()


def test_failures_are_tried_again_and_take_their_old_place(frames, tmp_path):
    run(FakeDescriber(bad=["f1.png", "f5.png"]), str(frames), tmp_path / "out", batch_size=3)
    still = run(FakeDescriber(bad=["f1.png", "f5.png"]), str(frames), tmp_path / "out", batch_size=3)
    assert (still.failures, len(sources(tmp_path / "out"))) == (2, 7)
    mended = run(FakeDescriber(), str(frames), tmp_path / "out", batch_size=3)
    assert mended.failures == 0
    assert sources(tmp_path / "out") == [f"f{i}.png" for i in range(7)]
    assert json.loads((tmp_path / "out/summary.json").read_text())["failures"] == 0


def test_unreadable_frames_become_records_and_can_be_mended_later(frames, tmp_path):
    good = (frames / "f3.png").read_bytes()
    (frames / "f3.png").write_text("not a picture")
    summary = run(FakeDescriber(), str(frames), tmp_path / "out", batch_size=2)
    assert summary.failures == 1
    assert "f3.png" in next(r.error for r in read_records(tmp_path / "out/annotations.jsonl") if isinstance(r, Failure))
    (frames / "f3.png").write_bytes(good)
    assert run(FakeDescriber(), str(frames), tmp_path / "out", batch_size=2).failures == 0
    assert sources(tmp_path / "out") == [f"f{i}.png" for i in range(7)]


def test_a_frame_with_new_pixels_is_done_again_in_place(frames, tmp_path):
    run(FakeDescriber(), str(frames), tmp_path / "out", batch_size=3)
    Image.new("RGB", (40, 40), "red").save(frames / "f2.png")
    summary = run(FakeDescriber(), str(frames), tmp_path / "out", batch_size=3)
    assert summary.skipped == 6
    records = list(read_records(tmp_path / "out/annotations.jsonl"))
    assert [r.frame.source for r in records] == [f"f{i}.png" for i in range(7)]
    assert records[2].frame.size_wh == (40, 40)


def test_frames_with_equal_pixels_each_get_a_record(tmp_path):
    source = tmp_path / "src"
    for name in ("a.png", "b.png", "sub/a.png"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), "red").save(source / name)
    run(FakeDescriber(), str(source), tmp_path / "out", batch_size=1)
    assert sources(tmp_path / "out") == ["a.png", "b.png", "sub/a.png"]


def test_new_frames_and_a_larger_limit_extend_a_run(frames, tmp_path):
    assert run(FakeDescriber(), str(frames), tmp_path / "out", limit=3, batch_size=3).frames == 3
    assert run(FakeDescriber(), str(frames), tmp_path / "out", batch_size=3).skipped == 3
    assert sources(tmp_path / "out") == [f"f{i}.png" for i in range(7)]


def test_output_inside_the_source_is_not_read_as_frames(frames):
    run(FakeDescriber(), str(frames), frames / "out", batch_size=3)
    assert run(FakeDescriber(), str(frames), frames / "out", batch_size=3).frames == 7
    run(FakeDescriber(), str(frames), frames, batch_size=3)
    assert run(FakeDescriber(), str(frames), frames, batch_size=3).frames == 7


@pytest.mark.parametrize("partial", [0, 10])
def test_a_full_disk_stops_cleanly_and_the_run_goes_on_later(frames, tmp_path, monkeypatch, partial):
    run(FakeDescriber(), str(frames), tmp_path / "whole", batch_size=2)
    original = ResultsFolder._write
    calls = 0

    def full(self, data):
        nonlocal calls
        calls += 1
        if calls == 2:
            original(self, data[:partial])
            raise OSError(errno.ENOSPC, "No space left on device")
        original(self, data)

    monkeypatch.setattr(ResultsFolder, "_write", full)
    with pytest.raises(OutputError, match="disk is full"):
        run(FakeDescriber(), str(frames), tmp_path / "out", batch_size=2)
    assert sources(tmp_path / "out") == ["f0.png", "f1.png"]
    monkeypatch.undo()
    run(FakeDescriber(), str(frames), tmp_path / "out", batch_size=2)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_full_disk_while_drawing_leaves_no_record_without_its_overlay(frames, tmp_path, monkeypatch):
    original = Path.write_bytes

    def full(path, data):
        if data.startswith(b"\xff\xd8"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(path, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="disk is full"):
        run(FakeDescriber(), str(frames), tmp_path / "out", batch_size=2)
    assert sources(tmp_path / "out") == []


def test_ctrl_c_keeps_what_is_done(frames, tmp_path):
    class Interrupted(FakeDescriber):
        def annotate_frames(self, batch, scenes=None):
            if len(self.batches) == 2:
                raise KeyboardInterrupt
            return super().annotate_frames(batch, scenes)

    with pytest.raises(KeyboardInterrupt):
        run(Interrupted(), str(frames), tmp_path / "out", batch_size=2)
    assert sources(tmp_path / "out") == [f"f{i}.png" for i in range(4)]
    assert not [t for t in threading.enumerate() if t.name == "reader"]


def test_a_damaged_record_is_named_with_file_and_line(frames, tmp_path):
    run(FakeDescriber(), str(frames), tmp_path / "out")
    records = tmp_path / "out/annotations.jsonl"
    lines = records.read_text().splitlines(keepends=True)
    records.write_text("".join([*lines[:2], "rubbish\n", *lines[2:]]))
    with pytest.raises(RecordError, match=r"annotations.jsonl:3"):
        run(FakeDescriber(), str(frames), tmp_path / "out")


def test_two_runs_at_once_in_one_folder_are_refused(frames, tmp_path):
    with ResultsFolder(tmp_path / "out", {"a": 1}), pytest.raises(OutputError, match="another describer"):
        ResultsFolder(tmp_path / "out", {"a": 1})


def test_no_overlays_when_not_wanted(frames, tmp_path):
    run(FakeDescriber(), str(frames), tmp_path / "out", overlays=False)
    assert not (tmp_path / "out/overlays").exists()


class DepthDescriber(FakeDescriber):
    """Its depth follows from the frame; a corner is outside of the view."""

    def find_scenes(self, frames: Sequence[Frame]) -> list[Scene]:
        return [replace(self._scene(frame), depth=self.depth(frame)) for frame in frames]

    @staticmethod
    def depth(frame: Frame) -> np.ndarray:
        depth: np.ndarray = 1 + frame.image[::2, ::2, 0].astype(np.float32) / 16
        depth[:4, :6] = np.nan
        return depth


def test_depth_maps_lie_beside_the_records_that_name_them(frames, tmp_path):
    run(DepthDescriber(), str(frames), tmp_path / "out", batch_size=3)
    records = list(read_records(tmp_path / "out" / "annotations.jsonl"))
    assert [r.depth for r in records] == [f"depth/f{i}.png.png" for i in range(7)]
    given = DepthDescriber.depth(next(iter_frames(str(frames))))
    depth = read_depth(tmp_path / "out" / records[0].depth)
    assert depth.shape == (32, 48) and np.array_equal(np.isnan(depth[1::2, 1::2]), np.isnan(given))
    assert np.nanmax(depth) <= np.nanmax(given) + 1e-3 and np.nanmin(depth) >= np.nanmin(given) - 1e-3
    run(FakeDescriber(), str(frames), tmp_path / "plain", batch_size=3)
    assert not (tmp_path / "plain" / "depth").exists()


def test_a_broken_run_with_depth_resumes_to_the_unbroken_one(frames, tmp_path):
    run(DepthDescriber(), str(frames), tmp_path / "whole", batch_size=3)
    run(DepthDescriber(), str(frames), tmp_path / "cut", batch_size=3, limit=3)
    (tmp_path / "cut" / "annotations.jsonl").open("ab").write(b'{"schema')
    run(DepthDescriber(), str(frames), tmp_path / "cut", batch_size=3)
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    run(DepthDescriber(), str(frames), frames, batch_size=3)
    assert run(DepthDescriber(), str(frames), frames, batch_size=3).frames == 7  # its maps are no frames
    run(FakeDescriber(), str(frames), tmp_path / "cut", batch_size=3, overwrite=True)
    assert not (tmp_path / "cut" / "depth").exists()


def test_nothing_is_made_of_an_empty_source(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no pictures"):
        run(FakeDescriber(), str(tmp_path / "empty"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_reading_ahead_is_bounded_and_stops_with_its_reader():
    made: list[int] = []

    def endless():
        while True:
            made.append(1)
            yield len(made)

    stream = ahead(endless(), 2)
    assert [next(stream) for _ in range(3)] == [1, 2, 3]
    time.sleep(0.3)
    assert len(made) <= 3 + 2 + 1
    stream.close()
    assert not [t for t in threading.enumerate() if t.name == "reader"]


def test_an_error_of_the_reader_comes_out_in_the_consumer():
    def failing():
        yield 1
        raise InputError("gone")

    with pytest.raises(InputError, match="gone"):
        list(ahead(failing(), 2))


def test_the_next_scenes_are_found_while_a_batch_is_spoken_of(frames, tmp_path):
    class Watched(FakeDescriber):
        found = 0

        def find_scenes(self, batch):
            type(self).found += 1
            return super().find_scenes(batch)

        def annotate_frames(self, batch, scenes=None):
            assert scenes is not None  # found already
            wanted = min(len(self.batches) + 2, 4)
            until = time.monotonic() + 5
            while self.found < wanted and time.monotonic() < until:
                time.sleep(0.001)
            assert self.found >= wanted
            return super().annotate_frames(batch, scenes)

    run(Watched(), str(frames), tmp_path / "out", batch_size=2)
    assert Watched.found == 4 and len(sources(tmp_path / "out")) == 7


def test_scenes_that_cannot_be_found_fail_frame_by_frame(frames, tmp_path):
    class Blind(FakeDescriber):
        def find_scenes(self, batch):
            if any(frame.ref.source == "f2.png" for frame in batch):
                raise RuntimeError("no memory for this one")
            return super().find_scenes(batch)

    run(Blind(), str(frames), tmp_path / "out", batch_size=3)
    failed = [r for r in read_records(tmp_path / "out/annotations.jsonl") if isinstance(r, Failure)]
    assert [r.source for r in failed] == ["f2.png"] and "no memory for this one" in failed[0].error
    assert len(sources(tmp_path / "out")) == 7
