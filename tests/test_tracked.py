"""`--track` in the batch runner: the same records however often it is stopped, and tracks of one source alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from describer.annotate import run
from describer.errors import OutputError
from describer.records import read_records
from describer.tracking import Trackers
from describer.types import Annotation, FrameRef
from tests.fake_describer import FakeDescriber
from tests.scenes import SIZE_WH, disc, scene_of
from tests.test_annotate import contents, sources, write_frames


def tracked(source, out, batch_size=3, describer=None, **options):
    return run(describer or FakeDescriber(), str(source), out, batch_size=batch_size, track=True, **options)


def records(out):
    return [r for r in read_records(out / "annotations.jsonl") if isinstance(r, Annotation)]


def scenes(out):
    """What tracking has a say in; the fake's texts follow from the batch, and a failed batch is made frame by frame."""
    return [(r.frame.source, r.scene) for r in records(out)]


def ids(out):
    return {r.frame.source: [region.track_id for region in r.scene.regions] for r in records(out)}


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    return write_frames(tmp_path / "src", 11)


def test_regions_have_track_ids_and_activities_their_own_label_beside_the_smoothed(frames, tmp_path):
    tracked(frames, tmp_path / "out")
    found = ids(tmp_path / "out")
    assert all(None not in row for row in found.values())
    assert found["f0.png"] == [1]
    activities = [r.scene.activities[0] for r in records(tmp_path / "out")]
    assert len({a.label for a in activities}) <= len({a.raw[0] for a in activities}) == 2
    assert [(a.label, a.score) for a in activities] != [a.raw for a in activities]


def test_without_it_nothing_changes(frames, tmp_path):
    run(FakeDescriber(), str(frames), tmp_path / "plain", batch_size=3, overlays=False)
    lines = (tmp_path / "plain/annotations.jsonl").read_text()
    assert '"raw"' not in lines
    assert lines.count('"track_id": null') == 11
    assert '"track"' not in (tmp_path / "plain/run.json").read_text()
    with pytest.raises(OutputError, match="track"):
        tracked(frames, tmp_path / "plain")


@pytest.mark.parametrize("kept_lines", [0, 1, 4, 6, 10])
def test_a_torn_file_resumes_to_the_unbroken_result(frames, tmp_path, kept_lines):
    tracked(frames, tmp_path / "out")
    whole = contents(tmp_path / "out")
    path = tmp_path / "out/annotations.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:kept_lines]) + b'{"schema')
    resumed = FakeDescriber()
    tracked(frames, tmp_path / "out", describer=resumed)
    assert contents(tmp_path / "out") == whole
    assert len(resumed.batches) == 4 - kept_lines // 3


def test_killed_it_ends_with_the_unbroken_result(frames, tmp_path):
    tracked(frames, tmp_path / "whole")
    path = tmp_path / "out/annotations.jsonl"
    command = [sys.executable, "-m", "tests.fake_describer", str(frames), str(tmp_path / "out"), "3", "0.2", "--track"]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1], env={**os.environ, "OMP_NUM_THREADS": "1"})
    while process.poll() is None and (not path.exists() or path.read_bytes().count(b"\n") < 4):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 3 < len(path.read_bytes().splitlines()) < 11
    tracked(frames, tmp_path / "out")
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_a_frame_mended_later_has_what_follows_it_made_anew_and_nothing_else(tmp_path):
    source = tmp_path / "src"
    for name in ("case1", "case2"):
        write_frames(source / name, 6, seed=len(name))
    tracked(source, tmp_path / "whole", batch_size=2)
    tracked(source, tmp_path / "out", batch_size=2, describer=FakeDescriber(bad=["case1/f1.png"]))
    assert scenes(tmp_path / "out")[1:] != scenes(tmp_path / "whole")[2:], "ids hang on every frame before"
    mended = FakeDescriber()
    assert tracked(source, tmp_path / "out", batch_size=2, describer=mended).failures == 0
    assert scenes(tmp_path / "out") == scenes(tmp_path / "whole")
    assert [batch[0] for batch in mended.batches] == ["case1/f0.png", "case1/f2.png", "case1/f4.png"]
    again = FakeDescriber()
    tracked(source, tmp_path / "out", batch_size=2, describer=again)
    assert again.batches == []


def test_new_pixels_in_the_middle_end_as_a_fresh_run_does(frames, tmp_path):
    tracked(frames, tmp_path / "out")
    rng = np.random.default_rng(9)
    Image.fromarray(rng.integers(0, 255, (32, 48, 3), dtype=np.uint8)).save(frames / "f4.png")
    tracked(frames, tmp_path / "out")
    tracked(frames, tmp_path / "fresh")
    assert scenes(tmp_path / "out") == scenes(tmp_path / "fresh")


def test_a_frame_that_turns_unreadable_keeps_its_record(frames, tmp_path):
    tracked(frames, tmp_path / "out")
    before = sources(tmp_path / "out")
    (frames / "f5.png").write_text("not a picture")
    Image.new("RGB", (48, 32), "red").save(frames / "f3.png")
    assert tracked(frames, tmp_path / "out").failures == 0
    assert sources(tmp_path / "out") == before


def test_each_source_has_tracks_of_its_own(tmp_path):
    source = tmp_path / "src"
    write_frames(source / "case1", 4)
    shutil.copytree(source / "case1", source / "case2")
    tracked(source, tmp_path / "out", batch_size=3)
    found = list(ids(tmp_path / "out").values())
    assert found[:4] == found[4:]
    tracked(source / "case1", tmp_path / "alone", batch_size=3)
    assert list(ids(tmp_path / "alone").values()) == found[:4]


def test_a_folder_goes_on_after_its_subfolder():
    """Names sort as a.png, sub/b.png, v.mp4, z.png: z.png is of a.png's sequence."""
    scene = scene_of(("polyp", disc((40, 40), (9, 9))))
    trackers, found = Trackers(), {}
    for i, name in enumerate(["a.png", "sub/b.png", "v.mp4#000000", "v.mp4#000001", "z.png", "zz/c.png"]):
        ref = FrameRef(name, i, None, SIZE_WH, "0" * 64)
        out = trackers.follow(ref, scene)
        trackers = trackers.after(ref, out)
        found[name] = set(trackers.of)
    assert found["sub/b.png"] == {".", "sub"}
    assert found["v.mp4#000001"] == {".", "v.mp4"}
    assert found["zz/c.png"] == {".", "zz"}
    assert [track.frame for track in trackers.of["."].tracks] == [4]
