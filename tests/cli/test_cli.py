"""The command line: light start, exit codes, one-line errors, data on stdout."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import describer.pipeline
import describer.synthesis
import describer.tuning
from describer import cli
from describer.errors import ModelError
from tests.fake_describer import FakeDescriber

HEAVY = ("torch", "transformers", "peft", "gradio", "cv2", "numpy", "PIL", "pycocotools", "tqdm", "yaml")


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    rng = np.random.default_rng(0)
    for i in range(3):
        Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(tmp_path / "src" / f"{i}.png")
    return tmp_path / "src"


@pytest.fixture
def made(monkeypatch) -> list[tuple[tuple, dict]]:
    """Annotate with the fake; the list is what the command asked the real one for."""
    asked: list[tuple[tuple, dict]] = []

    def fake(*arguments, **options):
        asked.append((arguments, options))
        return FakeDescriber(bad=[arguments[2]] if arguments[2] else [])

    monkeypatch.setattr(describer.pipeline, "Describer", fake)
    return asked


def test_starting_loads_nothing_heavy():
    code = f"import sys, describer.cli; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["annotate"],
        ["demo"],
        ["ask"],
        ["evaluate"],
        ["synth"],
        ["train"],
        ["train", "scene"],
        ["train", "vlm"],
        ["bench"],
        ["bench", "speed"],
        ["bench", "demo"],
        ["bench", "metrics"],
    ],
    ids=" ".join,
)
def test_every_command_has_help_and_examples(capsys, command):
    assert cli.run([*command, "--help"]) == 0
    out = capsys.readouterr().out
    assert "Usage:" in out
    if command not in (["train"], ["bench"]):
        assert f"describer {' '.join(command)}".rstrip() in out


def test_version(capsys):
    assert cli.run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("describer 0.")


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["annotate"],
        ["annotate", "x"],
        ["ask", "x"],
        ["annotate", "x", "-o", "y", "--batch-size", "0"],
        ["annotate", "x", "-o", "y", "--fps", "many"],
        ["synth", "x", "--size", "640"],
        ["synth", "x", "--size", "8x8"],
        [],
    ],
    ids=" ".join,
)
def test_usage_errors_exit_2_on_stderr(capsys, arguments):
    assert cli.run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Usage:" in captured.err


def test_annotate_prints_a_table_and_exits_0(frames, tmp_path, made, capsys):
    assert cli.run(["annotate", str(frames), "-o", str(tmp_path / "out")]) == 0
    out = capsys.readouterr().out
    assert "frames              3" in out
    assert "annotations.jsonl" in out
    assert len((tmp_path / "out/annotations.jsonl").read_text().splitlines()) == 3
    assert (tmp_path / "out/overlays/2.png.jpg").exists()


def test_annotate_json_is_all_of_stdout_and_options_arrive(frames, tmp_path, made, capsys):
    options = ["--json", "--no-overlays", "--limit", "2", "--vlm", "echo", "--prompt", "facts", "--device", "cpu"]
    assert (
        cli.run(
            ["annotate", str(frames), "-o", str(tmp_path / "out"), *options, "--quantize", "4bit", "--guard", "flag"]
        )
        == 0
    )
    summary = json.loads(capsys.readouterr().out)
    assert (summary["frames"], summary["failures"]) == (2, 0)
    named = {"quantize": "4bit", "depth": False, "server": None, "guard": "flag"}
    assert made == [(("embedded", "echo", None, "cpu", "facts"), named)]
    assert not (tmp_path / "out/overlays").exists()


def test_some_failed_frames_exit_3_and_all_failed_2(frames, tmp_path, made, capsys):
    assert cli.run(["annotate", str(frames), "-o", str(tmp_path / "out"), "--adapter", "1.png"]) == 3
    assert "failures            1" in capsys.readouterr().out
    (frames / "bad").mkdir()
    (frames / "bad" / "x.png").write_text("text")
    assert cli.run(["annotate", str(frames / "bad"), "-o", str(tmp_path / "out2")]) == 2


@pytest.mark.parametrize("source", ["missing", "src/*.gif", "src/notes.txt"])
def test_nothing_to_read_is_one_line_before_any_model_loads(frames, tmp_path, made, capsys, source):
    (frames / "notes.txt").write_text("x")
    assert cli.run(["annotate", str(tmp_path / source), "-o", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert error.count("\n") == 1
    assert made == []


def test_other_settings_name_the_flag_that_helps(frames, tmp_path, made, capsys):
    command = ["annotate", str(frames), "-o", str(tmp_path / "out")]
    assert cli.run(command) == 0
    assert cli.run([*command, "--fps", "2"]) == 2
    assert "--overwrite" in capsys.readouterr().err
    assert cli.run([*command, "--fps", "2", "--overwrite"]) == 0


def test_a_model_that_cannot_be_loaded_is_one_line(frames, tmp_path, monkeypatch, capsys):
    def broken(*_, **__):
        raise ModelError("--scene-model x: there is no such folder; train one with describer train scene.")

    monkeypatch.setattr(describer.pipeline, "Describer", broken)
    assert cli.run(["annotate", str(frames), "-o", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("Error: --scene-model x")


def test_ctrl_c_is_one_line_and_130(frames, tmp_path, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(describer.pipeline, "Describer", interrupted)
    assert cli.run(["annotate", str(frames), "-o", str(tmp_path / "out")]) == 130
    captured = capsys.readouterr()
    assert "Run the same command again" in captured.err
    assert "Traceback" not in captured.err


def test_synth_makes_a_folder_and_prints_it(tmp_path, monkeypatch, capsys):
    asked = []

    def fake(*arguments, progress):
        asked.append(arguments)
        return arguments[0]

    monkeypatch.setattr(describer.synthesis, "write_dataset", fake)
    out = tmp_path / "scenes"
    assert cli.run(["synth", str(out), "--n", "2", "--procedure", "esd", "--size", "320x256", "--seed", "4"]) == 0
    assert asked == [(out, 2, 4, "esd", (320, 256), None)]
    assert capsys.readouterr().out.strip() == str(out)


def test_train_hands_its_options_over(tmp_path, monkeypatch, capsys):
    asked = []

    def fake(*arguments, progress):
        progress("half way")
        asked.append(arguments)
        return arguments[1]

    monkeypatch.setattr(describer.tuning, "train_scene_preset", fake)
    monkeypatch.setattr(describer.tuning, "train_vlm_preset", fake)
    assert cli.run(["train", "scene", "--out", str(tmp_path), "--minutes", "2", "--frames", "64"]) == 0
    assert cli.run(["train", "vlm", "--out", str(tmp_path), "--scene-model", "s", "--adapter-frames", "9"]) == 0
    assert asked[0] == ("embedded", tmp_path, 2.0, 64, None)
    assert asked[1] == ("embedded", tmp_path, "s", 40.0, 3000, 9)
    captured = capsys.readouterr()
    assert captured.err.count("half way") == 2
    assert captured.out.splitlines() == [str(tmp_path)] * 2


def test_unknown_presets_are_named(tmp_path, capsys):
    assert cli.run(["train", "scene", "--preset", "huge", "--out", str(tmp_path)]) == 2
    assert "--preset 'huge'" in capsys.readouterr().err


def test_a_reader_that_leaves_early_gets_no_traceback():
    command = f"{sys.executable} -m describer.cli annotate --help | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
