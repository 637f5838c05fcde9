import json
import stat

import pytest
import torch

from describer.errors import ModelError
from describer.vlm import GenerationSettings, load_vlm
from describer.vlm.loading import load_parts
from describer.vlm.lora import add_lora, fingerprint, save_adapter
from describer.vlm.samples import ProcessorData, Sample
from describer.vlm.tuning import TuneOptions, train_vlm
from tests.vlm.contract import CHATS, chat
from tests.vlm.families import FAMILIES, checkpoint
from tests.vlm.tiny import save_tiny_idefics3, save_tiny_llava, tiny_llava

CPU = torch.device("cpu")
SAMPLES = [Sample(chat(f"What is {i}?", 1, i), "The hook.") for i in range(4)]
SETTINGS = GenerationSettings(max_new_tokens=6)


def tuned(base, adapter, steps=15):
    """Train an adapter on `base` into the folder `adapter`; the tuned model in eval mode."""
    processor, model = load_parts(str(base), CPU, torch.float32, None, False)
    model = add_lora(model, rank=4, alpha=8, dropout=0.0)
    options = TuneOptions(steps=steps, batch_size=4, learning_rate=1e-2, bf16=False)
    result = train_vlm(model, ProcessorData(SAMPLES, processor), options)
    save_adapter(model, adapter, "some-base")
    return model, processor, result


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return save_tiny_llava(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def adapter(base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lora") / "lora"
    tuned(base, folder)
    return folder


@pytest.mark.parametrize("family", FAMILIES)
def test_adapters_of_every_family_are_saved_and_merged(family, tmp_path):
    base = checkpoint(family)
    model, processor, _ = tuned(base, tmp_path / "lora", steps=4)
    trained = [name for name, p in model.named_parameters() if p.requires_grad]
    assert trained
    assert not [name for name in trained if "vision" in name or "visual" in name or "lora" not in name]
    vlm = load_vlm(str(base), adapter=str(tmp_path / "lora"), dtype="float32")
    assert vlm.adapter.startswith("lora@")
    batch = ProcessorData(SAMPLES, processor).batch([0, 1])
    with torch.no_grad():
        expected, merged = model(**batch.inputs).logits, vlm.model(**batch.inputs).logits
        bare = load_vlm(str(base), dtype="float32").model(**batch.inputs).logits
    assert torch.allclose(expected, merged, atol=1e-4)
    assert not torch.allclose(expected, bare, atol=1e-3)
    assert len(vlm.generate(CHATS, SETTINGS)) == len(CHATS)


def test_lora_learns_with_the_base_frozen(base, tmp_path):
    _, _, short = tuned(base, tmp_path / "x", steps=1)
    _, _, longer = tuned(base, tmp_path / "y", steps=40)
    assert longer.loss < short.loss - 0.3


def test_the_folder_is_pefts_and_names_no_path_of_this_machine(adapter, base):
    config = json.loads((adapter / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "some-base"
    assert str(base) not in "".join(path.read_text() for path in adapter.glob("*.json"))
    assert {path.name for path in adapter.iterdir()} == {
        "adapter_config.json",
        "adapter_model.safetensors",
        "describer_base.json",
    }
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o644 for path in adapter.iterdir())


def test_an_adapter_for_other_weights_is_refused(adapter, tmp_path):
    other = save_tiny_llava(tmp_path / "other", seed=1)
    with pytest.raises(ModelError, match=r"trained on some-base and does not fit other@.* \(other weights\)"):
        load_vlm(str(other), adapter=str(adapter))


@pytest.fixture
def foreign(adapter, tmp_path):
    """The adapter as another tool would have written it: without our fingerprint."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / name).write_bytes((adapter / name).read_bytes())
    return folder


def test_an_adapter_of_another_tool_loads(base, foreign):
    assert load_vlm(str(base), adapter=str(foreign)).generate(CHATS[:1], SETTINGS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: save_tiny_llava(folder, hidden_size=32), "is 32 wide, not 64"),
        (save_tiny_idefics3, "there is no layer"),
    ],
)
def test_an_adapter_of_another_shape_is_refused(foreign, tmp_path, make, message):
    with pytest.raises(ModelError, match=message) as caught:
        load_vlm(str(make(tmp_path / "other")), adapter=str(foreign))
    assert "\n" not in str(caught.value)


def no_weights(folder):
    (folder / "adapter_model.safetensors").unlink()


def half_weights(folder):
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:50])


def broken_json(folder):
    (folder / "adapter_config.json").write_text("{")


def no_peft(folder):
    (folder / "adapter_config.json").write_text("{}")


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (no_weights, "adapter_model.safetensors is missing"),
        (half_weights, "are damaged"),
        (broken_json, "not valid JSON"),
        (no_peft, "peft_type is missing"),
    ],
)
def test_a_bad_adapter_gives_one_sentence(base, foreign, break_it, message):
    break_it(foreign)
    with pytest.raises(ModelError, match=message):
        load_vlm(str(base), adapter=str(foreign))


def test_an_adapter_goes_on_quantized_weights(base, adapter):
    pytest.importorskip("bitsandbytes")
    vlm = load_vlm(str(base), adapter=str(adapter), quantize="4bit")
    assert len(vlm.generate(CHATS, SETTINGS)) == len(CHATS)


def test_adapter_prompt_options_come_first(base, adapter):
    (adapter / "prompt_options.json").write_text('{"facts": false}')
    try:
        assert load_vlm(str(base), adapter=str(adapter)).prompt_options == {"facts": False}
    finally:
        (adapter / "prompt_options.json").unlink()


def test_the_fingerprint_does_not_depend_on_dtype(base):
    prints = {
        fingerprint(load_parts(str(base), CPU, dtype, None, False)[1]) for dtype in (torch.float32, torch.bfloat16)
    }
    assert len(prints) == 1


@pytest.mark.parametrize(
    ("options", "there", "gone"),
    [
        ({"targets": "attention"}, ("q_proj", "o_proj"), ("up_proj", "vision", "projector")),
        ({"targets": "mlp"}, ("up_proj", "down_proj"), ("q_proj", "vision", "projector")),
        ({"targets": r".*language_model.*layers\.1\..*v_proj"}, ("layers.1.self_attn.v_proj",), ("layers.0", "q_proj")),
        ({"frozen": ("vision",)}, ("projector", "q_proj", "up_proj"), ("vision",)),
        ({"frozen": ("projector",)}, ("vision", "q_proj"), ("projector",)),
    ],
)
def test_what_gets_updates_can_be_chosen(options, there, gone):
    names = [name for name, p in add_lora(tiny_llava()[0], rank=2, **options).named_parameters() if p.requires_grad]
    assert all("lora" in name for name in names)
    assert all(any(part in name for name in names) for part in there)
    assert not [name for name in names if any(part in name for part in gone)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"targets": "nothing_like_it"}, "No layer 'nothing_like_it'"),
        ({"targets": "("}, "No layer"),
        ({"frozen": ("language",)}, "language cannot be frozen"),
    ],
)
def test_updates_of_nothing_are_refused(options, message):
    with pytest.raises(ModelError, match=message):
        add_lora(tiny_llava()[0], rank=2, **options)


def test_rank_must_be_positive(base):
    with pytest.raises(ModelError, match="rank must be at least 1"):
        add_lora(load_parts(str(base), CPU, torch.float32, None, False)[1], rank=0)
