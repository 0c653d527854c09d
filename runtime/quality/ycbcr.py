"""RGB and Y'CbCr of BT.601, studio swing, on a scale of 255: what the field's luma and limited-range video hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FROM_RGB = (
    np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]], dtype=np.float64)
    / 255.0
)
OFFSET = np.array([16.0, 128.0, 128.0]) / 255.0
TO_RGB = np.linalg.inv(FROM_RGB)


def ycbcr_from_rgb(rgb: NDArray[Any]) -> NDArray[np.float32]:
    """``[H, W, 3]``, uint8 or float in [0, 1], to Y, Cb, Cr as float32 in [16/255, 240/255]. ITU-R BT.601."""
    image = rgb.astype(np.float32) / np.float32(255) if rgb.dtype == np.uint8 else rgb.astype(np.float32)
    result: NDArray[np.float32] = image @ FROM_RGB.T.astype(np.float32) + OFFSET.astype(np.float32)
    return result


def rgb_from_ycbcr(ycbcr: NDArray[np.float32], dtype: Any) -> NDArray[Any]:
    """The inverse; clipped to [0, 1]; uint8 is rounded."""
    rgb: NDArray[np.float32] = np.clip((ycbcr - OFFSET.astype(np.float32)) @ TO_RGB.T.astype(np.float32), 0, 1)
    if dtype == np.uint8:
        rgb8: NDArray[np.uint8] = np.rint(rgb * np.float32(255)).astype(np.uint8)
        return rgb8
    return rgb
