"""What visitors may send: each bad file and name, and what is left behind."""

from __future__ import annotations

import os
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from describer.demo.limits import Limits, sweep, take_picture, take_video, tidy_name, uploaded
from describer.errors import InputError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "uploads/abc").mkdir(parents=True)
    return tmp_path / "uploads"


def huge_png(width: int, height: int) -> bytes:
    """A PNG of one grey level: a few hundred kB that unfold to width x height pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(width + 1)))
        + chunk(b"IEND", b"")
    )


def corrupt_png() -> bytes:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    import io

    file = io.BytesIO()
    picture.save(file, "PNG")
    data = bytearray(file.getvalue())
    data[200:400] = bytes(200)
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("notes.png", b"just a text file, renamed", "is not a picture"),
        ("huge.png", huge_png(20000, 10000), "200 megapixels"),
        ("large.png", huge_png(9000, 6000), "54 megapixels is over the limit of 40"),
        ("corrupt.png", corrupt_png(), "damaged"),
        ("empty.png", b"", "not a picture"),
        ("tiny.png", huge_png(1, 1), "smaller than"),
        ("film.mp4", b"0000", "Video tab"),
    ],
)
def test_a_bad_picture_gets_one_sentence_under_its_own_name_and_is_removed(root, name, data, says):
    path = root / "abc" / f"f3a9{Path(name).suffix}"
    path.write_bytes(data)
    with pytest.raises(InputError, match=says) as told:
        take_picture(path, name, root, Limits())
    assert str(told.value).startswith(name) and "f3a9" not in str(told.value)
    assert list(root.rglob("*")) == []


def test_a_good_picture_is_read_and_removed(root):
    pixels = np.random.default_rng(1).integers(0, 255, (40, 50, 3), np.uint8)
    path = root / "abc/x.png"
    Image.fromarray(pixels).save(path)
    assert np.array_equal(take_picture(path, "x.png", root, Limits()), pixels)
    assert list(root.rglob("*")) == []


@pytest.mark.parametrize("bad", ["/etc/hostname", "../outside.png", "", None, 5, "a\x00b", {"path": "/etc/hostname"}])
def test_paths_that_lead_out_of_the_uploads_are_refused(root, bad):
    (root.parent / "outside.png").write_bytes(b"x")
    path = root / bad if isinstance(bad, str) and bad.startswith("..") else bad
    with pytest.raises(InputError, match="drop the file again"):
        uploaded(path, root)


def test_a_link_out_of_the_uploads_is_refused(root):
    (root.parent / "secret.png").write_bytes(b"x")
    (root / "abc/link.png").symlink_to(root.parent / "secret.png")
    with pytest.raises(InputError, match="drop the file again"):
        uploaded(root / "abc/link.png", root)


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("empty.mp4", b"", "empty .0 bytes"),
        ("frame.png", b"x", "Frame tab"),
        ("notes.txt", b"x", "no video by its name"),
    ],
)
def test_what_is_no_video_is_refused_and_removed(root, name, data, says):
    path = root / "abc" / f"77{Path(name).suffix}"
    path.write_bytes(data)
    with pytest.raises(InputError, match=says):
        take_video(path, name, root)
    assert list(root.rglob("*")) == []


@pytest.mark.parametrize(
    ("name", "tidy"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system.png", "system.png"),
        ("a\x00b\n.png", "ab.png"),
        ("..", "image"),
        ("", "image"),
        ("Frau Müller 3.png", "Frau Müller 3.png"),
        ("x" * 300 + ".png", "x" * 96 + ".png"),
        ("<b>.png", "<b>.png"),
    ],
)
def test_names_keep_no_folder_and_no_control_character(name, tidy):
    assert tidy_name(name) == tidy


def test_the_sweep_removes_what_is_old_and_nothing_else(root):
    old, fresh = root / "abc/old.png", root / "def/fresh.png"
    fresh.parent.mkdir()
    old.write_bytes(b"1")
    fresh.write_bytes(b"2")
    os.utime(old, (time.time() - 1000, time.time() - 1000))
    assert sweep(root, age_s=900) == 1
    assert not old.parent.exists() and fresh.exists()
