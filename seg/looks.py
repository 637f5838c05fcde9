"""How things look: colour and glare are measured in the picture, the rest is read by a head of the scene model.

A small language model hardly learns cover, blur, jaws or smoke from pixels by itself, so they are found here, once, and
everything that speaks of looks (facts, answers) speaks of the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from describer.colours import BLOWN_REGION, BLOWN_VIEW, is_blown, mean_colour, name_colour
from describer.geometry import raster_of
from describer.seg.heads import ConvBlock, ResidualBlock
from describer.types import Appearance, Region, Scene, View

_NO_YES = (False, True)
REGION_WORDS: Mapping[str, tuple[Any, ...]] = {
    "cover": ("none", "blood", "smoke", "char"),
    "sharp": _NO_YES,
    "state": (None, "open", "closed"),
}
"""What the head tells of a region, by `Appearance`'s fields: values in id order. The view's are `View`'s."""
VIEW_WORDS: Mapping[str, tuple[Any, ...]] = {
    "smoke": ("none", "light", "heavy"),
    "blood": ("none", "some", "a lot"),
    "blur": _NO_YES,
    "dirt": _NO_YES,
}
MAX_PARTS = 24
"""Regions of one frame that a cache keeps."""
_WIDTH = 48
_EVERY = 4  # the view's highlights are counted among every fourth pixel both ways
_DARK = 16
_FAINT = 0.01  # details weaker than this, of an image whose spread is about 1, are noise
_PEAK = 6.0  # where the exponential of the peak pooling stops growing
# What disturbs is rare, and what people ask about: how much more than the plain case it weighs in training.
_WEIGHTS: Mapping[str, tuple[float, ...]] = {
    **{"cover": (1.0, 3.0, 4.0, 4.0), "sharp": (2.0, 1.0), "state": (1.0, 1.0, 1.0)},
    **{"smoke": (1.0, 2.0, 2.0), "blood": (1.0, 1.3, 1.3), "blur": (1.0, 2.0), "dirt": (1.0, 4.0)},
}


@dataclass(frozen=True, slots=True)
class LookLogits:
    """Logits of regions (..., R, 9) and of the view (..., 10): the words of the tables above, one after the other."""

    regions: Tensor
    view: Tensor


