"""Losses for full and partial labels; balancing.py makes one step of them.

A label map holds class ids and the codes of codes.py; the loss of a code is the negative log of the summed
probability of the classes it stands for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from describer.errors import DescriberError
from describer.seg.codes import REST, SOME_INSTRUMENT
from describer.seg.interaction import ToolLogits
from describer.seg.model import SceneOutput, disparity_to_depth

TASKS = ("segmentation", "activity", "phase", "depth", "interaction", "boxes", "looks")
DICE_SMOOTH = 1.0
GRADIENT_SHARE = 0.5


def labels_at(labels: Tensor, hw: tuple[int, int]) -> Tensor:
    """Label maps (B, H, W) sampled at the cell centres of an (h, w) grid, as int64."""
    return F.interpolate(labels[:, None].float(), size=hw, mode="nearest-exact")[:, 0].long()


def partial_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    annotated: Tensor,
    instruments: Sequence[int],
    class_weights: Tensor | None = None,
) -> Tensor:
    """Mean of -log p(allowed classes) over the pixels of which something is known.

    Shape: logits (B, C, h, w) float; labels (B, h, w) int64; annotated (B, C) bool; class_weights (C,) for pixels
    of one known class (set-valued pixels weigh 1).
    """
    log_p = logits.log_softmax(1)
    classes = logits.shape[1]
    known = labels < classes
    loss = -log_p.gather(1, labels.where(known, torch.zeros_like(labels))[:, None])[:, 0]
    weight = known.to(loss.dtype)
    if class_weights is not None:
        weight = weight * class_weights[labels.clamp(max=classes - 1)]
    coded = (labels == REST) | (labels == SOME_INSTRUMENT)
    if coded.any():
        b, y, x = coded.nonzero(as_tuple=True)
        allowed = _allowed(labels[b, y, x], ~annotated[b], instruments)
        possible = allowed.any(1)
        b, y, x, allowed = b[possible], y[possible], x[possible], allowed[possible]
        set_loss = -log_p[b, :, y, x].masked_fill(~allowed, float("-inf")).logsumexp(1)
        loss = loss.index_put((b, y, x), set_loss)
        weight = weight.index_put((b, y, x), weight.new_ones(()))
    return (loss * weight).sum() / weight.sum().clamp(min=1)


def _allowed(codes: Tensor, not_annotated: Tensor, instruments: Sequence[int]) -> Tensor:
    """The classes (P, C) that a coded pixel may be."""
    is_instrument = torch.zeros_like(not_annotated)
    is_instrument[:, list(instruments)] = True
    return torch.where((codes == REST)[:, None], not_annotated, is_instrument)


def partial_dice(logits: Tensor, labels: Tensor, annotated: Tensor, instruments: Sequence[int]) -> Tensor:
    """1 - soft Dice, pooled over the batch and averaged over the classes present in it.

    A pixel counts for a class only where it is known whether it belongs to it: REST pixels for annotated classes,
    SOME_INSTRUMENT pixels for everything but instruments. Shapes as in `partial_cross_entropy`.
    """
    classes = logits.shape[1]
    p = logits.softmax(1)
    known = labels < classes
    target = F.one_hot(labels.where(known, torch.zeros_like(labels)), classes).permute(0, 3, 1, 2)
    target = target.to(p.dtype) * known[:, None]
    decided = known[:, None] | ((labels == REST)[:, None] & annotated[:, :, None, None])
    no_instrument = torch.ones(classes, dtype=torch.bool, device=labels.device)
    no_instrument[list(instruments)] = False
    decided = decided | ((labels == SOME_INSTRUMENT)[:, None] & no_instrument[None, :, None, None])
    p = p * decided
    overlap, total = (p * target).sum((0, 2, 3)), (p + target).sum((0, 2, 3))
    present = target.sum((0, 2, 3)) > 0
    dice = (2 * overlap + DICE_SMOOTH) / (total + DICE_SMOOTH)
    return (1 - dice)[present].sum() / present.sum().clamp(min=1)


def scale_invariant_log(depth: Tensor, target: Tensor) -> Tensor:
    """Mean absolute log ratio about its median per frame, over frames with depth.

    Scale-invariant as Eigen et al.'s variance (arXiv 1406.2283), robust as in MiDaS (arXiv 1907.01341): to first order
    what median-scaled AbsRel measures. Shape: both (B, h, w); target is NaN or <= 0 where unknown. A common scale of
    the target changes nothing.
    """
    known = target.isfinite() & (target > 0)
    ratio = depth.log() - target.where(known, torch.ones_like(target)).log()
    middle = ratio.detach().masked_fill(~known, torch.nan).flatten(1).nanmedian(1).values.nan_to_num()
    error = ((ratio - middle[:, None, None]).abs() * known).sum((1, 2)) / known.sum((1, 2)).clamp(min=1)
    return error.sum() / known.any(2).any(1).sum().clamp(min=1)


def gradient_matching(depth: Tensor, target: Tensor) -> Tensor:
    """Mean slope of the log ratio, at four resolutions: edges where the target has them, and none elsewhere.

    MiDaS (arXiv 1907.01341), on log depth. Shapes as in `scale_invariant_log`.
    """
    known = target.isfinite() & (target > 0)
    ratio = (depth.log() - target.where(known, torch.ones_like(target)).log()) * known
    total = ratio.new_zeros(())
    for step in (1, 2, 4, 8):
        coarse, sure = ratio[:, ::step, ::step], known[:, ::step, ::step]
        for axis in (1, 2):
            both = sure.narrow(axis, 1, sure.shape[axis] - 1) & sure.narrow(axis, 0, sure.shape[axis] - 1)
            total = total + (coarse.diff(dim=axis).abs() * both).sum() / both.sum().clamp(min=1)
    return total / 4


def depth_loss(disparity: Sequence[Tensor], target: Tensor) -> Tensor:
    """Scale-invariant loss averaged over the scales, each against depth sampled at its own cells, and matching
    gradients at the finest."""
    losses = []
    for k, scale in enumerate(disparity):
        there = F.interpolate(target[:, None].float(), size=scale.shape[2:], mode="nearest-exact")[:, 0]
        depth = disparity_to_depth(scale)[:, 0]
        losses.append(scale_invariant_log(depth, there))
        if k == 0:
            slopes = gradient_matching(depth, there)
    return torch.stack(losses).mean() + GRADIENT_SHARE * slopes


def activity_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy over frames whose activity is known (not -1); 0 if none is."""
    known = target >= 0
    return F.cross_entropy(logits[known].float(), target[known].long()) if known.any() else logits.float().sum() * 0


