"""Frames in, normalised pixels out: the only place where the scene model's input size and scaling are decided."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from describer.errors import DescriberError

TRAIN_HW = (224, 280)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def resize_area(image: np.ndarray, hw: tuple[int, int]) -> np.ndarray:
    """Resize (H, W, 3) uint8 to `hw`: pixel-area averaging down, linear up."""
    if image.shape[:2] == tuple(hw):
        return image
    shrinks = hw[0] * hw[1] < image.shape[0] * image.shape[1]
    return cv2.resize(image, (hw[1], hw[0]), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def normalise(images: Tensor) -> Tensor:
    """(B, H, W, 3) uint8 RGB -> (B, 3, H, W) float with ImageNet's mean and deviation, what DINOv2 expects."""
    mean = torch.tensor(IMAGENET_MEAN, device=images.device).view(3, 1, 1) * 255
    scale = 1 / (torch.tensor(IMAGENET_STD, device=images.device).view(3, 1, 1) * 255)
    return (images.permute(0, 3, 1, 2).contiguous().float() - mean) * scale


def to_pixels(images: Sequence[np.ndarray], target_hw: tuple[int, int]) -> Tensor:
    """Frames of any sizes, each (H, W, 3) uint8 RGB -> one normalised batch (B, 3, *target_hw)."""
    for image in images:
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise DescriberError(
                f"A frame must be RGB uint8 of shape (H, W, 3), got {image.dtype} {image.shape}; convert it first."
            )
    return normalise(torch.from_numpy(np.stack([resize_area(image, target_hw) for image in images])))
