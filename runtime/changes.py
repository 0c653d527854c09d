"""Where a plane differs from another one, on a grid of square cells."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from subpixel.errors import BadInputError
from subpixel.spec import Array

Cells = NDArray[np.bool_]
CELL_PX = 16
WORD = 8  # flags that are looked at together


class Changes:
    """Compares planes ``[H, W]`` of one shape and type with a reference: uint8, or float32 in [0, 1].

    ``cell_px``: a cell's side, a multiple of 8; those at the right and below may be cut off. ``tolerance``: levels of
    255 by which a pixel may differ and still counts as unchanged.
    """

    def __init__(self, shape: tuple[int, int], dtype: np.dtype[np.generic], cell_px: int, tolerance: float) -> None:
        if cell_px % WORD:
            raise BadInputError(f"found cells of {cell_px} px, needed a multiple of {WORD}")
        self._height, self._width, self._cell = *shape, cell_px
        self._is_exact = tolerance < 1 if dtype == np.uint8 else tolerance <= 0
        self._most = dtype.type(int(tolerance) if dtype == np.uint8 else tolerance / 255)
        self.grid = -(-shape[0] // cell_px), -(-shape[1] // cell_px)
        self._flags = np.zeros((self.grid[0] * cell_px, self.grid[1] * cell_px), np.bool_)
        self._less = np.empty(shape, dtype)
        self._more = np.empty(shape, dtype)

    def between(self, plane: Array, reference: Array) -> Cells:
        """The cells ``[rows, columns]`` with a pixel that changed."""
        self._differ(plane, reference, self._flags[: self._height, : self._width])
        words = self._flags.view(np.uint64).reshape(self.grid[0], self._cell, -1)
        together = np.bitwise_or.reduce(words, axis=1)
        cells: Cells = together.reshape(*self.grid, self._cell // WORD).any(axis=2)
        return cells

    def _differ(self, plane: Array, reference: Array, flags: Cells) -> None:
        """In whole passes over bytes, which take microseconds."""
        if self._is_exact:
            np.not_equal(plane, reference, out=flags)
            return
        np.minimum(plane, reference, out=self._less)
        np.maximum(plane, reference, out=self._more)
        np.subtract(self._more, self._less, out=self._more)
        np.greater(self._more, self._most, out=flags)