class LooksHead(nn.Module):
    """Regions of a frame -> cover, sharpness and jaws of each, and smoke, blood, blur and dirt of the view.

    It has eyes of its own, since the decoder's features were trained to see through smoke and blood, and is told what
    is where. `enter` makes one map at stride 4 of both; `forward` pools it (mean and smooth maximum) over each region
    and over the view.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.see = nn.Sequential(ConvBlock(5, _WIDTH // 2, stride=2), ConvBlock(_WIDTH // 2, _WIDTH, stride=2))
        self.mix = ConvBlock(_WIDTH + 1 + classes, _WIDTH, kernel=1)
        # Wide enough for both jaws of an instrument that is near.
        self.look = nn.Sequential(ResidualBlock(_WIDTH), ResidualBlock(_WIDTH, rate=2))
        sizes = [sum(map(len, words.values())) for words in (REGION_WORDS, VIEW_WORDS)]
        self.of_region = _mlp(4 * _WIDTH + classes, sizes[0])
        self.of_view = _mlp(2 * _WIDTH + classes, sizes[1])

    def enter(self, pixel_values: Tensor, shares: Tensor) -> Tensor:
        """An image (B, 3, H, W) and the share of each class in every cell (B, C, h, w) -> maps (B, 48 + C, h, w)."""
        fine, coarse = _details(pixel_values)
        own = self.see(torch.cat((pixel_values, fine, coarse), dim=1).contiguous(memory_format=torch.channels_last))
        hw = (shares.shape[2], shares.shape[3])
        own = F.interpolate(own, size=hw, mode="bilinear", align_corners=False)
        # How much finer detail there is than coarser: what blur takes away, whatever the contrast.
        crisp = (F.adaptive_avg_pool2d(fine, hw) + _FAINT).log() - (F.adaptive_avg_pool2d(coarse, hw) + _FAINT).log()
        shares = shares.to(own.dtype)
        return torch.cat((self.look(self.mix(torch.cat((own, crisp, shares), dim=1))), shares), dim=1)

    def forward(self, maps: Tensor, shares: Tensor) -> LookLogits:
        """``maps`` as `enter` gives them; shares (B, R, h, w) of each cell that a region fills.

        The logits of a region that fills nothing mean nothing.
        """
        everything = torch.ones_like(shares[:, :1])
        pooled = _pooled(maps.float(), torch.cat((everything, shares), dim=1).float())
        view, regions = pooled[:, 0], pooled[:, 1:]
        beside = view[:, None, : 2 * _WIDTH].expand(-1, regions.shape[1], -1)
        return LookLogits(self.of_region(torch.cat((regions, beside), dim=2)).float(), self.of_view(view).float())


def _details(pixel_values: Tensor) -> tuple[Tensor, Tensor]:
    """Strength of details of about one and about three pixels, (B, 1, H, W) each."""
    grey = pixel_values.mean(1, keepdim=True)
    soft, softer = (F.avg_pool2d(grey, k, 1, k // 2, count_include_pad=False) for k in (3, 7))
    return (grey - soft).abs(), (soft - softer).abs()


def _mlp(width_in: int, width_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width_in, 2 * _WIDTH), nn.GELU(), nn.Linear(2 * _WIDTH, width_out))


def _pooled(maps: Tensor, shares: Tensor) -> Tensor:
    """(B, 48 + C, h, w) over each of (B, R, h, w): mean and smooth maximum of the features, mean of the classes."""
    weight = shares / shares.sum((2, 3), keepdim=True).clamp(min=1e-3)
    mean = torch.einsum("bchw,brhw->brc", maps, weight)
    peak = torch.einsum("bchw,brhw->brc", maps[:, :_WIDTH].clamp(max=_PEAK).exp(), weight)
    return torch.cat((mean[..., :_WIDTH], (peak + 1e-3).log(), mean[..., _WIDTH:]), dim=2)


def look_ids(looks: Appearance | View, words: Mapping[str, tuple[Any, ...]]) -> list[int]:
    """An id for each of ``words``, -1 for what is not known."""
    return [values.index(getattr(looks, name)) if getattr(looks, name) in values else -1
            for name, values in words.items()]  # fmt: skip


def looks_loss(said: LookLogits, regions: Tensor, view: Tensor) -> Tensor:
    """Sum of the cross-entropies of what is known: ids (B, R, 3) of regions and (B, 4) of the view, -1 unknown."""
    losses = [(said.regions.sum() + said.view.sum()) * 0]
    for logits, ids, words in ((said.regions, regions, REGION_WORDS), (said.view, view, VIEW_WORDS)):
        for k, (name, part) in enumerate(zip(words, _parts(logits, words), strict=True)):
            known = ids[..., k] >= 0
            if known.any():
                weight = part.new_tensor(_WEIGHTS[name])
                losses.append(F.cross_entropy(part[known], ids[..., k][known].long(), weight=weight))
    return torch.stack(losses).sum()


def _parts(logits: Tensor, words: Mapping[str, tuple[Any, ...]]) -> tuple[Tensor, ...]:
    parts: tuple[Tensor, ...] = logits.split([len(values) for values in words.values()], dim=-1)
    return parts


def part_shares(parts: Tensor, hw: tuple[int, int]) -> Tensor:
    """Maps (B, H, W) of part numbers, 0 none -> the share of each cell of an (h, w) grid that parts 1 to `MAX_PARTS`
    fill (B, MAX_PARTS, h, w)."""
    return _shares(parts, range(1, MAX_PARTS + 1), hw)


def class_shares(labels: Tensor, classes: int, hw: tuple[int, int]) -> Tensor:
    """Label maps (B, H, W) -> the share of each class in every cell of an (h, w) grid (B, classes, h, w)."""
    return _shares(labels, range(classes), hw)


def _shares(codes: Tensor, wanted: range, hw: tuple[int, int]) -> Tensor:
    # Every second pixel both ways is enough to tell how much of a cell of four there is.
    sparse = codes[:, None, ::2, ::2]
    each = torch.tensor(wanted, device=codes.device, dtype=codes.dtype)[None, :, None, None]
    return F.adaptive_avg_pool2d((sparse == each).float(), hw)


def region_shares(regions: Sequence[Region], hw: tuple[int, int]) -> Tensor:
    """As `part_shares`, of the masks of a scene's regions (1, R, h, w)."""
    return mask_shares([raster_of(region.mask) for region in regions], hw)[None]


