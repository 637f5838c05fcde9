"""Two processes train what one trains: the same batches, averaged gradients, one loss curve."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

from describer.seg.config import SceneConfig
from describer.seg.data import CachedDataset, Source
from describer.seg.training import TrainSettings, train_scene

SCRIPT = """
import sys
from pathlib import Path
from tests.seg.test_processes import train
train(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def train(out: Path, frames: Path) -> None:
    torch.set_num_threads(1)
    tiny = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "mlp_ratio": 2, "image_size": 56}
    names = {"class_names": list("abcd"), "activity_names": ["x", "y"]}
    config = SceneConfig(backbone=tiny, feature_layers=[1, 2, 3, 4], decoder_width=16, **names)
    plan = TrainSettings(steps=6, batch_size=8, warmup_steps=2, hw=(56, 70), precision="no", balance="uncertainty")
    train_scene(config, [Source(CachedDataset(frames))], out, plan)


def train_in_two(out: Path, frames: Path) -> None:
    script = out.parent / "script.py"
    script.write_text(SCRIPT)
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", script, out, frames],
        env={**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]


def losses(out: Path) -> list[float]:
    with (out / "log.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def test_two_processes_follow_one_process(tmp_path: Path, tiny_frames: Path) -> None:
    threads = torch.get_num_threads()
    train(tmp_path / "one", tiny_frames)
    torch.set_num_threads(threads)
    train_in_two(tmp_path / "two", tiny_frames)
    one, two = np.array(losses(tmp_path / "one")), np.array(losses(tmp_path / "two"))
    assert len(one) == len(two) == 6
    # Only batch norm's statistics, taken over half as many frames, may differ.
    assert np.abs(one / two - 1).max() < 0.08
