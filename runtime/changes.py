"""Where a plane differs from another one, on a grid of square cells."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from subpixel.errors import BadInputError
from subpixel.spec import Array

Cells = NDArray[np.bool_]
CELL_PX = 16
MEAN_SHARE = 1 / 8  # of the tolerance: how much a cell may differ on average
MOST_SHARE = 0.8  # of the cells changed: which of the others did too is of no use
MOST_CELL_PX = 256  # as many levels of 255 add up in 16 bits
WORD = 8  # flags that are looked at together


class Changes:
    """Compares planes ``[H, W]`` of one shape and type with a reference: uint8, or float32 in [0, 1].

    ``cell_px``: a cell's side, a multiple of 8; those at the right and below may be cut off. ``tolerance``: levels of
    255 by which a pixel may differ; a cell that differs by more than an eighth of it on average has changed too, for a
    whole cell that is darker by one level costs much more quality than some pixels are.
    """

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[np.generic], cell_px: int, tolerance: float) -> None:
        if cell_px % WORD or cell_px > MOST_CELL_PX:
            raise BadInputError(f"found cells of {cell_px} px, needed a multiple of {WORD} up to {MOST_CELL_PX}")
        self._height, self._width, self._cell = *shape, cell_px
        self._is_exact = tolerance < 1 if dtype == np.uint8 else tolerance <= 0
        levels = 1 if dtype == np.uint8 else 255
        self._most = dtype.type(int(tolerance) if dtype == np.uint8 else tolerance / 255)
        self.grid = -(-shape[0] // cell_px), -(-shape[1] // cell_px)
        self._flags = np.zeros((self.grid[0] * cell_px, self.grid[1] * cell_px), np.bool_)
        self._less, self._apart = np.empty(shape, dtype), np.zeros(self._flags.shape, dtype)
        is_small = dtype == np.uint8 and tolerance * cell_px <= np.iinfo(np.uint8).max
        self._sum_type = np.dtype(np.uint16) if dtype == np.uint8 and not is_small else dtype
        rows, columns = (np.diff(np.arange(0, side, cell_px), append=side) for side in shape)
        self._most_apart = np.outer(rows, columns) * (tolerance * MEAN_SHARE / levels)

    def between(self, plane: Array, reference: Array, shift: tuple[int, int] = (0, 0)) -> Cells:
        """The cells ``[rows, columns]`` that changed.

        ``shift``: how much further down and right a pixel is in the reference; beyond its borders all has changed.
        """
        flags = self._flags[: self._height, : self._width]
        if shift != (0, 0):
            flags[:] = True
        (rows, rows_there), (columns, columns_there) = (
            overlap(side, by) for side, by in zip((self._height, self._width), shift, strict=True)
        )
        here, there = plane[rows, columns], reference[rows_there, columns_there]
        if self._is_exact:
            np.not_equal(here, there, out=flags[rows, columns])
            return self._in_cells()
        less, apart = self._less[rows, columns], self._apart[rows, columns]
        np.minimum(here, there, out=less)
        np.maximum(here, there, out=apart)
        np.subtract(apart, less, out=apart)
        np.greater(apart, self._most, out=flags[rows, columns])
        cells = self._in_cells()
        if np.count_nonzero(cells) < MOST_SHARE * cells.size:
            cells |= self._sums() > self._most_apart
        return cells

    def glimpse(self, plane: Array, reference: Array) -> float:
        """The share of the cells that changed, from a row of each: at most what it is. A quarter of the time."""
        rows, whole = slice(self._cell // 2, None, self._cell), self._width // self._cell
        here, there = (side[rows, : whole * self._cell] for side in (plane, reference))
        apart = np.maximum(here, there) - np.minimum(here, there) > self._most
        marked = apart.reshape(len(here), whole, self._cell).any(axis=2)
        return int(marked.sum()) / math.prod(self.grid)

    def _in_cells(self) -> Cells:
        """Whether a pixel is flagged; by words, which takes microseconds."""
        words = self._flags.view(np.uint64).reshape(self.grid[0], self._cell, -1)
        together = np.bitwise_or.reduce(words, axis=1)
        cells: Cells = together.reshape(*self.grid, self._cell // WORD).any(axis=2)
        return cells

    def _sums(self) -> Array:
        """Of the differences in each cell that isn't flagged: in others they may be old, or too many for the type."""
        down = np.add.reduce(self._apart.reshape(self.grid[0], self._cell, -1), axis=1, dtype=self._sum_type)
        wide = np.uint32 if self._apart.dtype == np.uint8 else np.float64
        sums: Array = np.add.reduce(down.reshape(*self.grid, self._cell), axis=2, dtype=wide)
        return sums


def overlap(length: int, shift: int) -> tuple[slice, slice]:
    """Along one axis: the places whose source is inside, and their sources."""
    inside = max(length - abs(shift), 0)
    here, there = max(-shift, 0), max(shift, 0)
    return slice(here, here + inside), slice(there, there + inside)
