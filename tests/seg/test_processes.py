"""Two processes train what one trains: the same batches, averaged gradients, one loss curve."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = """
import sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from describer.seg.config import SceneConfig
from describer.seg.data import CachedDataset, Source
from describer.seg.training import TrainSettings, train_scene

out, frames = Path(sys.argv[1]), Path(sys.argv[2])
tiny = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2, "mlp_ratio": 2, "image_size": 56}
config = SceneConfig(backbone=tiny, feature_layers=[1, 2, 3, 4], decoder_width=16, class_names=list("abcd"),
                     activity_names=["x", "y"])
plan = TrainSettings(steps=12, batch_size=8, warmup_steps=2, hw=(56, 70), precision="no", balance=sys.argv[3])
train_scene(config, [Source(CachedDataset(frames))], out, plan)
"""


def run(folder: Path, frames: Path, processes: int, balance: str) -> list[float]:
    script = folder.parent / "script.py"
    script.write_text(SCRIPT)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={processes}"]
    env = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [*launch, str(script), str(folder), str(frames), balance],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    with (folder / "log.csv").open() as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


@pytest.mark.parametrize("balance", ["uncertainty"])
def test_two_processes_follow_one_process(tmp_path: Path, tiny_frames: Path, balance: str) -> None:
    one = np.array(run(tmp_path / "one", tiny_frames, 1, balance))
    two = np.array(run(tmp_path / "two", tiny_frames, 2, balance))
    assert len(one) == len(two) == 12
    # Only batch norm's statistics, taken over half as many frames, may differ.
    assert np.abs(one / two - 1).max() < 0.08
    assert one[-3:].mean() < 0.9 * one[:3].mean()
