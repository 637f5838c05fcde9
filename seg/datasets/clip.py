"""Single frames of a video, read forward: asking in order costs one pass, whatever the codec makes of seeking."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from describer.errors import InputError


class Clip:
    """One video file, opened when a frame is asked for, also after `close`. Asking backwards starts over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._capture: Any = None
        self._next = 0

    @property
    def length(self) -> int:
        """Frames that the file's header counts; 0 where it cannot be opened."""
        capture = cv2.VideoCapture(str(self.path))
        try:
            return max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
        finally:
            capture.release()

    def frame(self, number: int) -> NDArray[np.uint8]:
        """Frame ``number`` (from 0) as RGB (H, W, 3); InputError when the video has no such frame."""
        if self._capture is None or number < self._next:
            self.close()
            self._capture = cv2.VideoCapture(str(self.path))
        while self._next <= number:
            if not self._capture.grab():
                self.close()
                raise InputError(f"{self.path}: the video has no frame {number}; copy it again, it may be cut.")
            self._next += 1
        good, image = self._capture.retrieve()
        if not good:
            raise InputError(f"{self.path}: frame {number} is damaged; copy the video again.")
        return np.ascontiguousarray(image[:, :, ::-1])

    def close(self) -> None:
        if self._capture is not None:
            self._capture.release()
        self._capture, self._next = None, 0
