import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from describer.errors import ModelError
from describer.vlm.samples import ProcessorData, Sample
from describer.vlm.tuning import TuneOptions, schedule, train_vlm
from tests.vlm.contract import chat
from tests.vlm.tiny import tiny_llava

SAMPLES = [Sample(chat(f"What is {i}?", i % 3, i), f"The hook {i}.") for i in range(8)]


def run(steps, folder=None, model=None, progress=None, **options):
    tiny, processor = tiny_llava()
    model = model or tiny
    settings = TuneOptions(steps=steps, batch_size=4, learning_rate=3e-3, log_every=2, bf16=False, **options)
    return model, train_vlm(model, ProcessorData(SAMPLES, processor), settings, folder, progress)


def test_the_loss_falls():
    losses = []
    _, result = run(40, progress=lambda step, loss, speed, left: losses.append(loss))
    assert result.steps == 40
    assert result.samples == 160
    assert losses[-1] < 0.75 * losses[0]


def test_bf16_trains_too():
    tiny, processor = tiny_llava()
    options = TuneOptions(steps=3, batch_size=4)
    assert train_vlm(tiny, ProcessorData(SAMPLES, processor), options).loss > 0


UNEVEN = [Sample(chat(f"What is {i}?", 1, i), "The hook. " * (1 + 3 * (i % 4))) for i in range(8)]


def gradients(**options):
    """Of the first step of two epochs' length, before the optimizer makes all of them alike."""
    tiny, processor = tiny_llava()
    found = {}

    def keep(step, *rest):
        found.update({name: p.grad.clone() for name, p in tiny.named_parameters() if p.grad is not None})

    settings = TuneOptions(steps=1, batch_size=8, bf16=False, log_every=1, clip_norm=1e9, **options)
    result = train_vlm(tiny, ProcessorData(UNEVEN, processor), settings, progress=keep)
    return found, result.loss


@pytest.mark.parametrize(
    "options", [{"accumulate": 4}, {"checkpointing": True}, {"accumulate": 2, "checkpointing": True}]
)
def test_parts_and_checkpointing_change_nothing(options):
    """Answers are of different lengths: a mean of the parts' means would differ."""
    (whole, loss), (parts, same) = gradients(), gradients(**options)
    assert same == pytest.approx(loss, rel=1e-5) and whole.keys() == parts.keys()
    assert all(torch.allclose(whole[name], parts[name], atol=1e-6, rtol=1e-3) for name in whole)


SCRIPT = """
import sys, torch
from tests.vlm.test_tuning import two_steps
torch.set_num_threads(1)
two_steps(sys.argv[1])
"""


def two_steps(folder):
    tiny, processor = tiny_llava()
    options = TuneOptions(steps=2, batch_size=4, learning_rate=1e-3, bf16=False, log_every=1)
    return train_vlm(tiny, ProcessorData(UNEVEN, processor), options, folder)


def test_two_processes_train_what_one_trains(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", script, tmp_path / "two"],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "PYTHONPATH": str(Path(__file__).parents[2])},
        check=True,
        capture_output=True,
        timeout=300,
    )
    two_steps(tmp_path / "one")
    one, two = (torch.load(tmp_path / name / "checkpoint.pt", weights_only=True) for name in ("one", "two"))
    assert one["progress"][3] == pytest.approx(two["progress"][3], rel=1e-5)
    assert len((tmp_path / "two" / "log.csv").read_text().splitlines()) == 3
    for name, value in one["parameters"].items():
        assert torch.allclose(value, two["parameters"][name], atol=3e-4), name


class KilledError(Exception):
    pass


def test_a_killed_run_goes_on_where_it_was(tmp_path):
    unbroken, _ = run(12, tmp_path / "a", checkpoint_minutes=0.0)

    def kill(step, *rest):
        if step == 6:
            raise KilledError

    with pytest.raises(KilledError):
        run(12, tmp_path / "b", progress=kill, checkpoint_minutes=0.0)
    steps = []
    resumed, result = run(12, tmp_path / "b", progress=lambda step, *rest: steps.append(step))
    # The checkpoint is from before the killing callback's step: step 5.
    assert steps == [6, 8, 10, 12]
    assert result.steps == 12
    for name, value in unbroken.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_ctrl_c_saves_first(tmp_path):
    def stop(step, *rest):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(12, tmp_path, progress=stop)
    steps = []
    run(4, tmp_path, progress=lambda step, *rest: steps.append(step))
    assert steps == [4]


def test_another_runs_checkpoint_is_refused(tmp_path):
    run(2, tmp_path)
    with pytest.raises(ModelError, match="another model, data or options"):
        run(4, tmp_path, seed=1)


def test_a_damaged_checkpoint_is_refused(tmp_path):
    run(2, tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"half a file")
    with pytest.raises(ModelError, match=r"checkpoint\.pt.*damaged"):
        run(4, tmp_path)


def test_the_log_can_be_read(tmp_path):
    tiny, processor = tiny_llava()
    options = TuneOptions(steps=4, batch_size=4, log_every=2)
    modes = []

    def evaluate(model):
        modes.append((model.training, torch.is_grad_enabled()))
        return {"accuracy": 0.5}

    train_vlm(tiny, ProcessorData(SAMPLES, processor), options, tmp_path, evaluate=evaluate)
    rows = list(csv.DictReader((tmp_path / "log.csv").open()))
    assert [row["step"] for row in rows] == ["2", "4", "4"]
    assert json.loads(rows[-1]["evaluation"]) == {"accuracy": 0.5}
    assert modes == [(False, False)]
    assert not tiny.training


def test_minutes_are_a_budget():
    tiny, processor = tiny_llava()
    left = []
    options = TuneOptions(minutes=0.02, batch_size=4, log_every=1)
    result = train_vlm(
        tiny, ProcessorData(SAMPLES, processor), options, progress=lambda *report: left.append(report[3])
    )
    assert result.steps >= 1
    assert result.seconds >= 1.2
    assert left == sorted(left, reverse=True) or len(left) < 3


def test_a_model_without_trainable_weights_is_refused():
    tiny, _ = tiny_llava()
    with pytest.raises(ModelError, match="No parameter"):
        run(2, model=tiny.requires_grad_(False))


def test_a_loss_that_is_no_number_stops_the_run():
    tiny, _ = tiny_llava()
    with torch.no_grad():
        tiny.model.language_model.norm.weight.fill_(float("nan"))
    with pytest.raises(ModelError, match="lower the learning rate"):
        run(2, model=tiny)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "exactly one of minutes and steps"),
        ({"steps": 1, "minutes": 1.0}, "exactly one of minutes and steps"),
        ({"steps": 0}, "steps must be above 0"),
        ({"minutes": -1.0}, "minutes must be above 0"),
        ({"steps": 1, "batch_size": 0}, "batch_size"),
        ({"steps": 1, "batch_size": 6, "accumulate": 4}, "does not divide into 4 parts"),
        ({"steps": 1, "learning_rate": 0.0}, "learning_rate"),
        ({"steps": 1, "warmup": 1.0}, "warmup"),
    ],
)
def test_options_are_checked(fields, message):
    with pytest.raises(ModelError, match=message):
        TuneOptions(**fields)


def test_the_schedule_rises_then_anneals():
    rates = [schedule(k / 100, 0.1) for k in range(101)]
    assert max(rates) == pytest.approx(rates[10]) == pytest.approx(1.0)
    assert rates[:11] == sorted(rates[:11])
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.01)
