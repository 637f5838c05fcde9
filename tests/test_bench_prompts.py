"""The prompt ablation: rows, controls, margins, and that a killed bench goes on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from describer import bench_prompts, instructions
from describer.bench_prompts import PromptBench, prompt_ablation, score, to_markdown, to_text
from describer.errors import InputError, OutputError
from describer.instructions import told_frames
from describer.pipeline import Describer
from describer.prompts.build import PromptOptions
from describer.synthesis import true_descriptions
from describer.types import Annotation
from tests.tiny import save_tiny_scene_model


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instructions, "FRAME_WH", (160, 128))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_scene_model(tmp_path_factory.mktemp("scene")))


def options(scene: str, **changed) -> PromptBench:
    return PromptBench(**{"scene_model": scene, "vlm": "echo", "prompts": ("none", "facts"), "frames": 2} | changed)


def test_every_row_is_scored_and_kept(scene: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    found = prompt_ablation(options(scene), tmp_path, said.append)
    names = [row["name"] for row in found["rows"]]
    assert names[1:5] == ["black image", "shuffled image", "no facts", "no facts, black image"]
    assert names[5:] == ["--prompt none", "--prompt facts"]
    assert [row["control"] for row in found["rows"]] == [False, True, True, True, True, False, False]
    assert all(row["n_frames"] == 2 and row["n_texts"] >= 2 for row in found["rows"])
    assert found["margins"]["cider_d"]["over"] in names[1:5] and "p" in found["margins"]["cider_d"]
    for text in (to_text(found), to_markdown(found), (tmp_path / "prompts.md").read_text()):
        assert "2 held-out rendered frames" in text and "margin over best control" in text

    # Nothing is computed again, but for the row whose file is gone.
    monkeypatch.setattr(bench_prompts, "score", lambda *_: pytest.fail("scored again"))
    assert prompt_ablation(options(scene), tmp_path) == found
    monkeypatch.undo()
    monkeypatch.setattr(instructions, "FRAME_WH", (160, 128))
    (tmp_path / "rows" / "no-facts.json").unlink()
    again = prompt_ablation(options(scene), tmp_path)
    assert [row["scores"] for row in again["rows"]] == [row["scores"] for row in found["rows"]]

    with pytest.raises(OutputError, match="other models or options"):
        prompt_ablation(options(scene, frames=3), tmp_path)


def test_what_a_row_is_shown(scene: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[PromptOptions, int, str]] = []
    real = Describer.annotate_frames

    def spy(self, frames, scenes=None):
        shown.extend((self.prompt, int(frame.image.sum()), frame.ref.source) for frame in frames)
        return real(self, frames, scenes)

    monkeypatch.setattr(Describer, "annotate_frames", spy)
    prompt_ablation(options(scene, predicted=False, prompts=("overlay",)), tmp_path)
    rows = [shown[i : i + 2] for i in range(0, len(shown), 2)]
    own, black, other, unfacted, blind, overlay = rows
    assert [s for _, s, _ in black] == [0, 0] == [s for _, s, _ in blind]
    assert [s for _, s, _ in other] == [s for _, s, _ in own][::-1] != [s for _, s, _ in own]
    assert all(prompt.facts for prompt, _, _ in own + black + other)
    assert not any(prompt.facts for prompt, _, _ in unfacted + blind + overlay)
    assert all(prompt.overlay and not prompt.crop for prompt, _, _ in overlay)
    assert json.loads((tmp_path / "prompts.json").read_text())["scene_model"] == "true scenes"


def test_true_sentences_score_full_marks_and_those_of_others_do_not(scene: str) -> None:
    describer = Describer(scene, "echo", device="cpu")
    told = list(told_frames(40, 3))
    made = describer.provenance()
    texts = [true_descriptions(t.scene, dict(t.looks), t.rendered.view) for t in told]
    records = [Annotation(t.frame.ref, t.scene, said, made) for t, said in zip(told, texts)]
    row, items = score(records, told, describer)
    perfect = {"entity_f1": 1, "places": 1, "contacts": 1, "colour": 1, "exact": 1, "hallucination": 0, "omission": 0}
    assert {key: row["scores"][key] for key in perfect} == perfect
    assert row["n_texts"] == len(items["frame"]) == len(items["cider_d"]) and row["n_places"] > 5

    silent = [Annotation(r.frame, r.scene, r.descriptions[-1:], made) for r in records]
    shuffled = [
        Annotation(r.frame, r.scene, other.descriptions[-1:], made) for r, other in zip(silent, np.roll(silent, 1))
    ]
    assert score(shuffled, told, describer)[0]["scores"]["entity_f1"] < 0.9


def test_mistakes_are_named() -> None:
    with pytest.raises(InputError, match="--prompt"):
        PromptBench(prompts=("everything",))
    with pytest.raises(InputError, match="--frames"):
        PromptBench(frames=1)
