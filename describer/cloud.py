"""One frame as points in space: its depth map through a pinhole camera, coloured by the frame or by its regions.

Axes: x right, y down, z forward, from the camera; the unit is the depth map's, so relative for a map of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from describer.camera import Intrinsics
from describer.depths import read_depth, resize_depth
from describer.errors import InputError, OutputError
from describer.frames import read_image
from describer.seg.predict import ScenePredictor
from describer.taxonomy import Taxonomy
from describer.types import Scene

COLOURINGS = ("colour", "region")
_NO_REGION_RGB = (128, 128, 128)
_VERTEX = np.dtype([*((axis, "<f4") for axis in "xyz"), *((name, "u1") for name in ("red", "green", "blue"))])


@dataclass(frozen=True, slots=True, eq=False)
class Cloud:
    """``points_xyz`` (N, 3) float32 and their ``colours_rgb`` (N, 3) uint8."""

    points_xyz: np.ndarray
    colours_rgb: np.ndarray


def make_cloud(depth: np.ndarray, colours: np.ndarray, camera: Intrinsics, stride: int = 1) -> Cloud:
    """The points of every ``stride``-th row and column of a depth map (H, W), without those where it is NaN.

    ``colours`` is (H, W, 3) uint8.
    """
    points = camera.back_project(depth)[::stride, ::stride]
    known = np.isfinite(points[..., 2])
    return Cloud(points[known], colours[::stride, ::stride][known])


def region_colours(scene: Scene, taxonomy: Taxonomy) -> np.ndarray:
    """(H, W, 3) uint8: each pixel in the overlay's colour of the smallest region there, grey where there is none."""
    width, height = scene.size_wh
    picture = np.full((height, width, 3), _NO_REGION_RGB, np.uint8)
    for region in sorted(scene.regions, key=lambda region: (-region.area_fraction, -region.id)):
        picture[region.mask.to_array()] = taxonomy.label(region.label).colour
    return picture


def to_ply(cloud: Cloud) -> bytes:
    """The cloud as a binary little-endian PLY file."""
    vertices = np.empty(len(cloud.points_xyz), _VERTEX)
    for k, axis in enumerate("xyz"):
        vertices[axis] = cloud.points_xyz[:, k]
    for k, name in enumerate(("red", "green", "blue")):
        vertices[name] = cloud.colours_rgb[:, k]
    header = [
        "ply",
        "format binary_little_endian 1.0",
        "comment describer: x right, y down, z forward, in the unit of the depth map; not for clinical decisions",
        f"element vertex {len(vertices)}",
        *(f"property float {axis}" for axis in "xyz"),
        *(f"property uchar {name}" for name in ("red", "green", "blue")),
        "end_header",
    ]
    return ("\n".join(header) + "\n").encode("ascii") + vertices.tobytes()


def frame_cloud(
    frame: str | Path,
    *,
    by: str = "colour",
    intrinsics: Intrinsics | None = None,
    depth: str | Path | None = None,
    stride: int = 1,
    scene_model: str = "embedded",
) -> Cloud:
    """The cloud of a picture file.

    Depth is the scene model's, unknown outside of the scope's view, or of a ``depth`` picture (see describer.depths)
    of the frame's size. Without ``intrinsics`` the camera is the assumed one (see describer.camera). Raises
    InputError and ModelError, and InputError where no pixel has a depth.
    """
    if by not in COLOURINGS:
        raise InputError(f"--by {by!r} is unknown; use one of {', '.join(COLOURINGS)}.")
    image = read_image(frame)
    size_wh = (image.shape[1], image.shape[0])
    known = None if depth is None else _given_depth(depth, size_wh)
    colours = image
    if known is None or by == "region":
        predictor = ScenePredictor.load(scene_model)
        (scene,) = predictor.predict([image], depth=known is None)
        if scene.depth is not None:
            known = resize_depth(scene.depth, size_wh)
        if by == "region":
            colours = region_colours(scene, predictor.taxonomy)
    assert known is not None  # given or predicted; told to the type checker
    cloud = make_cloud(known, colours, intrinsics or Intrinsics.assumed(size_wh), stride)
    if not len(cloud.points_xyz):
        raise InputError(
            f"{frame}: no pixel has a known depth; take another frame, another --depth or a smaller --stride."
        )
    return cloud


def _given_depth(path: str | Path, size_wh: tuple[int, int]) -> np.ndarray:
    depth = read_depth(path)
    given_wh = (depth.shape[1], depth.shape[0])
    if given_wh != size_wh:
        sizes = f"{given_wh[0]}x{given_wh[1]} and the frame {size_wh[0]}x{size_wh[1]}"
        raise InputError(f"--depth {path} is {sizes}; give a map of this frame.")
    return depth


def write_ply(cloud: Cloud, path: str | Path) -> None:
    """Write the cloud to ``path`` in one step; OutputError when it cannot be written."""
    path = Path(path)
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(to_ply(cloud))
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}); check the path and free space.") from error
    finally:
        partial.unlink(missing_ok=True)
