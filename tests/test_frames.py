"""Frames from folders, patterns, pictures and videos; every bad input has its row."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from describer.errors import InputError
from describer.frames import as_frame, count_frames, iter_frames, pixels_sha256, read_image
from describer.types import Failure, Frame

RNG = np.random.default_rng(0)
PICTURE = RNG.integers(0, 255, (24, 40, 3), dtype=np.uint8)


def save(path: Path, image=PICTURE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def names(source, **options) -> list[str]:
    return [i.ref.source if isinstance(i, Frame) else f"!{i.source}" for i in iter_frames(str(source), **options)]


def write_video(path: Path, n: int = 20, fps: float = 10.0, codec: str = "MJPG") -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*codec), fps, (64, 48))
    assert writer.isOpened()
    for i in range(n):
        writer.write(np.full((48, 64, 3), 4 * i, np.uint8))
    writer.release()
    return path


# sources ----------------------------------------------------------------------------------------------


def test_folders_are_walked_in_natural_order(tmp_path):
    for name in (
        "f10.png",
        "f2.png",
        "case 10/a.png",
        "case 2/b.JPG",
        "Übersicht Ä.png",
        "notes.txt",
        ".hidden.png",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("x") if path.suffix == ".txt" else save(path)
    found = names(tmp_path)
    assert found[:4] == ["case 2/b.JPG", "case 10/a.png", "f2.png", "f10.png"]
    assert found[4] == "Übersicht Ä.png"
    assert len(found) == count_frames(str(tmp_path)) == 5
    assert [item.ref.index for item in iter_frames(str(tmp_path))] == list(range(5))


def test_patterns_name_frames_from_their_fixed_part(tmp_path):
    for name in ("a/x2.png", "a/x10.png", "b/x1.png", "b/y1.png"):
        save(tmp_path / name)
    assert names(tmp_path / "*" / "x*.png") == ["a/x2.png", "a/x10.png", "b/x1.png"]
    assert names(tmp_path / "**" / "y*.png") == ["b/y1.png"]


def test_a_folder_whose_name_looks_like_a_pattern_is_a_folder(tmp_path):
    save(tmp_path / "run [1]" / "a.png")
    assert names(tmp_path / "run [1]") == ["a.png"]


def test_one_picture(tmp_path):
    (frame,) = iter_frames(str(save(tmp_path / "a b.png")))
    assert isinstance(frame, Frame)
    assert np.array_equal(frame.image, PICTURE)
    assert (frame.ref.source, frame.ref.size_wh, frame.ref.time_s) == ("a b.png", (40, 24), None)
    assert frame.ref.sha256 == pixels_sha256(PICTURE)


def test_links_that_go_in_circles_end(tmp_path):
    save(tmp_path / "a" / "x.png")
    (tmp_path / "a" / "again").symlink_to(tmp_path, target_is_directory=True)
    assert names(tmp_path) == ["a/x.png"]


def test_limit_and_laziness(tmp_path):
    for i in range(5):
        save(tmp_path / f"{i}.png")
    (tmp_path / "3.png").unlink()
    (tmp_path / "3.png").write_bytes(b"")
    assert names(tmp_path, limit=2) == ["0.png", "1.png"]
    assert count_frames(str(tmp_path), limit=2) == 2
    stream = iter_frames(str(tmp_path))
    next(stream)
    (tmp_path / "1.png").unlink()
    assert isinstance(next(stream), Failure), "the second picture was read before it was asked for"


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"fps": 0}, "--fps"),
        ({"fps": -1}, "--fps"),
        ({"fps": float("nan")}, "--fps"),
        ({"limit": 0}, "--limit"),
    ],
)
def test_senseless_options_are_named(tmp_path, options, flag):
    with pytest.raises(InputError, match=flag):
        iter_frames(str(save(tmp_path / "a.png")), **options)


def test_sources_without_frames_are_errors_at_once(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    for source, words in (
        (tmp_path, "no pictures or videos"),
        (tmp_path / "*.png", "no pictures or videos"),
        (tmp_path / "missing.png", "does not exist"),
        (tmp_path / "notes.txt", "type are not read"),
    ):
        with pytest.raises(InputError, match=words):
            iter_frames(str(source))


# bad pictures -----------------------------------------------------------------------------------------


def bomb(path: Path, width: int, height: int) -> None:
    """A PNG header of that size with no pixels behind it: reading it whole would need gigabytes."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    path.write_bytes(data + struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT")))


