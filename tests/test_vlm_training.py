"""`describer train vlm --data`: from chats to an adapter that loads, fits its base alone, and says how it was made."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from describer.chat_files import BUILD, Example, PictureFiles, to_line
from describer.cli import run
from describer.errors import InputError, ModelError, OutputError
from describer.prompts.build import PromptOptions, template_hashes
from describer.vlm import GenerationSettings, load_vlm
from describer.vlm_training import VlmTraining, read_options, train_adapter, training
from tests.vlm.contract import CHATS, chat
from tests.vlm.tiny import save_tiny_llava

PROMPT = PromptOptions(facts=False)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_llava(tmp_path_factory.mktemp("base") / "tiny")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `data build` writes, of eight chats and two held-out ones."""
    folder = tmp_path_factory.mktemp("data")
    files = PictureFiles(folder)
    for split, count in (("train", 8), ("val", 2)):
        made = [
            Example(
                f"{split}{i}", chat(f"What is {i}?", 1, i), "The hook.", ("region", "question: count")[i % 2], "s", "v"
            )
            for i in range(count)
        ]
        (folder / f"{split}.jsonl").write_text("".join(to_line(example, files) for example in made))
    build = {"sources": [{"name": "s", "kind": "synth", "path": "/s", "licence": None}], "taxonomy": "core"}
    (folder / BUILD).write_text(json.dumps(build))
    (folder / "prompt_options.json").write_text(json.dumps(PROMPT.to_dict()))
    (folder / "templates.json").write_text(json.dumps(template_hashes()))
    core = Path(__file__).parents[1] / "describer" / "taxonomies" / "core.yaml"
    (folder / "taxonomy.yaml").write_bytes(core.read_bytes())
    return folder


def options(data: Path, base: Path, **changed: Any) -> VlmTraining:
    plan = {"data": str(data), "vlm": str(base), "rank": 4, "steps": 3, "batch_size": 4, "lr": 1e-2, "device": "cpu"}
    return VlmTraining(**(plan | {"precision": "no", "eval_frames": 0} | changed))


def test_an_adapter_with_all_that_belongs_to_it(data: Path, base: Path, tmp_path: Path) -> None:
    said: list[str] = []
    out = train_adapter(options(data, base, steps=20, eval_frames=2), tmp_path / "lora", said.append)
    vlm = load_vlm(str(base), adapter=str(out), device="cpu")
    assert vlm.prompt_options == PROMPT.to_dict()
    assert len(vlm.generate(CHATS, GenerationSettings(max_new_tokens=4))) == len(CHATS)
    recipe = json.loads((out / "recipe.json").read_text())
    assert recipe["base"].startswith("tiny@") and recipe["run"]["steps"] == 20 and recipe["data"]["train"] == 8
    assert set(recipe["scores"]["base"]) == set(recipe["scores"]["base + adapter"]) >= {"entity_f1", "vqa_accuracy"}
    assert {"templates.json", "taxonomy.yaml", BUILD, "log.csv"} <= {path.name for path in out.iterdir()}
    assert "base + adapter" in (out / "README.md").read_text()
    with (out / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows[-1]["evaluation"] and float(rows[-1]["loss"]) < 6
    assert any("min left" in line for line in said) and any(line.startswith("before:") for line in said)

    other = save_tiny_llava(tmp_path / "other", seed=1)
    with pytest.raises(ModelError, match=r"does not fit other@.* \(other weights\)"):
        load_vlm(str(other), adapter=str(out))


def test_qlora_trains_and_answers_in_four_bits(data: Path, base: Path, tmp_path: Path) -> None:
    pytest.importorskip("bitsandbytes")
    out = train_adapter(options(data, base, quantize="4bit", checkpointing=True, accumulate=2), tmp_path / "lora")
    learned = load_file(out / "adapter_model.safetensors")
    assert all(learned[name].abs().sum() > 0 for name in learned if "lora_B" in name)
    vlm = load_vlm(str(base), adapter=str(out), quantize="4bit", device="cpu")
    kinds = {type(module).__name__ for module in vlm.model.modules()}
    assert "Linear4bit" in kinds and len(vlm.generate(CHATS[:2], GenerationSettings(max_new_tokens=3))) == 2
    assert "QLoRA" in (out / "README.md").read_text()


def test_a_killed_run_goes_on_to_the_same_adapter(
    data: Path, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from describer.vlm import tuning

    whole = train_adapter(options(data, base, steps=4), tmp_path / "whole")
    real = tuning._Run.train_step

    def kill(self: Any, fraction: float) -> None:
        if self.step == 2:
            raise KeyboardInterrupt
        real(self, fraction)

    monkeypatch.setattr(tuning._Run, "train_step", kill)
    with pytest.raises(KeyboardInterrupt):
        train_adapter(options(data, base, steps=4), tmp_path / "broken")
    monkeypatch.undo()
    with pytest.raises(OutputError, match="other options or data"):
        train_adapter(options(data, base, steps=4, rank=8), tmp_path / "broken")
    again = train_adapter(options(data, base, steps=4), tmp_path / "broken")
    one, two = (load_file(folder / "adapter_model.safetensors") for folder in (whole, again))
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_flags_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "vlm.yaml"
    path.write_text(yaml.safe_dump({"data": "d", "rank": 8, "frozen": ["vision"], "lr": 0.1}))
    made = training(read_options(path), {"lr": 0.2, "seed": None})
    assert (made.data, made.rank, made.frozen, made.lr, made.seed) == ("d", 8, ("vision",), 0.2, 0)
    path.write_text("speed: 3\n")
    with pytest.raises(InputError, match="speed"):
        read_options(path)
    with pytest.raises(InputError, match="--config"):
        read_options(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"data": ""}, "--data"),
        ({"steps": 1, "minutes": 1.0}, "--steps and --minutes"),
        ({"epochs": 0}, "--epochs"),
        ({"precision": "half"}, "--precision half"),
        ({"quantize": "2bit"}, "--quantize 2bit"),
        ({"dropout": 1.0}, "--dropout"),
    ],
)
def test_mistakes_are_named(changed: dict[str, Any], match: str) -> None:
    with pytest.raises(InputError, match=match):
        VlmTraining(**{"data": "d", **changed})


def test_a_folder_that_is_no_data(base: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished data"):
        train_adapter(options(tmp_path, base), tmp_path / "out")


def test_the_command(data: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "vlm", "--data", str(data), "--vlm", str(base), "-o", str(tmp_path / "out"), "--steps", "1"]
    assert run([*arguments, "--thaw", "projector", "--targets", "attention", "--eval-frames", "0"]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out")
    layers = {name.partition(".lora_")[0] for name in load_file(tmp_path / "out" / "adapter_model.safetensors")}
    assert any("projector" in name for name in layers) and any("q_proj" in name for name in layers)
    assert not any("vision" in name or "up_proj" in name for name in layers)
