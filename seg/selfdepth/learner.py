"""The scene model's depth and a pose network, learning from triples of neighbouring frames."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from describer.devices import multiplies_bfloat16
from describer.errors import DescriberError
from describer.seg.image import normalise
from describer.seg.model import SceneModel, disparity_to_depth, interpolate
from describer.seg.selfdepth.align import align
from describer.seg.selfdepth.clips import Clip, Triple
from describer.seg.selfdepth.photometric import least_error, moving, photometric_error, smoothness
from describer.seg.selfdepth.pose import PoseNet
from describer.seg.selfdepth.warp import sample, synthesise, warp_grid

FrameName = tuple[str, int, bool]
_KEPT_BYTES = 1 << 30
_COARSE = 8  # cells of four pixels


@dataclass(frozen=True, slots=True)
class LossWeights:
    """What is added to the photometric error.

    ``smoothness`` of disparity (Monodepth2). ``consistency``: two neighbours' depths of one point agree (after Bian et
    al., arXiv 1908.10553), which steadies them. ``prior``: on a coarse grid, depth stays near the one that it began
    with; this holds the form where nothing moves or shows texture, and the scale, which otherwise drifts until
    disparity saturates.
    """

    smoothness: float = 1e-3
    consistency: float = 0.02
    prior: float = 0.02


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Frames and two neighbours of each: ``frames`` (3, B, H, W, 3) uint8, the frame itself first; ``intrinsics``
    (B, 4) shares; ``view`` (B, 1, H, W) float, 1 where the scope sees; ``names`` [3][B], clip, number and whether
    ``flipped``."""

    frames: Tensor
    intrinsics: Tensor
    view: Tensor
    names: tuple[tuple[FrameName, ...], ...]

    def flipped(self) -> Batch:
        """Left and right exchanged, and the principal point with them."""
        fx, fy, cx, cy = self.intrinsics.unbind(1)
        names = tuple(tuple((clip, number, not flip) for clip, number, flip in row) for row in self.names)
        return Batch(self.frames.flip(3), torch.stack((fx, fy, 1 - cx, cy), 1), self.view.flip(3), names)

    def to(self, device: torch.device) -> Batch:
        return Batch(self.frames.to(device), self.intrinsics.to(device), self.view.to(device), self.names)


def make_batch(picks: Sequence[tuple[Clip, Triple]]) -> Batch:
    """The batch of some triples."""
    frames = np.stack([[clip.frames[triple[k]] for clip, triple in picks] for k in range(3)])
    views = np.stack([clip.view for clip, _ in picks])[:, None]
    intrinsics = torch.tensor([clip.intrinsics for clip, _ in picks])
    names = tuple(tuple((clip.name, triple[k], False) for clip, triple in picks) for k in range(3))
    return Batch(torch.from_numpy(frames), intrinsics, torch.from_numpy(views).float(), names)


@dataclass(frozen=True, slots=True, eq=False)
class Losses:
    """``total`` is minimised; ``photometric`` is the mean error by scale, ``smoothness``, ``consistency`` and ``prior``
    those of the finest before weighting, ``moving`` the share of the view that counted."""

    total: Tensor
    photometric: tuple[float, ...]
    smoothness: float
    consistency: float
    prior: float
    moving: float


