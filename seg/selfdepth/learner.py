"""The scene model's depth and a pose network, learning from triples of neighbouring frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from describer.devices import multiplies_bfloat16
from describer.seg.image import normalise
from describer.seg.model import SceneModel, disparity_to_depth, interpolate
from describer.seg.selfdepth.align import align
from describer.seg.selfdepth.clips import Clip, Triple
from describer.seg.selfdepth.photometric import least_error, moving, photometric_error, smoothness
from describer.seg.selfdepth.pose import PoseNet
from describer.seg.selfdepth.warp import sample, synthesise, warp_grid


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Frames and two neighbours of each: ``frames`` (3, B, H, W, 3) uint8, the frame itself first; ``intrinsics``
    (B, 4) shares; ``view`` (B, 1, H, W) float, 1 where the scope sees."""

    frames: Tensor
    intrinsics: Tensor
    view: Tensor

    def flipped(self) -> Batch:
        """Left and right exchanged, and the principal point with them."""
        fx, fy, cx, cy = self.intrinsics.unbind(1)
        return Batch(self.frames.flip(3), torch.stack((fx, fy, 1 - cx, cy), 1), self.view.flip(3))

    def to(self, device: torch.device) -> Batch:
        return Batch(self.frames.to(device), self.intrinsics.to(device), self.view.to(device))


def make_batch(picks: Sequence[tuple[Clip, Triple]]) -> Batch:
    """The batch of some triples."""
    frames = np.stack([[clip.frames[triple[k]] for clip, triple in picks] for k in range(3)])
    views = np.stack([clip.view for clip, _ in picks])[:, None]
    intrinsics = torch.tensor([clip.intrinsics for clip, _ in picks])
    return Batch(torch.from_numpy(frames), intrinsics, torch.from_numpy(views).float())


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """``total`` is minimised; ``photometric`` is the mean error by scale, ``smoothness`` that of the finest, ``moving``
    the share of the view that counted."""

    total: Tensor
    photometric: tuple[float, ...]
    smoothness: float
    moving: float