def mask_shares(masks: Sequence[np.ndarray], hw: tuple[int, int]) -> Tensor:
    """The share of each cell of an (h, w) grid that each of some bool masks of any size fills (R, h, w)."""
    if not masks:
        return torch.zeros(0, *hw)
    size_wh = (hw[1], hw[0])
    shares = [cv2.resize(mask.astype(np.float32), size_wh, interpolation=cv2.INTER_AREA) for mask in masks]
    return torch.from_numpy(np.stack(shares))


def with_looks(scene: Scene, image: np.ndarray, said: LookLogits | None) -> Scene:
    """The scene with the looks of its regions and of the view in ``image``, RGB uint8 (H, W, 3).

    ``said`` are the head's logits (1, R, 9) and (1, 10), regions in the scene's order; without them only what can be
    measured is told of regions, and nothing of the view.
    """
    regions = []
    small = _sampled(image, raster_of(scene.regions[0].mask).shape) if scene.regions else image
    for k, region in enumerate(scene.regions):
        read = {} if said is None else _read(said.regions[0, k], REGION_WORDS)
        if region.kind != "instrument":
            read = {name: found for name, found in read.items() if name != "state"}
        regions.append(replace(region, appearance=_appearance(image, small, region, read)))
    view = None
    if said is not None:
        read = _read(said.view[0], VIEW_WORDS)
        seen = _sampled(image, (image.shape[0] // _EVERY or 1, image.shape[1] // _EVERY or 1)).reshape(-1, 3)
        # As of the renderer's views, the dark beside a scope's picture is no part of it.
        lit = seen[seen.max(axis=1) > _DARK]
        view = View(glare=bool(len(lit) and is_blown(lit).mean() > BLOWN_VIEW), **_told(read))
    return replace(scene, regions=tuple(regions), view=view)


def _read(logits: Tensor, words: Mapping[str, tuple[Any, ...]]) -> dict[str, tuple[Any, float]]:
    """The likeliest value of each word, and its probability."""
    read = {}
    for (name, values), part in zip(words.items(), _parts(logits, words), strict=True):
        probabilities = part.softmax(-1)
        best = int(probabilities.argmax())
        read[name] = (values[best], round(float(probabilities[best]), 4))
    return read


def _told(read: Mapping[str, tuple[Any, float]]) -> dict[str, Any]:
    """Keyword arguments of `Appearance` or `View`."""
    fields: dict[str, Any] = {name: value for name, (value, _) in read.items()}
    return fields | {"scores": {name: score for name, (_, score) in read.items()}}


def _appearance(
    image: np.ndarray, small: np.ndarray, region: Region, read: Mapping[str, tuple[Any, float]]
) -> Appearance:
    """``small`` is the image at the size of the masks' rasters."""
    pixels = small[raster_of(region.mask)]
    if not len(pixels):  # too thin for the raster
        pixels = image[region.mask.to_array()]
    glare = bool(is_blown(pixels).mean() > BLOWN_REGION)
    return Appearance(name_colour(mean_colour(pixels)), glare=glare, **_told(read))


def _sampled(image: np.ndarray, hw: tuple[int, ...]) -> np.ndarray:
    """Every n-th pixel: averages would wash highlights out."""
    return cv2.resize(image, (hw[1], hw[0]), interpolation=cv2.INTER_NEAREST)
