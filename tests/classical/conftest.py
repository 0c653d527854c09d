"""Scenes that are known at every place: sums of waves, so that any motion of them is exact."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Scene = Callable[[NDArray[np.float64], NDArray[np.float64]], Plane]


@pytest.fixture(scope="session")
def scene() -> Callable[[float, int], Scene]:
    """``scene(finest, seed)``: waves not shorter than ``finest`` pixels, together in about [0.1, 0.9]."""

    def make(finest: float, seed: int) -> Scene:
        random = np.random.default_rng(seed)
        length = finest * 6 ** random.random(40)
        angle, phase = 2 * np.pi * random.random((2, 40))
        across, down = np.cos(angle) / length, np.sin(angle) / length

        def at(x: NDArray[np.float64], y: NDArray[np.float64]) -> Plane:
            waves = np.cos(2 * np.pi * (x[..., None] * across + y[..., None] * down) + phase)
            result: Plane = (0.5 + 0.06 * waves.sum(axis=-1)).astype(np.float32)
            return result

        return at

    return make
