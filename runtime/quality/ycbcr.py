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


def grey_from_luma(luma: NDArray[Any]) -> NDArray[Any]:
    """Luma ``[H, W]`` (studio swing / 255; uint8 or float32) as the full-range grey of an RGB picture of that type.

    uint8 is rounded and clipped; what float has beyond black and white stays.
    """
    black, swing = OFFSET[0], 1 / FROM_RGB[0].sum()
    if luma.dtype == np.uint8:
        levels = (luma.astype(np.float32) - np.float32(255 * black)) * np.float32(swing)
        rounded: NDArray[np.uint8] = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
        return rounded
    grey: NDArray[np.float32] = (luma - np.float32(black)) * np.float32(swing)
    return grey


def luma_from_planes(planes: NDArray[Any]) -> NDArray[Any]:
    """Y of the planes R, G, B ``[3, H, W]`` (uint8, or float32 in [0, 1]), of the same type; uint8 is rounded."""
    weights = FROM_RGB[0].astype(np.float32)
    luma: NDArray[np.float32] = np.tensordot(weights, planes.astype(np.float32), axes=1)
    if planes.dtype == np.uint8:
        levels: NDArray[np.uint8] = np.rint(luma + np.float32(255 * OFFSET[0])).astype(np.uint8)
        return levels
    return luma + np.float32(OFFSET[0])


def rgb_from_ycbcr(ycbcr: NDArray[np.float32], dtype: Any) -> NDArray[Any]:
    """The inverse; clipped to [0, 1]; uint8 is rounded."""
    rgb: NDArray[np.float32] = np.clip((ycbcr - OFFSET.astype(np.float32)) @ TO_RGB.T.astype(np.float32), 0, 1)
    if dtype == np.uint8:
        rgb8: NDArray[np.uint8] = np.rint(rgb * np.float32(255)).astype(np.uint8)
        return rgb8
    return rgb