class DepthLearner(nn.Module):
    """What moves: the depth head with a decoder of its own, and the pose network. All else of the model stays.

    DescriberError for a model without a depth head.
    """

    def __init__(self, model: SceneModel, smoothness_weight: float = 1e-3) -> None:
        super().__init__()
        model.split_depth()
        self.model, self.pose = model.eval().requires_grad_(False), PoseNet()
        self.smoothness_weight = smoothness_weight
        for part in (model.depth, model.depth_decoder):
            assert part is not None  # split_depth made both; told to the type checker
            part.requires_grad_(True)

    def depth_state(self) -> dict[str, Tensor]:
        """The model's weights that move."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def disparity(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Disparity (B, 1, h, w) of normalised frames at the scales of the depth head, finest first, float32."""
        kind = pixels.device.type
        with torch.autocast(kind, torch.bfloat16, enabled=multiplies_bfloat16(pixels.device)):
            scales = self.model.see_depth(pixels)
        return tuple(scale.float() for scale in scales)

    def forward(self, batch: Batch, *, learn_depth: bool = True) -> Losses:
        """The losses of a batch: with `learn_depth` of depth at exact motions, without it of the pose network alone.

        The pose network learns on every pixel: the static mask would hide what it has yet to explain.
        """
        pixels = [normalise(frames) for frames in batch.frames]
        pictures = [frames.permute(0, 3, 1, 2) / 255 for frames in batch.frames]
        assert self.model.depth is not None
        self.model.depth.train()  # all four scales
        with torch.set_grad_enabled(learn_depth):
            scales = self.disparity(pixels[0])
        self.model.depth.eval()
        at = interpolate(disparity_to_depth(scales[0].detach()), (pixels[0].shape[2], pixels[0].shape[3]))
        poses = self.motions(pixels, pictures, at, batch, exact=learn_depth)
        total, errors, shares, slopes = at.new_zeros(()), [], [], []
        for k, disparity in enumerate(scales):
            hw = (pictures[0].shape[2] >> k, pictures[0].shape[3] >> k)
            frame, *neighbours = (F.interpolate(picture, size=hw, mode="area") for picture in pictures)
            view = (F.interpolate(batch.view, size=hw, mode="area") >= 0.99).float()
            depth = disparity_to_depth(interpolate(disparity, hw))
            error, counted = self._compare(frame, neighbours, view, depth, poses, batch.intrinsics, learn_depth)
            slope = smoothness(disparity, F.interpolate(frame, size=disparity.shape[2:], mode="area"))
            total = total + error + self.smoothness_weight / 2**k * slope
            errors.append(error.item())
            shares.append(counted)
            slopes.append(slope.item())
        return Losses(total / len(scales), tuple(errors), slopes[0], shares[0])

    def motions(
        self, pixels: Sequence[Tensor], pictures: Sequence[Tensor], depth: Tensor, batch: Batch, *, exact: bool
    ) -> list[Tensor]:
        """The motion (B, 6) to each neighbour, as the pose network tells it or, `exact`, aligned from there."""
        found = []
        for k in range(1, len(pixels)):
            with torch.set_grad_enabled(not exact and torch.is_grad_enabled()):
                pose = self.pose(pixels[0], pixels[k], depth, batch.intrinsics, batch.view)
            if exact:
                pose = align(pictures[0], pictures[k], depth, pose, batch.intrinsics, batch.view)
            found.append(pose)
        return found

    @staticmethod
    def _compare(
        frame: Tensor,
        neighbours: Sequence[Tensor],
        view: Tensor,
        depth: Tensor,
        poses: Sequence[Tensor],
        intrinsics: Tensor,
        masked: bool,
    ) -> tuple[Tensor, float]:
        """The mean error over the view, and the share of it that counted.

        ``masked``: of the neighbour that shows a pixel best, where anything moves; otherwise of every neighbour, so
        that no pose is left out.
        """
        errors, seen = [], []
        for neighbour, pose in zip(neighbours, poses, strict=True):
            made, there = synthesise(torch.cat((neighbour, view), 1), depth, pose, intrinsics)
            errors.append(photometric_error(made[:, :3], frame))
            seen.append(there & (made[:, 3:] >= 0.99))
        if not masked:
            counts = torch.cat(seen) & (view > 0).repeat(len(seen), 1, 1, 1)
            return torch.cat(errors)[counts].mean(), counts.float().mean().item()
        error = least_error(errors, seen)
        with torch.no_grad():
            everywhere = torch.ones_like(view, dtype=torch.bool)
            still = least_error([photometric_error(n, frame) for n in neighbours], [everywhere] * len(neighbours))
        counts = (view > 0) & error.isfinite() & moving(error, still)
        mean = error.where(counts, torch.zeros_like(error)).sum() / view.sum().clamp(min=1)
        return mean, counts.sum().item() / max(view.sum().item(), 1)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Scores on ``pairs`` of held-out neighbours, means over the pixels of the view that both frames show.

    ``photometric`` is the error of the synthesised neighbour, ``no_motion`` that of the neighbour as it is on the same
    pixels. ``unsteady`` is the mean relative change of depth from a frame to its neighbour, the neighbour's map
    sampled where the points are seen there and scaled to the same median.
    """

    pairs: int
    photometric: float
    no_motion: float
    unsteady: float


@torch.no_grad()
def score_pairs(learner: DepthLearner, picks: Sequence[tuple[Clip, Triple]], *, flat: bool = False) -> HeldOut:
    """Score pairs of (frame, each of its neighbours); with `flat` the depth is 1 everywhere, a control."""
    rows = []
    device = next(learner.pose.parameters()).device
    for pick in picks:
        batch = make_batch([pick]).to(device)
        pixels = [normalise(frames) for frames in batch.frames]
        pictures = [frames.permute(0, 3, 1, 2) / 255 for frames in batch.frames]
        hw = (pictures[0].shape[2], pictures[0].shape[3])
        depths = [disparity_to_depth(interpolate(learner.disparity(p)[0], hw)) for p in pixels]
        if flat:
            depths = [torch.ones_like(depth) for depth in depths]
        for k, pose in enumerate(learner.motions(pixels, pictures, depths[0], batch, exact=True), 1):
            rows.append(_score_pair(pictures[0], pictures[k], depths[0], depths[k], pose, batch))
    means = np.mean(rows, axis=0)
    return HeldOut(len(rows), *(float(value) for value in means))


def _score_pair(
    frame: Tensor, neighbour: Tensor, depth: Tensor, other: Tensor, pose: Tensor, batch: Batch
) -> tuple[float, float, float]:
    grid, there_depth = warp_grid(depth, pose, batch.intrinsics)
    made, inside = sample(torch.cat((neighbour, batch.view, other), 1), grid)
    counts = inside & (made[:, 3:4] >= 0.99) & (batch.view > 0)
    ratio = (made[:, 4:] / there_depth)[counts]
    unsteady = (ratio / ratio.median() - 1).abs().mean()
    errors = photometric_error(made[:, :3], frame)[counts], photometric_error(neighbour, frame)[counts]
    return errors[0].mean().item(), errors[1].mean().item(), unsteady.item()
