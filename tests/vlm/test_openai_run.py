"""`describer annotate --vlm openai` from end to end, with a server that dies, comes back, refuses and stays away."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from describer.annotate import run
from describer.cli import run as command
from describer.errors import ServerError
from describer.pipeline import Describer
from describer.records import read_records
from describer.types import Annotation, Failure, Scene
from describer.vlm import GenerationSettings, ServerOptions
from describer.vlm import endpoint as endpoint_module
from describer.vlm.endpoint import KEY_VARIABLE
from tests.scenes import disc, scene_of
from tests.tiny import save_tiny_scene_model
from tests.vlm.openai_server import Fault, serving

ROOT = Path(__file__).parents[2]
FRAMES = 8
SETTINGS = GenerationSettings(max_new_tokens=6)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_scene_model(tmp_path_factory.mktemp("scene")))


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("frames")
    for i in range(FRAMES):
        cv2.imwrite(str(folder / f"{i}.png"), np.random.default_rng(i).integers(0, 255, (48, 64, 3), dtype=np.uint8))
    return str(folder)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    monkeypatch.setattr(endpoint_module, "_FIRST_WAIT_S", 0.02)


def one_polyp(images: Sequence[np.ndarray], depth: bool) -> list[Scene]:
    return [scene_of(("polyp", disc((20 + int(image[0, 0, 0]) % 20, 24), (8, 8), (64, 48)))) for image in images]


def annotate(scene: str, frames: str, out: Path, url: str, **options: Any) -> dict[str, int]:
    """A run of two requests a frame, two frames a batch."""
    server = ServerOptions(url, "tiny", **options)
    describer = Describer(scene, "openai", device="cpu", server=server, generation=SETTINGS)
    describer.scene_model.predict = one_polyp  # type: ignore[method-assign]
    summary = run(describer, frames, out, batch_size=2, overlays=False)
    return {"frames": summary.frames, "skipped": summary.skipped, "failures": summary.failures}


def lines(out: Path) -> list[bytes]:
    return (out / "annotations.jsonl").read_bytes().splitlines()


class Process:
    """A server as a process of its own, on one port; killed without warning."""

    def __init__(self) -> None:
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self.port = one.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"
        self.start()

    def start(self) -> None:
        words = [sys.executable, "-m", "tests.vlm.openai_server", str(self.port), "0.02"]
        self._process = subprocess.Popen(words, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"})
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.01)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def process() -> Iterator[Process]:
    server = Process()
    try:
        yield server
    finally:
        server.kill()


def test_a_server_killed_and_started_again_loses_and_doubles_nothing(scene, frames, tmp_path, caplog):
    with serving() as (url, _):
        annotate(scene, frames, tmp_path / "whole", url)
    with process() as server:
        records = tmp_path / "out" / "annotations.jsonl"

        def interfere() -> None:
            for waits, done in enumerate((1, 3), start=1):
                while not records.exists() or records.read_bytes().count(b"\n") < done:
                    time.sleep(0.002)
                server.kill()
                while caplog.text.count("waiting for it") < waits:
                    time.sleep(0.002)
                server.start()

        threading.Thread(target=interfere, daemon=True).start()
        summary = annotate(scene, frames, tmp_path / "out", server.url, concurrency=2)
    assert summary == {"frames": FRAMES, "skipped": 0, "failures": 0}
    assert caplog.text.count("waiting for it") == 2
    assert lines(tmp_path / "out") == lines(tmp_path / "whole")


def test_a_request_that_stays_failing_is_its_frames_record_until_it_is_mended(scene, frames, tmp_path):
    with serving() as (url, state):
        annotate(scene, frames, tmp_path / "whole", url)
        state.requests.clear()
        annotate(scene, str(Path(frames) / "3.png"), tmp_path / "one", url)
        marks = {json.dumps(body["messages"]) for body in state.requests}

        def refuse(body):
            bad = json.dumps(body["messages"]) in marks
            return Fault(400, {"error": {"message": "the picture is too large"}}) if bad else None

        state.refuse = refuse
        summary = annotate(scene, frames, tmp_path / "out", url)
        assert summary == {"frames": FRAMES, "skipped": 0, "failures": 1}
        records = list(read_records(tmp_path / "out/annotations.jsonl"))
        assert [isinstance(record, Failure) for record in records] == [i == 3 for i in range(FRAMES)]
        assert "3.png could not be described" in records[3].error
        assert "400: the picture is too large" in records[3].error
        state.refuse = None
        summary = annotate(scene, frames, tmp_path / "out", url)
        assert summary == {"frames": FRAMES, "skipped": FRAMES - 1, "failures": 0}
    assert lines(tmp_path / "out") == lines(tmp_path / "whole")


def test_a_server_that_stays_away_stops_the_run_which_can_go_on(scene, frames, tmp_path):
    with serving() as (url, state):
        annotate(scene, frames, tmp_path / "whole", url)
        state.requests.clear()
        state.refuse = lambda body: Fault(503, {"error": "shutting down"}) if len(state.requests) > 10 else None
        with pytest.raises(ServerError, match="run the same command again"):
            annotate(scene, frames, tmp_path / "out", url, patience_s=0.1)
        before = lines(tmp_path / "out")
        assert 0 < len(before) < FRAMES
        assert b'"error"' not in b"".join(before)
        state.refuse = None
        annotate(scene, frames, tmp_path / "out", url)
    assert lines(tmp_path / "out") == lines(tmp_path / "whole")


def test_the_command_line_speaks_to_a_server(scene, frames, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, "sk-secret")
    options = ["--scene-model", scene, "--device", "cpu", "--vlm", "openai", "--picture-side", "64", "--no-overlays"]
    with serving() as (url, state):
        state.key = "sk-secret"
        assert command(["annotate", frames, "-o", str(tmp_path / "out"), *options, "--base-url", url, "--json"]) == 0
        first = next(iter(read_records(tmp_path / "out/annotations.jsonl")))
    assert isinstance(first, Annotation)
    assert first.provenance.vlm == "openai/tiny"
    assert all(d.confidence is not None for d in first.descriptions)
    written = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert b"secret" not in written
    capsys.readouterr()
    assert command(["annotate", frames, "-o", str(tmp_path / "new"), *options, "--base-url", url]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: No server answers at") and error.count("\n") == 1
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("options", [["--model", "x"], ["--vlm", "openai"], ["--base-url", "http://127.0.0.1:9/v1"]])
def test_options_that_need_each_other(scene, frames, tmp_path, capsys, options):
    base = ["annotate", frames, "-o", str(tmp_path / "out"), "--scene-model", scene, "--device", "cpu"]
    assert command([*base, *options]) == 2
    error = capsys.readouterr().err
    assert "--base-url" in error and error.count("\n") == 1
