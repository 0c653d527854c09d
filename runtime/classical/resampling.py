"""Resampling at any regular row of positions, by any kernel, with mirrored borders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from subpixel.quality.resize import cubic, mirror

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Kernel:
    """An interpolation kernel: zero outside [-``lobes``, ``lobes``]."""

    value: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    lobes: int


def _lanczos3(x: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.where(np.abs(x) < 3, np.sinc(x) * np.sinc(x / 3), 0.0)
    return result


def _triangle(x: NDArray[np.float64]) -> NDArray[np.float64]:
    result: NDArray[np.float64] = np.maximum(1 - np.abs(x), 0)
    return result


LINEAR = Kernel(_triangle, 1)
LANCZOS3 = Kernel(_lanczos3, 3)  # Duchon 1979: sinc(x) sinc(x / 3)
CUBIC = Kernel(cubic, 2)  # Keys 1981, a = -0.5


@dataclass(frozen=True)
class Row:
    """Positions along one axis: ``first + step * i`` in pixels of the source, ``count`` of them."""

    count: int
    first: float
    step: float


def enlarged(length: int, scale: int) -> Row:
    """Where the samples of an enlargement lie: ``(i + 0.5) / scale - 0.5``."""
    return Row(length * scale, 0.5 / scale - 0.5, 1 / scale)


@lru_cache(maxsize=64)
def taps(length: int, row: Row, kernel: Kernel) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Source indices and weights of each sample, both ``[count, taps]``; the weights of a sample sum to 1.

    A step of more than a pixel widens the kernel by it, so that what the result can't hold is taken out first.
    """
    widening = max(row.step, 1.0)
    centre = row.first + row.step * np.arange(row.count, dtype=np.float64)
    reach = kernel.lobes * widening
    index = np.floor(centre - reach).astype(np.int64)[:, None] + np.arange(int(np.ceil(2 * reach)) + 2)
    weight = kernel.value((centre[:, None] - index) / widening)
    weight /= weight.sum(axis=1, keepdims=True)
    used = np.flatnonzero(np.any(weight != 0, axis=0))
    return mirror(index[:, used], length), weight[:, used]


def resample_axis(plane: Plane, row: Row, kernel: Kernel, axis: int) -> Plane:
    """One axis of ``plane`` ``[H, W]`` at the positions of ``row``."""
    index, weight = taps(plane.shape[axis], row, kernel)
    shape = (-1, 1) if axis == 0 else (1, -1)
    total = np.zeros([row.count if a == axis else n for a, n in enumerate(plane.shape)], plane.dtype)
    for column in range(index.shape[1]):
        total += np.take(plane, index[:, column], axis) * weight[:, column].astype(plane.dtype).reshape(shape)
    return total


def resample(plane: Plane, rows: Row, columns: Row, kernel: Kernel) -> Plane:
    """``plane`` ``[H, W]`` at the positions of ``rows`` and ``columns``: ``[rows.count, columns.count]``."""
    return resample_axis(resample_axis(plane, rows, kernel, 0), columns, kernel, 1)
