"""The field's luma: Y of BT.601, studio swing (16..235), on a scale of 255."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def luma(rgb: NDArray[np.generic]) -> NDArray[np.float64]:
    """Y in [16/255, 235/255] from RGB. ``rgb``: ``[H, W, 3]`` uint8, or floating in [0, 1]. ITU-R BT.601."""
    image = rgb.astype(np.float64)
    if rgb.dtype == np.uint8:
        image /= 255.0
    red, green, blue = image[..., 0], image[..., 1], image[..., 2]
    result: NDArray[np.float64] = (65.481 * red + 128.553 * green + 24.966 * blue + 16.0) / 255.0
    return result