def truncated(path: Path) -> None:
    whole = save(path.with_name("whole" + path.suffix), RNG.integers(0, 255, (200, 200, 3), dtype=np.uint8))
    data = whole.read_bytes()
    whole.unlink()
    path.write_bytes(data[: len(data) // 2])


BAD = {
    "text.png": (lambda p: p.write_text("this is no picture"), "not a picture"),
    "empty.jpg": (lambda p: p.write_bytes(b""), "not a picture"),
    "one.png": (lambda p: save(p, PICTURE[:1, :1]), "1x1 is smaller than 16 px"),
    "thin.png": (lambda p: save(p, PICTURE[:3]), "40x3 is smaller than 16 px"),
    "huge.png": (lambda p: bomb(p, 20000, 10000), "200 megapixels is over the limit of 100"),
    "large.png": (lambda p: bomb(p, 10100, 10000), "101 megapixels is over the limit of 100"),
    "cut.png": (truncated, "damaged"),
    "cut.jpg": (truncated, "damaged"),
    "headless.png": (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n" + b"\x00" * 40), "damaged|not a picture"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_pictures_become_failures_and_the_next_is_read(tmp_path, name, recwarn):
    make, words = BAD[name]
    make(tmp_path / name)
    save(tmp_path / "zz.png")
    failure, frame = iter_frames(str(tmp_path))
    assert isinstance(failure, Failure)
    assert isinstance(frame, Frame)
    assert (failure.source, failure.index, frame.ref.index) == (name, 0, 1)
    assert name in failure.error
    assert re.search(words, failure.error), failure.error
    assert "\n" not in failure.error
    assert failure.error.rstrip(".").count(";") >= 1, "the remedy is missing"
    assert not [w for w in recwarn if issubclass(w.category, Image.DecompressionBombWarning)]


# modes ------------------------------------------------------------------------------------------------


def test_grey_palette_and_binary_pictures_become_rgb(tmp_path):
    grey = Image.fromarray(PICTURE).convert("L")
    for name, picture in (("l.png", grey), ("p.gif", grey.convert("P"))):
        picture.save(tmp_path / name)
        image = read_image(tmp_path / name)
        assert image.shape == (24, 40, 3)
        assert np.array_equal(image[..., 0], np.asarray(grey))
        assert np.array_equal(image[..., 1], image[..., 2])
    grey.point(lambda v: 255 * (v > 99), "1").save(tmp_path / "1.png")
    assert set(np.unique(read_image(tmp_path / "1.png"))) == {0, 255}


@pytest.mark.parametrize(("top", "scale"), [(1023, 1023), (4095, 4095), (65535, 65535), (3000, 4095)])
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_deep_pictures_are_scaled_by_their_camera_depth(tmp_path, top, scale, colour, suffix):
    deep = np.linspace(0, top, 24 * 40).round().astype(np.uint16).reshape(24, 40)
    path = tmp_path / f"deep ü{suffix}"
    if colour:
        deep = np.stack([deep, deep // 2, deep // 4], axis=2)
        path.write_bytes(cv2.imencode(suffix, deep[..., ::-1])[1].tobytes())
    else:
        Image.fromarray(deep).save(path)
    image = read_image(path)
    expected = deep if colour else np.repeat(deep[..., None], 3, axis=2)
    assert np.abs(image - expected * 255.0 / scale).max() <= 0.51


def test_alpha_is_composited_on_black(tmp_path):
    rgba = np.dstack([PICTURE, np.full((24, 40), 255, np.uint8)])
    rgba[:12, :, 3] = 0
    rgba[12:16, :, 3] = 128
    save(tmp_path / "a.png", rgba)
    image = read_image(tmp_path / "a.png")
    assert not image[:12].any()
    assert np.array_equal(image[16:], PICTURE[16:])
    assert np.abs(image[12:16] - PICTURE[12:16] * (128 / 255)).max() <= 0.51
    Image.fromarray(rgba).convert("LA").save(tmp_path / "la.png")
    assert not read_image(tmp_path / "la.png")[:12].any()


def test_cmyk_becomes_rgb(tmp_path):
    smooth = cv2.resize(PICTURE[:3, :3], (64, 64), interpolation=cv2.INTER_CUBIC)
    Image.fromarray(smooth).convert("CMYK").save(tmp_path / "c.jpg", quality=100)
    assert np.abs(read_image(tmp_path / "c.jpg").astype(int) - smooth).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied_as_pillow_does(tmp_path, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(PICTURE).save(tmp_path / "r.png", exif=exif)
    with Image.open(tmp_path / "r.png") as stored:
        upright = np.asarray(ImageOps.exif_transpose(stored))
    assert np.array_equal(read_image(tmp_path / "r.png"), upright)


# videos -----------------------------------------------------------------------------------------------


def test_every_frame_of_a_video_with_its_time(tmp_path):
    items = list(iter_frames(str(write_video(tmp_path / "v.avi"))))
    assert [i.ref.source for i in items] == [f"v.avi#{n:06d}" for n in range(20)]
    assert [i.ref.time_s for i in items] == pytest.approx([n / 10 for n in range(20)])
    levels = [int(i.image.mean().round()) for i in items]
    assert np.abs(np.array(levels) - 4 * np.arange(20)).max() <= 3


@pytest.mark.parametrize(
    ("fps", "numbers"),
    [
        (10.0, range(20)),
        (60.0, range(20)),
        (5.0, range(0, 20, 2)),
        (1.0, (0, 10)),
        (0.1, (0,)),
        (4.0, (0, 3, 5, 8, 10, 13, 15, 18)),
    ],
)
def test_sampling_keeps_the_first_frame_at_or_after_each_step(tmp_path, fps, numbers):
    path = str(write_video(tmp_path / "v.avi"))
    assert names(path, fps=fps) == [f"v.avi#{n:06d}" for n in numbers]
    assert count_frames(path, fps=fps) == len(numbers)


def test_a_cut_video_gives_its_good_frames_and_then_a_failure(tmp_path):
    path = write_video(tmp_path / "v.avi", n=60)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    save(tmp_path / "z.png")
    *frames, failure, last = iter_frames(str(tmp_path))
    assert 10 <= len(frames) < 60
    assert all(isinstance(frame, Frame) for frame in frames)
    assert isinstance(failure, Failure)
    assert "v.avi" in failure.error
    assert "ffmpeg" in failure.error
    assert failure.index == len(frames) == last.ref.index - 1


def test_a_video_that_cannot_be_opened_is_a_failure(tmp_path):
    (tmp_path / "v.mp4").write_bytes(b"\x00\x00\x00\x18ftypmp42" + b"\x00" * 100)
    (failure,) = iter_frames(str(tmp_path))
    assert isinstance(failure, Failure)
    assert "v.mp4" in failure.error


# as_frame ---------------------------------------------------------------------------------------------


class FakeTensor:
    """What as_frame needs of a torch tensor."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self) -> np.ndarray:
        return self.array


@pytest.mark.parametrize(
    "image",
    [
        PICTURE,
        Image.fromarray(PICTURE),
        PICTURE / np.float32(255),
        PICTURE.astype(np.float64),
        np.dstack([PICTURE, np.full((24, 40), 255, np.uint8)]),
        FakeTensor(PICTURE.transpose(2, 0, 1)),
        FakeTensor((PICTURE / np.float32(255)).transpose(2, 0, 1)),
        FakeTensor(PICTURE),
        PICTURE[:, ::-1][:, ::-1],
        (PICTURE.astype(np.uint16) * 257),
    ],
    ids=["uint8", "pil", "float01", "float255", "rgba", "chw", "chw float", "hwc", "strided", "uint16"],
)
def test_as_frame_takes_what_callers_hold(image):
    frame = as_frame(image, "x", 3)
    assert np.array_equal(frame.image, PICTURE)
    assert (frame.ref.source, frame.ref.index, frame.ref.size_wh) == ("x", 3, (40, 24))


def test_as_frame_of_a_path_a_frame_and_grey(tmp_path):
    frame = as_frame(save(tmp_path / "p.png"))
    assert frame.ref.source == "p.png"
    assert as_frame(frame) is frame
    assert as_frame(str(tmp_path / "p.png")).ref == frame.ref
    assert np.array_equal(as_frame(PICTURE[..., 0]).image, np.repeat(PICTURE[..., :1], 3, axis=2))


@pytest.mark.parametrize(
    "image",
    [
        PICTURE[:10],
        np.full((32, 32, 3), np.nan),
        np.full((32, 32, 3), -1.0),
        np.zeros((32, 32, 2), np.uint8),
        np.zeros((1, 32, 32, 3), np.uint8),
        np.zeros((32, 32, 3), complex),
        np.full((32, 32), 70000, np.int32),
        [[1, 2], [3, 4]],
        None,
    ],
    ids=["small", "nan", "negative", "two channels", "batch", "complex", "too deep", "list", "none"],
)
def test_as_frame_refuses_the_rest(image):
    with pytest.raises(InputError):
        as_frame(image)


def test_the_hash_is_of_size_and_pixels():
    assert pixels_sha256(PICTURE) != pixels_sha256(PICTURE.reshape(40, 24, 3))
    assert pixels_sha256(PICTURE) == pixels_sha256(np.asfortranarray(PICTURE))
