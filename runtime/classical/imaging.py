"""How a scene becomes the pixels of several frames: a blur, then samples at places between the fine grid's pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from subpixel.classical.motion import Flow
from subpixel.classical.resampling import Plane
from subpixel.quality.resize import cubic

PLACES = np.linspace(0, 1, 9)[1::2]  # between two pixels, symmetric
STRIP_ROWS = 64  # of a blur at a time: they stay in the processor's cache


@dataclass(frozen=True)
class Blur:
    """What the MATLAB-like bicubic reduction by ``scale`` weighs around a sample, on the fine grid.

    Linear and symmetric: with mirrored borders the blur is its own adjoint.
    """

    scale: int

    def taps(self) -> NDArray[np.float32]:
        """``[4 scale + 3]``, symmetric, sum 1.

        Reading between two pixels blurs a little too. These are the taps that, so read, come closest to the kernel at
        places all over a pixel, those of the frame that needs no motion counting as much as all others.
        """
        own = 0.5 if self.scale % 2 == 0 else 0.0
        fractions = np.array([*PLACES, *[own, 1 - own] * (len(PLACES) // 2)])
        offsets = np.arange(-2 * self.scale - 1, 2 * self.scale + 2)
        nearer = np.eye(len(offsets))
        farther = np.eye(len(offsets), k=1)
        reading = np.concatenate([(1 - part) * nearer + part * farther for part in fractions])
        kernel = np.concatenate([cubic((offsets + part) / self.scale) for part in fractions])
        taps = np.linalg.lstsq(reading, kernel, rcond=None)[0]
        symmetric: NDArray[np.float32] = ((taps + taps[::-1]) / (2 * taps.sum())).astype(np.float32)
        return symmetric

    def __call__(self, plane: Plane) -> Plane:
        taps = self.taps()
        reach = len(taps) // 2
        padded = np.pad(plane, reach, mode="symmetric")
        result = np.empty_like(plane)
        for top in range(0, len(plane), STRIP_ROWS):
            strip = padded[top : top + STRIP_ROWS + 2 * reach]
            result[top : top + STRIP_ROWS] = weighted(weighted(strip, taps, 0), taps, 1)
        return result


def weighted(plane: Plane, taps: NDArray[np.float32], axis: int) -> Plane:
    """Sums of adjacent rows or columns, weighted by symmetric ``taps``; as many fewer as the taps reach."""
    last = len(taps) - 1
    length = plane.shape[axis] - last
    parts = [plane[k : k + length] if axis == 0 else plane[:, k : k + length] for k in range(last + 1)]
    total: Plane = parts[last // 2] * taps[last // 2]
    for k in range(last // 2):
        total += (parts[k] + parts[last - k]) * taps[k]
    return total


class Samples:
    """Places between the pixels of a plane of ``shape``, bilinear: read from it, and spread onto it.

    ``places``: ``[n, 2]``, x first. ``inside``: which of them lie on the plane; the others take the border's value.
    """

    def __init__(self, places: Flow, shape: tuple[int, int]) -> None:
        self.shape = shape
        height, width = shape
        x, y = np.clip(places[:, 0], 0, width - 1), np.clip(places[:, 1], 0, height - 1)
        self.inside: NDArray[np.bool_] = (x == places[:, 0]) & (y == places[:, 1])
        left, top = np.minimum(x.astype(np.intp), width - 2), np.minimum(y.astype(np.intp), height - 2)
        right_part, lower_part = (x - left).astype(np.float32), (y - top).astype(np.float32)
        first = top * width + left
        self._corners = [first, first + 1, first + width, first + width + 1]
        upper_part = 1 - lower_part
        self._shares = [(1 - right_part) * upper_part, right_part * upper_part]
        self._shares += [(1 - right_part) * lower_part, right_part * lower_part]

    def read(self, plane: Plane) -> Plane:
        """The values ``[n]`` at the places."""
        flat = plane.ravel()
        pairs = zip(self._corners, self._shares, strict=True)
        total: Plane = np.sum([flat[corner] * share for corner, share in pairs], axis=0, dtype=np.float32)
        return total

    def spread(self, values: Plane) -> Plane:
        """The adjoint of ``read``: each of ``[n]`` values shared out to the four pixels around its place."""
        total = np.zeros(self.shape[0] * self.shape[1])
        for corner, share in zip(self._corners, self._shares, strict=True):
            total += np.bincount(corner, share * values, total.size)
        plane: Plane = total.reshape(self.shape).astype(np.float32)
        return plane
