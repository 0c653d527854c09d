"""The levels of an activation: scale and zero point, and how they are found from what flows there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Dtype = Literal["uint8", "int8"]
STEPS = 255  # levels of a byte less one
SYMMETRIC_TOP = 127
MARGIN = 0.1  # calibration frames never show the extremes
PARTS = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4)  # of a range's ends that a grid may be cut to
TANH_TOP_ZERO = 255  # the largest zero point a byte can have


@dataclass(frozen=True)
class Grid:
    """``real = (stored - zero_point) * scale``; zero is a level, so that padding stays exact."""

    scale: float
    zero_point: int
    dtype: Dtype

    @property
    def limits(self) -> tuple[float, float]:
        """The smallest and the largest real value."""
        info = np.iinfo(self.dtype)
        return (info.min - self.zero_point) * self.scale, (info.max - self.zero_point) * self.scale

    def quantised(self, values: NDArray[np.floating]) -> NDArray[np.float64]:
        """The nearest values of the grid."""
        info = np.iinfo(self.dtype)
        stored = np.clip(np.rint(values / self.scale) + self.zero_point, info.min, info.max)
        result: NDArray[np.float64] = (stored - self.zero_point) * self.scale
        return result


BYTES = Grid(1 / STEPS, 0, "uint8")  # [0, 1] in 8-bit levels, exactly


@dataclass(frozen=True)
class Range:
    """The smallest and the largest value seen."""

    low: float
    high: float

    def widened(self, bounds: tuple[float, float]) -> Range:
        """With a margin, within what the operator guarantees."""
        margin = MARGIN * (self.high - self.low)
        return Range(max(self.low - margin, bounds[0]), min(self.high + margin, bounds[1]))

    def joined(self, other: Range) -> Range:
        """The range that holds both."""
        return Range(min(self.low, other.low), max(self.high, other.high))


def asymmetric(found: Range) -> Grid:
    """256 levels from low to high, zero among them."""
    low, high = min(found.low, 0.0), max(found.high, 0.0)
    scale = (high - low) / STEPS or 1.0
    return Grid(scale, round(-low / scale), "uint8")


def symmetric(found: Range) -> Grid:
    """Levels -127 to 127 around zero: TensorRT's."""
    largest = max(abs(found.low), abs(found.high))
    return Grid(largest / SYMMETRIC_TOP or 1.0, 0, "int8")


def least_error(grids: Sequence[Grid], values: NDArray[np.float32], activation: str = "") -> Grid:
    """The grid that keeps values best, or what an activation makes of them: fine steps against cut extremes."""
    follow = np.tanh if activation == "Tanh" else np.asarray
    wanted = follow(values)
    errors = [float(np.mean((follow(grid.quantised(values)) - wanted) ** 2)) for grid in grids]
    return grids[int(np.argmin(errors))]


def cut(found: Range, make: Callable[[Range], Grid]) -> list[Grid]:
    """Grids of parts of a range."""
    return [make(Range(found.low * low, found.high * high)) for low in PARTS for high in PARTS]


def behind_sigmoid(high: float) -> Grid:
    """The grid of tanh(x) = 2 sigmoid(2 x) - 1 where sigmoid's bytes have zero point 0 and scale 1 / (2 m).

    Then tanh has scale 1 / m and zero point m; m is the largest integer that still holds ``high``.
    """
    top = min(max((high + 1) / 2, 0.5), 1.0)
    levels = min(int(STEPS / (2 * top)), TANH_TOP_ZERO)
    return Grid(1 / levels, levels, "uint8")
