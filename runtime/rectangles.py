"""Few rectangles that cover what changed: a box is cut in two while that is cheaper, its own cost for each counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from subpixel.changes import Cells

MOST_CUTS = 4  # of a box and its parts, one after the other, around one hole
CUTS_A_HOLE = 3
LEAST_STEP = 0.4  # of the share of marked cells from row to row: less is no shape, only scattered
FULL = 0.75  # of a box marked: hardly anything to be gained by cutting it

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

    def moved(self, down: int, across: int) -> Rectangle:
        """The same elsewhere."""
        return Rectangle(self.top + down, self.bottom + down, self.left + across, self.right + across)

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
        return self.moved(-other.top, -other.left)


Cost = Callable[[Places, Places], NDArray[np.float64]]
"""Of rectangles of so many rows and columns of cells; any unit."""


def cover(cells: Cells, cost: Cost, holes: int = 1) -> list[Rectangle]:
    """Rectangles, in cells, that hold every marked cell; they don't overlap. None for an empty grid.

    ``holes``: how many large ones the marked cells may surround.
    """
    box = _tight(cells, Rectangle(0, cells.shape[0], 0, cells.shape[1]))
    return _cheapest(cells, box, cost, MOST_CUTS + CUTS_A_HOLE * (holes - 1))[1] if box else []


def _cheapest(cells: Cells, box: Rectangle, cost: Cost, cuts: int) -> tuple[float, list[Rectangle]]:
    """The box, or what it is cut into, and its cost. A ring shows only after three cuts that it is hollow."""
    inner = cells[box.slices]
    whole = float(cost(np.array([inner.shape[0]]), np.array([inner.shape[1]]))[0])
    if not cuts or np.count_nonzero(inner) >= FULL * inner.size:
        return whole, [box]
    halves = _cut(inner, box, cost, whole)
    if halves == [box]:
        return whole, halves
    parts = [_cheapest(cells, part, cost, cuts - 1) for part in halves]
    total = sum(spent for spent, _ in parts)
    return (total, [part for _, found in parts for part in found]) if total < whole else (whole, [box])


def _tight(cells: Cells, box: Rectangle) -> Rectangle | None:
    """The part of the box that reaches from its first marked cell to its last."""
    inner = cells[box.slices]
    rows, columns = np.flatnonzero(inner.any(axis=1)), np.flatnonzero(inner.any(axis=0))
    if not rows.size:
        return None
    return Rectangle(
        box.top + int(rows[0]), box.top + int(rows[-1]) + 1, box.left + int(columns[0]), box.left + int(columns[-1]) + 1
    )


def _cut(inner: Cells, box: Rectangle, cost: Cost, whole: float) -> list[Rectangle]:
    """The two parts that cost least; where they cost more than the box, those between which most changes.

    The latter is how grids are refined by Berger and Rigoutsos (1991): at the steepest step of the count along an axis;
    the box itself where there is none. Parts are as tight as they can be. ``inner``: what is marked in the box.
    """
    down, across = _best_cut(inner, cost), _best_cut(inner.T, lambda rows, columns: cost(columns, rows))
    if min(down[0], across[0]) >= whole:
        down, across = _steepest(inner), _steepest(inner.T)
        if min(down[0], across[0]) > 1 - LEAST_STEP:
            return [box]
    height, width = inner.shape
    if down[0] <= across[0]:
        halves = Rectangle(0, down[1], 0, width), Rectangle(down[1], height, 0, width)
    else:
        halves = Rectangle(0, height, 0, across[1]), Rectangle(0, height, across[1], width)
    return [part.moved(box.top, box.left) for half in halves if (part := _tight(inner, half))]


def _steepest(inner: Cells) -> tuple[float, int]:
    """The row before which the share of marked cells changes most; how little it changes, and that row."""
    if inner.shape[0] < 2:
        return np.inf, 0
    steps = np.abs(np.diff(inner.mean(axis=1)))
    row = int(steps.argmax())
    return 1 - float(steps[row]), row + 1


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