def interaction_loss(tools: ToolLogits, labels: Tensor, boxes: Tensor, instruments: Sequence[int]) -> Tensor:
    """Cross-entropies of instrument, verb and target over the boxes whose label is known.

    Shape: tools of (B, T, ...); labels (B, T, 3) of class, verb and target ids, -1 unknown; boxes (B, T, 4).
    """
    seen = boxes.isfinite().all(-1)
    among = torch.full((256,), -1, dtype=torch.long, device=labels.device)
    among[list(instruments)] = torch.arange(len(instruments), device=labels.device)
    kinds = torch.where(labels[..., 0] >= 0, among[labels[..., 0]], labels[..., 0])
    losses = []
    for logits, target in zip((tools.instrument, tools.verb, tools.target), (kinds, labels[..., 1], labels[..., 2])):
        losses.append(activity_loss(logits.flatten(0, 1), target.where(seen, torch.full_like(target, -1)).flatten()))
    return torch.stack(losses).sum()


def box_evidence(logits: Tensor, boxes: Tensor, classes: Tensor) -> Tensor:
    """Weak supervision by tip boxes: somewhere in its box an instrument must be seen, as its class.

    Mean of -log of the mean probability over the likeliest third of each box's cells (multiple-instance learning).
    Shape: logits (B, C, h, w); boxes (B, T, 4) as shares of width and height, NaN none; classes (B, T), -1 unknown.
    """
    known = boxes.isfinite().all(-1) & (classes >= 0)
    if not known.any():
        return logits.sum() * 0
    frame, place = known.nonzero(as_tuple=True)
    box = boxes[frame, place]
    steps = (torch.arange(8, device=box.device, dtype=box.dtype) + 0.5) / 8
    x = box[:, 0, None] + (box[:, 2] - box[:, 0])[:, None] * steps
    y = box[:, 1, None] + (box[:, 3] - box[:, 1])[:, None] * steps
    grid = torch.stack((x[:, None, :].expand(-1, 8, -1), y[:, :, None].expand(-1, -1, 8)), dim=-1) * 2 - 1
    log_p = logits.log_softmax(1)[frame, classes[frame, place]][:, None]
    inside = F.grid_sample(log_p, grid, align_corners=False).flatten(1)
    best = inside.topk(inside.shape[1] // 3, dim=1).values
    return -(best.logsumexp(1) - math.log(best.shape[1])).mean()


def scene_losses(
    output: SceneOutput,
    batch: dict[str, Tensor],
    instruments: Sequence[int],
    class_weights: Tensor | None = None,
) -> dict[str, Tensor]:
    """The loss of every task that the model has a head for; 0 where the batch has no label of it.

    `batch` is what `data.collate` gives. Classes are compared on the logits' own grid. Boxes supervise the classes
    of frames whose masks say nothing of instruments.
    """
    if output.logits is None:
        raise DescriberError("The output has no logits to compare; give what SceneModel returned.")
    logits = output.logits.float()
    labels = labels_at(batch["labels"], (logits.shape[2], logits.shape[3]))
    losses = {
        "segmentation": partial_cross_entropy(logits, labels, batch["annotated"], instruments, class_weights)
        + partial_dice(logits, labels, batch["annotated"], instruments)
    }
    if output.activity_logits is not None:
        losses["activity"] = activity_loss(output.activity_logits, batch["activity"])
    if output.phase_logits is not None:
        losses["phase"] = activity_loss(output.phase_logits, batch["phase"])
    if output.disparity is not None:
        losses["depth"] = depth_loss(output.disparity, batch["depth"])
    if output.tools is not None:
        boxes, kinds = batch["tool_boxes_xyxy"], batch["tool_labels"]
        losses["interaction"] = interaction_loss(output.tools, kinds, boxes, instruments)
        masked = batch["annotated"][:, list(instruments)].all(1)
        losses["boxes"] = box_evidence(logits, boxes, kinds[..., 0].masked_fill(masked[:, None], -1))
    return losses
