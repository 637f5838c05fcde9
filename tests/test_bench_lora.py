"""The bench of LoRA: notes that say what the scene says, and a run that ends in a table of base and adapter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from describer import bench_lora
from describer.bench_lora import LoraBench, lora_bench, noted, region_note, to_text
from describer.errors import InputError, OutputError
from describer.eval.truth import labels_of
from describer.prompts.grounding import contradictions
from describer.records import read_records
from describer.seg.synth import render
from describer.synthesis import true_annotation
from describer.taxonomy import load_taxonomy
from tests.vlm.tiny import save_tiny_llava

CORE = load_taxonomy("core")


def test_notes_name_what_is_there_and_nothing_else() -> None:
    record, _ = true_annotation(render(3, "laparoscopy", (320, 256)), "a.jpg", 0)
    notes = noted(record).descriptions
    assert [note.region_id for note in notes] == [*(region.id for region in record.scene.regions), None]
    assert labels_of(notes[-1].text, CORE) == {region.label for region in record.scene.regions}
    for region, note in zip(record.scene.regions, notes):
        assert note.text.startswith(region.label.capitalize()) and region.place in note.text
        assert not note.ungrounded and not contradictions(note, record.scene, CORE)


def test_an_instrument_is_noted_with_its_tip_and_a_tissue_with_its_size() -> None:
    record, _ = true_annotation(render(3, "laparoscopy", (320, 256)), "a.jpg", 0)
    for region in record.scene.regions:
        assert ("; tip " in region_note(record.scene, region)) == (region.kind == "instrument")


def test_the_bench_ends_in_a_table_and_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_lora, "FRAME_WH", (160, 128))
    bench = LoraBench(frames=8, minutes=0.01, held_out=2, vlm=str(save_tiny_llava(tmp_path / "base")), device="cpu")
    found = lora_bench(bench, tmp_path / "out")
    assert found["scores"]["n"] == 2 and set(found["scores"]["base"]) == set(found["scores"]["base + adapter"])
    lines = to_text(found).splitlines()
    assert lines[1].startswith("base ") and lines[2].startswith("base + adapter ") and "n = 2 held-out" in lines[3]
    assert len(list(read_records(tmp_path / "out" / "wards" / "7" / "annotations.jsonl"))) == 1
    build = json.loads((tmp_path / "out" / "chats" / "build.json").read_text())
    assert {source["name"] for source in build["sources"]} == {str(k) for k in range(8)}
    assert lora_bench(bench, tmp_path / "out")["scores"] == found["scores"]
    with pytest.raises(OutputError, match="holds 1 frames and 2 are wanted"):
        lora_bench(LoraBench(frames=16, vlm=bench.vlm), tmp_path / "out")


def test_too_few_frames_are_refused() -> None:
    with pytest.raises(InputError, match="--frames 7 is too few"):
        LoraBench(frames=7)
