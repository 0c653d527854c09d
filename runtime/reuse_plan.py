"""How a frame is made of the last one: what is moved, what is computed again, and when the whole frame is cheaper."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from subpixel.call_costs import CallCosts
from subpixel.changes import CELL_PX, Cells, Changes
from subpixel.moves import Hints, Match, Move, Moves, Search, Shift, best_shifts, moves_of, runs
from subpixel.part_sizes import PartSizes
from subpixel.rectangles import Places, Rectangle, cover
from subpixel.spec import Array, ModelSpec

LEAST_MOVED = 0.05  # of the frame changed: worth looking where it came from
MOST_LEFT = 0.7  # of what changed still to be computed: worth moving the rest
MOST_SHARE = 0.8  # of the frame changed: not worth looking for rectangles
CONTESTED = 2.0  # where the dearer way costs less than so many times the other one,
TRIAL_EVERY = 32  # it is taken now and then, to learn what it costs today


@dataclass(frozen=True)
class Part:
    """One call, in LR pixels. ``kept``: where what it makes of ``read`` holds; ``fresh``: where the basis changes."""

    read: Rectangle
    kept: Rectangle
    fresh: Rectangle


@dataclass(frozen=True)
class Plan:
    """How a frame is made of the last one: what is moved, then what is computed again; nothing for a duplicate."""

    moves: tuple[Move, ...]
    parts: tuple[Part, ...]

    @property
    def pixels(self) -> int:
        """LR pixels that go through the model."""
        return sum(part.read.area for part in self.parts)


class Planner:
    """For frames of one size and type. ``tolerance`` and ``motion`` as ``Reusing`` has them."""

    def __init__(self, spec: ModelSpec, luma: Array, tolerance: float, motion: bool) -> None:
        shape = luma.shape[0], luma.shape[1]
        self._shape, self._dtype, self._multiple, self._halo = shape, luma.dtype, spec.size_multiple, spec.halo_px
        self._cell = math.lcm(CELL_PX, self._multiple)
        self._changes = Changes(shape, luma.dtype, self._cell, tolerance)
        self._exact = Changes(shape, luma.dtype, self._cell, 0)
        self._costs, self._sizes = CallCosts(luma.size), PartSizes()
        self._search = Search(self._multiple) if motion else None
        self._contested = 0

    def fits(self, luma: Array) -> bool:
        """Whether it is for such frames."""
        return luma.shape == self._shape and luma.dtype == self._dtype

    def changed(self, luma: Array, basis: Array) -> Cells:
        """The cells in which the frame is further from the basis than the tolerance."""
        return self._changes.between(luma, basis)

    def plan(self, luma: Array, basis: Array, changed: Cells, hints: Hints, always: bool = False) -> Plan | None:
        """Where to look again; ``None`` when the whole frame is cheaper.

        ``always``: what moved is looked for even where that was in vain the last times.
        """
        moves = self._moves(luma, basis, changed, hints, always)
        left = changed if moves is None else moves.left
        if self._is_dearer(left):
            return None
        each = moves.each if moves else ()
        boxes = cover(left, self._cost, max(len(each), 1))
        plan = Plan(each, tuple(self._part(box.times(self._cell)) for box in boxes))
        return plan if self._pays(plan) else None

    def _moves(self, luma: Array, basis: Array, changed: Cells, hints: Hints, always: bool) -> Moves | None:
        """The shifts that leave least to compute, if they leave much less than there was."""
        search, before = self._search, int(changed.sum())
        if search is None or before < LEAST_MOVED * changed.size or not (always or search.is_due):
            return None
        likely = search.likely(luma, basis, self._box(changed), hints)
        matching = {shift: ~self._changes.between(luma, basis, shift) for shift in likely}
        matches = [self._match(shift, matching[shift], luma, basis) for shift in best_shifts(matching, changed)]
        moves = moves_of(matches, changed, -(-self._halo // self._cell))
        helps = bool(matches) and int(moves.left.sum()) <= MOST_LEFT * before
        search.tell(moves.shifts if helps else ())
        return moves if helps else None

    def _match(self, shift: Shift, matching: Cells, luma: Array, basis: Array) -> Match:
        equal, alike = (~self._exact.between(plane, basis, shift) for plane in (luma, basis))
        return Match(shift, matching, equal, alike)

    def _box(self, cells: Cells) -> Rectangle:
        """Around the marked cells, in pixels."""
        rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
        box = Rectangle(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1).times(self._cell)
        return self._inside(box)

    def boxes(self, cells: Cells) -> Iterator[Rectangle]:
        """The marked cells, in pixels, as boxes inside the frame."""
        return (self._inside(box.times(self._cell)) for box in runs(cells))

    def _inside(self, box: Rectangle) -> Rectangle:
        """What of it is in the frame."""
        height, width = self._shape
        return Rectangle(box.top, min(box.bottom, height), box.left, min(box.right, width))

    def learn(self, plan: Plan | None, ms: float) -> None:
        """What it cost; a size that a library meets for the first time tells nothing, for it may compile for it."""
        if plan is None:
            self._costs.saw_whole(ms)
            return
        sizes = {_size(part.read) for part in plan.parts}
        if self._sizes.ran(sizes) and plan.parts:
            self._costs.saw_parts(len(plan.parts), plan.pixels, ms)

    def _is_dearer(self, changed: Cells) -> bool:
        """Whether these cells alone, without any halo, are hardly less than the frame."""
        return int(changed.sum()) * self._cell**2 >= MOST_SHARE * math.prod(self._shape)

    def _pays(self, plan: Plan) -> bool:
        """By what is known; where it is close, the dearer way is tried now and then."""
        cost = self._costs.parts_ms(len(plan.parts), plan.pixels) / self._costs.whole_ms
        if not 1 / CONTESTED < cost < CONTESTED:
            return cost < 1
        self._contested += 1
        return (cost < 1) != (self._contested % TRIAL_EVERY == 0)

    def _cost(self, rows: Places, columns: Places) -> Array:
        """Of boxes of so many cells."""
        height, width = self._shape
        call, pixel = self._costs.line
        area = self._stretched(rows * self._cell, height) * self._stretched(columns * self._cell, width)
        result: Array = call + pixel * area.astype(np.float64)
        return np.where(rows * columns > 0, result, np.inf)

    def _part(self, changed: Rectangle) -> Part:
        """The call for pixels that changed; whatever more it reads is used as far as it holds."""
        height, width = self._shape
        rows, columns = changed.bottom - changed.top, changed.right - changed.left
        wanted = int(self._stretched(np.array(rows), height)), int(self._stretched(np.array(columns), width))
        size = self._sizes.size_for(wanted)
        top, bottom = self._read(changed.top, size[0], height)
        left, right = self._read(changed.left, size[1], width)
        read = Rectangle(top, bottom, left, right)
        kept = read.shrunk(self._halo, height, width)
        return Part(read, kept, kept.shrunk(self._halo, height, width))

    def _read(self, first: int, size: int, length: int) -> tuple[int, int]:
        """Along one axis: from twice the halo before what changed, inside the frame."""
        start = max(first - 2 * self._halo, 0)
        if start + size < length:
            return start, start + size
        return (length - size) // self._multiple * self._multiple, length

    def _stretched(self, length: Places, most: int) -> Places:
        """A length with its halos, as one of few sizes: libraries may compile for every new one."""
        cells = -(-(length + 4 * self._halo) // self._cell)
        step = np.where(cells <= 8, 2, np.where(cells <= 32, 4, 8))
        result: Places = np.minimum(-(-cells // step) * step * self._cell, most)
        return result


NOTHING = Plan((), ())


def _size(rectangle: Rectangle) -> tuple[int, int]:
    return rectangle.bottom - rectangle.top, rectangle.right - rectangle.left
