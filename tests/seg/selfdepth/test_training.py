"""Clips, held-out frames and training on a tiny moving clip: errors fall, runs resume, other tasks stay."""

from __future__ import annotations

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from describer.camera import Intrinsics
from describer.errors import InputError, OutputError
from describer.seg.image import normalise
from describer.seg.model import SceneModel, disparity_to_depth, interpolate
from describer.seg.selfdepth.clips import Clip, held_out_triples, load_clip, training_triples, triples
from describer.seg.selfdepth.learner import (
    DepthLearner,
    LossWeights,
    coarse_change,
    consistency,
    make_batch,
    score_pairs,
)
from describer.seg.selfdepth.training import CHECKPOINT, SelfDepthSettings, train_depth
from tests.seg.selfdepth.made import CAMERA, moving_clip, relief
from tests.tiny import tiny_scene_model

HW = (42, 56)
FRAMES, DEPTHS = moving_clip(20, HW, (0.08, 0.03, 0.03))


def clip(frames: np.ndarray = FRAMES) -> Clip:
    return Clip("made", frames, CAMERA, np.ones(frames.shape[1:3], bool), (HW[1], HW[0]))


def learner() -> DepthLearner:
    torch.manual_seed(0)
    return DepthLearner(tiny_scene_model(), LossWeights(prior=0.0))  # its depth begins as noise


def settings(steps: int, **fields: float) -> SelfDepthSettings:
    return SelfDepthSettings(**({"steps": steps, "batch_size": 2, "lr": 2e-3} | fields))


def depth_error(model: SceneModel, indices: slice) -> float:
    """The mean relative error of depth, each frame's scaled to the true median."""
    with torch.no_grad():
        disparity = model.see_depth(normalise(torch.from_numpy(FRAMES[indices])))[0]
    depth, truth = disparity_to_depth(interpolate(disparity, HW))[:, 0].numpy(), DEPTHS[indices]
    scale = np.median(truth / depth, axis=(1, 2), keepdims=True)
    return float((np.abs(scale * depth - truth) / truth).mean())


def save(frames: np.ndarray, folder: Path) -> str:
    folder.mkdir()
    for i, frame in enumerate(frames):
        Image.fromarray(cv2.resize(frame, (168, 112))).save(folder / f"{i:03d}.png")
    return str(folder)


def test_a_folder_is_a_clip_with_its_camera(tmp_path: Path):
    source = save(FRAMES, tmp_path / "clip")
    found = load_clip(source, HW)
    assert found.name == "clip" and found.frames.shape == (20, *HW, 3) and found.view.all()
    assert found.original_wh == (168, 112) and found.intrinsics == pytest.approx((1, 168 / 112, 0.5, 0.5))
    given = load_clip(source, HW, Intrinsics(84, 84, 80, 60))
    assert given.intrinsics == pytest.approx((0.5, 0.75, 80 / 168, 60 / 112))


def test_no_frame_is_both_trained_on_and_held_out():
    made = clip()
    seen = {i for triple in training_triples(made) for i in triple}
    held = {i for triple in held_out_triples(made) for i in triple}
    assert seen and held and max(seen) < made.held_out_from <= min(held)
    assert all(before < i < after for i, before, after in training_triples(made)[1:-1])


def test_neighbours_move_but_are_no_other_shot():
    still = np.repeat(FRAMES[:1], 6, axis=0)
    assert triples(clip(still), 0, 6) == []
    twice = np.repeat(FRAMES[:3], 2, axis=0)  # every frame doubled: the neighbour is the next that differs
    assert triples(clip(twice), 0, 6)[2:4] == [(2, 1, 4), (3, 1, 4)]
    cut = np.concatenate((FRAMES[:2], np.clip(FRAMES[:2].astype(int) + 90, 0, 255).astype(np.uint8)))
    assert triples(clip(cut), 0, 4) == [(0, 1, 1), (1, 0, 0), (2, 3, 3), (3, 2, 2)]


def test_clips_that_teach_nothing_are_refused(tmp_path: Path):
    with pytest.raises(InputError, match="too few move"):
        load_clip(save(np.repeat(FRAMES[:1], 12, axis=0), tmp_path / "still"), HW)
    with pytest.raises(InputError, match="too few move"):
        load_clip(save(FRAMES[:4], tmp_path / "short"), HW)
    mixed = Path(save(FRAMES, tmp_path / "mixed"))
    Image.fromarray(FRAMES[0]).save(mixed / "zz.png")
    with pytest.raises(InputError, match="one camera a clip"):
        load_clip(str(mixed), HW)
    (mixed / "zz.png").write_text("no picture")
    with pytest.raises(InputError, match=r"zz\.png"):
        load_clip(str(mixed), HW)


