"""Short names for the types that every part of the renderer passes around."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# cv2 and numpy mix float32 and uint8 freely here, so the element type stays open.
Array = NDArray[Any]
Rng = np.random.Generator
