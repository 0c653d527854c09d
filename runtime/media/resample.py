"""Bicubic resampling of chroma planes of odd-sized frames.

Half-size chroma of an odd side rounds up: 107 samples for 213 of luma. libswscale stretches plane to plane and so
drifts by up to a third of a sample; here each sample is taken from where it belongs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subpixel.quality.resize import cubic
from subpixel.spec import Array


@dataclass(frozen=True)
class Axis:
    """One axis of a plane: ``offset`` of a sample inside its cell of ``step`` luma samples (0: first, 1: last)."""

    length: int
    scale: float
    step: int
    offset: float

    def taps(self, available: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Source samples and their weights for each sample wanted, both ``[length, 4]``; borders repeat."""
        lead = (1 + self.offset * (self.step - 1) * 2) / (2 * self.step)  # of the sample from its cell's start
        position = (np.arange(self.length) + lead) / self.scale - lead
        first = np.floor(position).astype(np.int64) - 1
        index = first[:, None] + np.arange(4)
        weight = cubic(position[:, None] - index)
        return np.clip(index, 0, available - 1), weight.astype(np.float32)


def resample(plane: Array, rows: Axis, columns: Axis, bits: int) -> Array:
    """``plane`` ``[h, w]`` of ``bits``-bit codes, enlarged; rounded and clipped."""
    tall = _along(plane.astype(np.float32), rows)
    wide = _along(tall.T, columns).T
    result: Array = np.clip(np.rint(wide), 0, (1 << bits) - 1).astype(plane.dtype)
    return result


def _along(image: NDArray[Any], axis: Axis) -> NDArray[Any]:
    index, weight = axis.taps(image.shape[0])
    total = image[index[:, 0]] * weight[:, :1]
    for tap in range(1, 4):
        total += image[index[:, tap]] * weight[:, tap : tap + 1]
    return total
