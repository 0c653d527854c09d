"""Made calibration frames: flat levels, and dead leaves, whose edges are harder than most frames have them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subpixel.quality.resize import downscale

FLAT_PX = 24
FLAT_STEP = 5
BLACK, WHITE = 16, 235
LEAF_COUNT = 150
SMALLEST_LEAF_PX = 3.0
OVERSAMPLING = 3


def flat_patches() -> NDArray[np.uint8]:
    """``[52, 1, 24, 24]``: levels 0, 5 ... 255."""
    levels = np.arange(0, 256, FLAT_STEP, dtype=np.uint8)
    return np.tile(levels[:, None, None, None], (1, 1, FLAT_PX, FLAT_PX))


def leaf_patches(count: int, side: int, seed: int) -> NDArray[np.uint8]:
    """``[count, 1, side, side]``: discs and boxes of random size, turn and level, each over those before it.

    The dead leaves model of natural images: Lee, Mumford, Huang, IJCV 2001.
    """
    random = np.random.default_rng((seed, count, side))
    return np.stack([_leaves(side, random) for _ in range(count)])[:, None]


def _leaves(side: int, random: np.random.Generator) -> NDArray[np.uint8]:
    large = side * OVERSAMPLING
    picture = np.full((large, large), random.uniform(BLACK, WHITE))
    rows, columns = np.mgrid[:large, :large]
    for _ in range(LEAF_COUNT):
        picture[_leaf(rows, columns, large, random)] = random.uniform(BLACK, WHITE)
    small = downscale(picture / 255, OVERSAMPLING) * 255
    return np.asarray(np.clip(np.rint(small), 0, 255), np.uint8)


def _leaf(
    rows: NDArray[np.int64], columns: NDArray[np.int64], side: int, random: np.random.Generator
) -> NDArray[np.bool_]:
    """Sizes by an inverse square law, as things at all distances have them."""
    radius = min(SMALLEST_LEAF_PX * OVERSAMPLING / np.sqrt(random.uniform(1e-3, 1)), side / 3)
    row, column = random.uniform(0, side, 2)
    turn, squeeze = random.uniform(0, np.pi), random.uniform(0.3, 1)
    along = (rows - row) * np.cos(turn) + (columns - column) * np.sin(turn)
    across = ((columns - column) * np.cos(turn) - (rows - row) * np.sin(turn)) / squeeze
    if random.uniform() < 0.5:
        return np.asarray(along**2 + across**2 < radius**2)
    return np.asarray(np.maximum(np.abs(along), np.abs(across)) < radius)
