"""A frame's luma to what a model takes and back: studio swing / 255, as uint8 or float32 (DESIGN section 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from subpixel.media.pixels import plane_of
from subpixel.spec import Array

BLACK, SWING = 16.0, 219.0
BT601 = (65.481, 128.553, 24.966)  # of R, G, B in [0, 1], to Y of 16..235
GBR_PLANES = (2, 0, 1)  # where R, G and B are in a planar RGB frame


@dataclass(frozen=True)
class LumaCode:
    """How Y is stored. 8 bits of limited range go to the model as they are; all else by way of float.

    Limited range at ``bits`` is the 8-bit code times ``2 ** (bits - 8)``; what lies beyond black and white stays.
    """

    bits: int
    full: bool

    @property
    def is_direct(self) -> bool:
        """Whether the stored plane is what the model takes."""
        return self.bits == 8 and not self.full

    def to_model(self, plane: Array) -> Array:
        """``plane`` ``[H, W]`` as stored; gives uint8, or float32 with black at 16/255 and white at 235/255."""
        if self.is_direct:
            return plane
        scale, offset = self._line
        result: NDArray[np.float32] = plane * np.float32(scale) + np.float32(offset)
        return result

    def from_model(self, luma: Array) -> Array:
        """The inverse, rounded and clipped to the stored codes: uint8 or uint16."""
        if self.is_direct:
            return luma
        scale, offset = self._line
        codes = (luma - np.float32(offset)) * np.float32(1 / scale)
        np.rint(codes, out=codes)
        np.clip(codes, 0, (1 << self.bits) - 1, out=codes)
        result: Array = codes.astype(np.uint8 if self.bits == 8 else np.uint16)
        return result

    @property
    def _line(self) -> tuple[float, float]:
        """``model = stored * scale + offset``."""
        if self.full:
            return SWING / 255 / ((1 << self.bits) - 1), BLACK / 255
        return 1 / 255 / (1 << (self.bits - 8)), 0.0


def rgb_luma(frame: VideoFrame, bits: int) -> NDArray[np.float32]:
    """Y of BT.601, studio swing / 255, of a planar RGB frame."""
    total = np.full((frame.height, frame.width), np.float32(BLACK / 255))
    for plane, weight in zip(GBR_PLANES, BT601, strict=True):
        total += plane_of(frame, plane) * np.float32(weight / 255 / ((1 << bits) - 1))
    return total


def put_rgb_luma(frame: VideoFrame, luma: NDArray[np.float32], bits: int) -> None:
    """Give a planar RGB frame another luma at the same chroma: all three channels move by the same amount."""
    peak = (1 << bits) - 1
    shift = (luma - rgb_luma(frame, bits)) * np.float32(255 / SWING * peak)
    for index in GBR_PLANES:
        plane: NDArray[Any] = plane_of(frame, index)
        plane[:] = np.clip(np.rint(plane + shift), 0, peak).astype(plane.dtype)
