"""Frames of a video by number, forwards in one pass."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from describer.errors import InputError
from describer.seg.datasets.clip import Clip


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5, (32, 24))
    for i in range(6):
        writer.write(np.full((24, 32, 3), (0, 0, 40 * i), np.uint8))
    writer.release()
    return path


def test_any_order_gives_the_same_frames(video: Path) -> None:
    clip = Clip(video)
    assert clip.length == 6
    seen = {i: round(clip.frame(i)[..., 0].mean() / 40) for i in (1, 2, 5, 0, 0)}
    assert seen == {1: 1, 2: 2, 5: 5, 0: 0}
    clip.close()
    assert round(clip.frame(3)[..., 0].mean() / 40) == 3


def test_a_frame_that_is_not_there(video: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no frame 6"):
        Clip(video).frame(6)
    (tmp_path / "junk.avi").write_bytes(b"junk")
    assert Clip(tmp_path / "junk.avi").length == 0
    with pytest.raises(InputError, match=r"junk\.avi"):
        Clip(tmp_path / "junk.avi").frame(0)
