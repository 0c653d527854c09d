"""Few rectangles that cover what changed: a box is cut in two while that is cheaper, its own cost for each counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from subpixel.changes import Cells

MOST = 8  # rectangles a frame

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Rectangle:
    """Rows ``[top, bottom)`` and columns ``[left, right)``, in cells or in pixels."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def area(self) -> int:
        """Height times width."""
        return (self.bottom - self.top) * (self.right - self.left)

    @property
    def slices(self) -> tuple[slice, slice]:
        """To take it out of an array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def times(self, factor: int) -> Rectangle:
        """The same in units that are ``factor`` times finer."""
        return Rectangle(self.top * factor, self.bottom * factor, self.left * factor, self.right * factor)

    def shrunk(self, margin: int, height: int, width: int) -> Rectangle:
        """With ``margin`` less on every side that isn't the frame's border; never less than nothing."""
        top, left = (self.top and self.top + margin), (self.left and self.left + margin)
        bottom = self.bottom if self.bottom == height else self.bottom - margin
        right = self.right if self.right == width else self.right - margin
        return Rectangle(top, max(bottom, top), left, max(right, left))

    def within(self, other: Rectangle) -> Rectangle:
        """The same, counted from the other's corner."""
        return Rectangle(self.top - other.top, self.bottom - other.top, self.left - other.left, self.right - other.left)


Cost = Callable[[Places, Places], NDArray[np.float64]]
"""Of rectangles of so many rows and columns of cells; any unit."""


def cover(cells: Cells, cost: Cost) -> list[Rectangle]:
    """Rectangles, in cells, that hold every marked cell; they don't overlap. None for an empty grid."""
    marked = _tight(cells, Rectangle(0, cells.shape[0], 0, cells.shape[1]))
    waiting: list[Rectangle] = [marked] if marked else []
    done: list[Rectangle] = []
    while waiting:
        box = waiting.pop()
        parts = _cut(cells, box, cost) if len(waiting) + len(done) + 2 <= MOST else None
        if parts is None:
            done.append(box)
        else:
            waiting += parts
    return done


def _tight(cells: Cells, box: Rectangle) -> Rectangle | None:
    """The part of the box that reaches from its first marked cell to its last."""
    inner = cells[box.slices]
    rows, columns = np.flatnonzero(inner.any(axis=1)), np.flatnonzero(inner.any(axis=0))
    if not rows.size:
        return None
    return Rectangle(
        box.top + int(rows[0]), box.top + int(rows[-1]) + 1, box.left + int(columns[0]), box.left + int(columns[-1]) + 1
    )


def _cut(cells: Cells, box: Rectangle, cost: Cost) -> list[Rectangle] | None:
    """The two parts that cost least, where they cost less than the box."""
    inner = cells[box.slices]
    whole = float(cost(np.array([inner.shape[0]]), np.array([inner.shape[1]]))[0])
    down, across = _best_cut(inner, cost), _best_cut(inner.T, lambda rows, columns: cost(columns, rows))
    if min(down[0], across[0]) >= whole:
        return None
    if down[0] <= across[0]:
        row = box.top + down[1]
        halves = Rectangle(box.top, row, box.left, box.right), Rectangle(row, box.bottom, box.left, box.right)
    else:
        column = box.left + across[1]
        halves = Rectangle(box.top, box.bottom, box.left, column), Rectangle(box.top, box.bottom, column, box.right)
    return [part for half in halves if (part := _tight(cells, half))]


def _best_cut(inner: Cells, cost: Cost) -> tuple[float, int]:
    """The least cost of the parts above and below a row, and that row; both parts as tight as they can be."""
    if inner.shape[0] < 2:
        return np.inf, 0
    above, below = _costs_down(inner, cost)[:-1], _costs_down(inner[::-1], cost)[-2::-1]
    total = above + below
    best = int(total.argmin())
    return float(total[best]), best + 1


def _costs_down(inner: Cells, cost: Cost) -> NDArray[np.float64]:
    """For every row: the cost of the tight part that ends with it. The first row has a marked cell."""
    count, width = inner.shape
    marked = inner.any(axis=1)
    first = np.where(marked, inner.argmax(axis=1), width)
    last = np.where(marked, width - inner[:, ::-1].argmax(axis=1), 0)
    left, right = np.minimum.accumulate(first), np.maximum.accumulate(last)
    rows = np.maximum.accumulate(np.where(marked, np.arange(1, count + 1), 0))
    return cost(rows, right - left)
