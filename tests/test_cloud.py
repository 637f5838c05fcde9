"""Point clouds: geometry, colours, the file, and what cannot be one."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from describer.camera import Intrinsics
from describer.cli import run
from describer.cloud import Cloud, frame_cloud, make_cloud, region_colours, to_ply, write_ply
from describer.depths import DEPTH_OF_WHITE, encode_depth
from describer.errors import InputError, OutputError
from describer.overlay import draw_overlay
from describer.seg.predict import ScenePredictor
from describer.seg.synth import render
from describer.taxonomy import load_taxonomy
from tests.scenes import disc, scene_of
from tests.tiny import save_tiny_scene_model

HW = (96, 128)


def read_ply(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """A reader of its own: what the header says is what the bytes are taken for."""
    header, _, body = data.partition(b"end_header\n")
    lines = header.decode("ascii").splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    types = {"float": "<f4", "uchar": "u1"}
    fields = [(line.split()[2], types[line.split()[1]]) for line in lines if line.startswith("property")]
    (count,) = (int(line.split()[2]) for line in lines if line.startswith("element vertex"))
    rows = np.frombuffer(body, np.dtype(fields))
    assert len(rows) == count
    return np.stack([rows[k] for k in "xyz"], 1), np.stack([rows[k] for k in ("red", "green", "blue")], 1)


def test_a_tilted_plane_comes_back_as_that_plane():
    camera = Intrinsics(110, 120, 60, 50)
    normal, offset = np.array([0.3, -0.2, 1.0]), 4.0
    rays = camera.back_project(np.ones(HW, np.float32))
    depth = (offset / (rays @ normal)).astype(np.float32)
    points, _ = read_ply(to_ply(make_cloud(depth, np.zeros((*HW, 3), np.uint8), camera)))
    assert len(points) == HW[0] * HW[1] and np.allclose(points @ normal, offset, atol=1e-4)


@pytest.mark.parametrize("stride", [1, 3])
def test_points_project_back_to_their_pixels_and_colours(stride: int):
    rng = np.random.default_rng(0)
    depth = rng.uniform(1, 9, HW).astype(np.float32)
    depth[:20, :50] = np.nan
    image = rng.integers(0, 256, (*HW, 3), dtype=np.uint8)
    camera = Intrinsics.assumed((HW[1], HW[0]), 0.8)
    points, colours = read_ply(to_ply(make_cloud(depth, image, camera, stride)))
    assert len(points) == np.isfinite(depth[::stride, ::stride]).sum()
    x, y = np.floor(camera.project(points).T).astype(int)
    assert (x % stride == 0).all() and (y % stride == 0).all()
    assert np.array_equal(image[y, x], colours) and np.allclose(depth[y, x], points[:, 2])


def test_region_colours_are_the_overlay_s():
    core = load_taxonomy("core")
    liver, tool = disc((60, 60), (50, 40)), disc((60, 60), (12, 9))
    scene = scene_of(("grasper", tool), ("liver", liver))
    picture = region_colours(scene, core)
    assert (picture[tool] == core.label("grasper").colour).all()  # in front of the liver it lies on
    assert (picture[liver & ~tool] == core.label("liver").colour).all()
    assert len(np.unique(picture[~liver & ~tool])) == 1
    overlay = draw_overlay(np.zeros((*picture.shape[:2], 3), np.uint8), scene, core)
    inside = overlay[75, 85].astype(float)  # the fill of the liver, a share of its colour on black
    assert np.allclose(
        inside / inside.max(), np.array(core.label("liver").colour) / max(core.label("liver").colour), atol=0.05
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_scene_model(tmp_path_factory.mktemp("scene"))


@pytest.fixture(scope="module")
def frame(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("frame") / "a frame.png"
    Image.fromarray(render(0, "laparoscopy", (HW[1], HW[0])).image).save(path)
    return path


def test_of_a_frame_it_has_the_model_s_depth(model: Path, frame: Path):
    (scene,) = ScenePredictor.load(str(model)).predict([np.asarray(Image.open(frame))], depth=True)
    cloud = frame_cloud(frame, scene_model=str(model))
    assert scene.depth is not None and scene.depth.shape == HW
    assert len(cloud.points_xyz) == np.isfinite(scene.depth).sum()
    assert np.array_equal(cloud.points_xyz[:, 2], scene.depth[np.isfinite(scene.depth)])
    regions = frame_cloud(frame, by="region", scene_model=str(model))
    colours = region_colours(scene, load_taxonomy("core"))
    assert np.array_equal(regions.points_xyz, cloud.points_xyz)
    assert np.array_equal(regions.colours_rgb, colours[np.isfinite(scene.depth)])


def test_a_given_map_needs_no_model(frame: Path, tmp_path: Path):
    depth = np.full(HW, 5, np.float32)
    depth[:, :64] = np.nan
    (tmp_path / "depth.png").write_bytes(encode_depth(depth))
    cloud = frame_cloud(frame, depth=tmp_path / "depth.png", scene_model="there is none")
    assert len(cloud.points_xyz) == HW[0] * 64
    assert np.allclose(cloud.points_xyz[:, 2], 5, atol=DEPTH_OF_WHITE / 65535)
    assert (cloud.points_xyz[:, 0] > 0).all()  # the right half is right of the middle


def test_the_command_writes_the_file_and_says_what_is_wrong(model: Path, frame: Path, tmp_path: Path, capsys):
    out = tmp_path / "cloud.ply"
    said = ["cloud", str(frame), str(out), "--scene-model", str(model), "--stride", "4", "--by", "region"]
    assert run(said) == 0
    points, _ = read_ply(out.read_bytes())
    assert f"{len(points)} points" in capsys.readouterr().out and list(tmp_path.iterdir()) == [out]
    cv2.imwrite(str(tmp_path / "small.png"), np.ones((32, 32), np.uint16))
    cv2.imwrite(str(tmp_path / "empty.png"), np.zeros(HW, np.uint16))
    for wrong, words in (
        (["--by", "depth"], "--by 'depth' is unknown"),
        (["--intrinsics", "1,2"], "fx,fy,cx,cy"),
        (["--depth", str(tmp_path / "none.png")], "cannot be read"),
        (["--depth", str(tmp_path / "small.png")], "is 32x32 and the frame 128x96"),
        (["--depth", str(tmp_path / "empty.png")], "no pixel has a known depth"),
        (["--scene-model", "nowhere"], "scene model 'nowhere'"),
    ):
        assert run(["cloud", str(frame), str(tmp_path / "x.ply"), *wrong]) == 2
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1, error
    assert not (tmp_path / "x.ply").exists()


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path):
    cloud = Cloud(np.zeros((2, 3), np.float32), np.zeros((2, 3), np.uint8))
    with pytest.raises(OutputError, match="cannot be written"):
        write_ply(cloud, tmp_path / "no folder" / "c.ply")
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"none\.png"):
        frame_cloud(tmp_path / "none.png")