class DepthLearner(nn.Module):
    """What moves: the depth head, and the pose network. All else of the model stays, so a frame's features are computed
    once and kept, up to a GiB of them.

    DescriberError for a model without a depth head.
    """

    def __init__(self, model: SceneModel, weights: LossWeights | None = None) -> None:
        super().__init__()
        if model.depth is None:
            raise DescriberError("The model has no depth head; train one with `depth` on.")
        self.model, self.pose = model.eval().requires_grad_(False), PoseNet()
        self.began = copy.deepcopy(model.depth)
        self.weights = weights or LossWeights()
        model.depth.requires_grad_(True)
        self._kept: dict[FrameName, tuple[Tensor, ...]] = {}
        self._kept_bytes = 0

    def depth_state(self) -> dict[str, Tensor]:
        """The model's weights that move."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    def inputs(self, pixels: Tensor, names: Sequence[FrameName]) -> tuple[list[Tensor], Tensor, Tensor]:
        """What the depth head reads of normalised frames, each computed alone so that no batch changes it."""
        rows = [self._inputs_of(frame, name) for frame, name in zip(pixels.split(1), names, strict=True)]
        *levels, coarse, features = (torch.cat(parts).float() for parts in zip(*rows, strict=True))
        return levels, coarse, features

    def _inputs_of(self, frame: Tensor, name: FrameName) -> tuple[Tensor, ...]:
        if name in self._kept:
            return self._kept[name]
        with torch.autocast(frame.device.type, torch.bfloat16, enabled=multiplies_bfloat16(frame.device)):
            levels, coarse, features = self.model.depth_inputs(frame)
        made = tuple(part.to(torch.bfloat16) for part in (*levels, coarse, features))
        size = sum(part.nbytes for part in made)
        if self._kept_bytes + size <= _KEPT_BYTES:
            self._kept[name] = made
            self._kept_bytes += size
        return made

    def disparity(self, pixels: Tensor, names: Sequence[FrameName]) -> Tensor:
        """Disparity (B, 1, h, w) of normalised frames, float32."""
        return self._heads(self.inputs(pixels, names))[0]

    def _heads(self, inputs: tuple[list[Tensor], Tensor, Tensor]) -> tuple[Tensor, ...]:
        assert self.model.depth is not None
        kind = inputs[1].device
        with torch.autocast(kind.type, torch.bfloat16, enabled=multiplies_bfloat16(kind)):
            scales = self.model.depth(*inputs)
        return tuple(scale.float() for scale in scales)

    def forward(self, batch: Batch, *, learn_depth: bool = True) -> Losses:
        """The losses of a batch: with `learn_depth` of depth at exact motions, without it of the pose network alone.

        The pose network learns on every pixel: the static mask would hide what it has yet to explain.
        """
        pixels = [normalise(frames) for frames in batch.frames]
        pictures = [frames.permute(0, 3, 1, 2) / 255 for frames in batch.frames]
        inputs = self.inputs(pixels[0], batch.names[0])
        assert self.model.depth is not None
        self.model.depth.train()  # all four scales
        with torch.set_grad_enabled(learn_depth):
            scales = self._heads(inputs)
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
            total = total + error + self.weights.smoothness / 2**k * slope
            errors.append(error.item())
            shares.append(counted)
            slopes.append(slope.item())
        total, told = total / len(scales), (0.0, 0.0)
        if learn_depth:
            view = (F.interpolate(batch.view, size=scales[0].shape[2:], mode="area") >= 0.99).float()
            with torch.no_grad():
                others = [disparity_to_depth(self.disparity(p, n)) for p, n in zip(pixels[1:], batch.names[1:])]
                began = disparity_to_depth(self.began(*inputs)[0])
            depth = disparity_to_depth(scales[0])
            apart = consistency(depth, others, poses, batch.intrinsics, view)
            away = coarse_change(depth, began, view)
            total = total + self.weights.consistency * apart + self.weights.prior * away
            told = apart.item(), away.item()
        return Losses(total, tuple(errors), slopes[0], *told, shares[0])

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


def consistency(
    depth: Tensor, others: Sequence[Tensor], poses: Sequence[Tensor], intrinsics: Tensor, view: Tensor
) -> Tensor:
    """Mean absolute log ratio, about its median, of two frames' depths of one point, where both show it.

    About the median, since otherwise a larger scale would do: it makes any motion small.
    """
    apart, count = [], []
    for other, pose in zip(others, poses, strict=True):
        grid, there = warp_grid(depth, pose, intrinsics)
        said, inside = sample(torch.cat((other, view), 1), grid)
        shown = inside & (said[:, 1:] >= 0.99) & (view > 0) & (there > 0)
        ratio = (said[:, :1] / there.clamp(min=1e-3)).log()
        middle = ratio.detach().masked_fill(~shown, torch.nan).flatten(1).nanmedian(1).values.nan_to_num()
        apart.append(((ratio - middle[:, None, None, None]).abs() * shown).sum())
        count.append(shown.sum())
    return torch.stack(apart).sum() / torch.stack(count).sum().clamp(min=1)


def coarse_change(depth: Tensor, began: Tensor, view: Tensor) -> Tensor:
    """Mean absolute log ratio of two depths (B, 1, h, w) on a grid of `_COARSE` cells, over the view."""
    ratio = F.avg_pool2d((depth / began).log() * view, _COARSE, ceil_mode=True)
    share = F.avg_pool2d(view, _COARSE, ceil_mode=True)
    return ratio.abs().sum() / share.sum().clamp(min=1e-6)


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
        depths = [disparity_to_depth(interpolate(learner.disparity(p, n), hw)) for p, n in zip(pixels, batch.names)]
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