def test_a_flipped_batch_is_the_mirror_and_flips_back():
    batch = make_batch([(clip(), (3, 2, 4)), (clip(), (5, 4, 6))])
    assert batch.frames.shape == (3, 2, *HW, 3) and np.array_equal(batch.frames[1, 1].numpy(), FRAMES[4])
    mirrored = batch.flipped()
    assert torch.equal(mirrored.frames[0, 0, :, 0], batch.frames[0, 0, :, -1])
    assert mirrored.intrinsics[0, 2] == pytest.approx(1 - CAMERA[2])
    assert torch.equal(mirrored.flipped().frames, batch.frames)


def test_a_few_steps_teach_depth_and_leave_all_other_tasks_alone(tmp_path: Path):
    made, model = clip(), learner()
    pixels = normalise(torch.from_numpy(FRAMES[:2]))
    before = model.model(pixels)
    picks = [(made, triple) for triple in held_out_triples(made)]
    held_out = slice(made.held_out_from, None)
    start, blind = score_pairs(model, picks), depth_error(model.model, held_out)
    trained = train_depth(model, [made], tmp_path / "out", settings(24, lr=1e-2)).eval()
    end = score_pairs(model, picks)
    assert end.photometric < start.photometric < 0.5 * start.no_motion
    assert depth_error(trained, held_out) < 0.9 * blind
    after = trained(pixels)
    assert torch.equal(after.logits, before.logits) and torch.equal(after.activity_logits, before.activity_logits)
    assert not torch.equal(after.disparity[0], before.disparity[0])
    with (tmp_path / "out" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(1, 25))
    errors = [float(row["photometric_0"]) for row in rows]
    assert np.mean(errors[-5:]) < 0.8 * np.mean(errors[:5])
    saved = SceneModel.from_pretrained(tmp_path / "out").eval()
    assert torch.allclose(saved(pixels).disparity[0], after.disparity[0], atol=1e-5)


def test_a_broken_run_goes_on_as_if_unbroken(tmp_path: Path):
    whole, halves = learner(), learner()
    train_depth(whole, [clip()], tmp_path / "whole", settings(4))

    class StopError(Exception): ...

    def stop(news):
        if news.step == 2:
            raise StopError

    with pytest.raises(StopError):
        train_depth(halves, [clip()], tmp_path / "halves", settings(4, checkpoint_minutes=0.0), stop)
    again = learner()
    train_depth(again, [clip()], tmp_path / "halves", settings(4))
    for (name, one), two in zip(whole.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(one, two), name
    rows = [(tmp_path / name / "log.csv").read_text().splitlines() for name in ("whole", "halves")]
    assert [row.split(",")[3:] for row in rows[0]] == [row.split(",")[3:] for row in rows[1]]
    with pytest.raises(OutputError, match="other settings or clips"):
        train_depth(learner(), [clip()], tmp_path / "halves", settings(5))
    torn = tmp_path / "halves" / CHECKPOINT
    torn.write_bytes(torn.read_bytes()[:1000])
    with pytest.raises(InputError, match="damaged checkpoint"):
        train_depth(learner(), [clip()], tmp_path / "halves", settings(4))


def test_true_depths_of_two_frames_agree_at_any_scale_and_others_do_not():
    depth, view = relief(HW), torch.ones(1, 1, *HW)
    still, shares = torch.zeros(1, 6), torch.tensor([CAMERA])
    assert consistency(depth, [depth, 3 * depth], [still, still], shares, view).item() == pytest.approx(0, abs=1e-5)
    assert consistency(depth, [depth.flip(3) + 1], [still], shares, view).item() > 0.01
    nearer = torch.tensor([[0.0, 0.0, 0.0, 0.0, 0.0, -1.0]])  # the neighbour stands 1 closer
    assert consistency(depth, [depth - 1], [nearer], shares, view) < consistency(depth, [depth], [nearer], shares, view)
    assert consistency(depth, [3 * depth], [still], shares, 0 * view).item() == 0


def test_what_is_away_on_the_coarse_grid_counts_and_fine_detail_does_not():
    began, view = relief((16, 24)), torch.ones(1, 1, 16, 24)
    assert coarse_change(2 * began, began, view).item() == pytest.approx(np.log(2), rel=1e-5)
    checks = torch.ones_like(began)
    checks[..., ::2] = 1.2
    checks[..., 1::2] = 1 / 1.2
    assert coarse_change(checks * began, began, view).item() == pytest.approx(0, abs=1e-5)
    hidden = view.clone()
    hidden[..., :12] = 0
    halves = began.clone()
    halves[..., :12] *= 5
    assert coarse_change(halves, began, hidden).item() == pytest.approx(0, abs=1e-6)
    assert coarse_change(halves, began, 0 * view).item() == 0
