"""Nothing computed twice: what did not change since the last frame keeps its result.

The result always is what the net makes of one plane, the *basis*, which is nowhere further from the frame than the
tolerance. Where a frame is further, the basis is brought up to it, and all that the net's reach connects with these
pixels is computed again, in few rectangles, or the whole frame where that is cheaper. So errors can't add up, and
without a tolerance the basis is the frame.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from subpixel.call_costs import CallCosts, Patience
from subpixel.changes import CELL_PX, Cells, Changes
from subpixel.errors import BadInputError
from subpixel.model import Model
from subpixel.moves import Hints, Match, Move, Moves, Search, Shift, best_shifts, moves_of, no_hints, runs
from subpixel.part_sizes import PartSizes
from subpixel.rectangles import Places, Rectangle, cover
from subpixel.spec import Array, ModelSpec

DEFAULT_LEVELS, MOST_LEVELS = 2.0, 64
LEAST_MS = 1e-3  # of a clock's step
MOST_PAUSE = 3  # frames without a plan while plans don't pay; duplicates are seen all the same
LEAST_MOVED = 0.05  # of the frame changed: worth looking where it came from
MOST_LEFT = 0.7  # of what changed still to be computed: worth moving the rest
MOST_SHARE = 0.8  # of the frame changed: not worth looking for rectangles
CONTESTED = 2.0  # where the dearer way costs less than so many times the other one,
TRIAL_EVERY = 32  # it is taken now and then, to learn what it costs today


@dataclass(frozen=True)
class Reused:
    """How much was spared. ``duplicates``: frames that equalled the one before; ``share``: of all pixels, reused."""

    frames: int
    duplicates: int
    share: float

    def line(self) -> str:
        """For people."""
        return f"{100 * self.share:.0f} % of the picture reused; {self.duplicates} of {self.frames} frames duplicates"


@dataclass(frozen=True)
class Part:
    """One call, in LR pixels. ``kept``: where what it makes of ``read`` holds; ``fresh``: where the basis changes."""

    read: Rectangle
    kept: Rectangle
    fresh: Rectangle


def can_reuse(model: Model) -> bool:
    """Whether parts of a frame can be enlarged by themselves, in any size: luma, one frame, a known reach."""
    spec = model.spec
    return spec.can_tile and spec.colour == "y" and not spec.takes_windows and model.fixed_size is None


class Reusing:
    """A model told the frames of a video in order, so that it can keep what it made of the last one.

    ``tolerance``: levels of 255 by which a pixel may differ from what its result was made of; ``motion``: also look
    for content that moved by whole pixels. Raises ``BadInputError``
    for a model that ``can_reuse`` refuses and for a tolerance out of range.
    """

    def __init__(
        self,
        model: Model,
        tolerance: float = 0.0,
        motion: bool = True,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if not can_reuse(model):
            raise BadInputError(f"{model.spec.name}: parts of its frames can't be enlarged by themselves")
        check_tolerance(tolerance)
        self._model, self._tolerance, self._motion, self._clock = model, tolerance, motion, clock
        self._kept: _Kept | None = None
        self._frames = self._duplicates = 0
        self._pixels = self._computed = 0

    @property
    def spec(self) -> ModelSpec:
        """The model's."""
        return self._model.spec

    @property
    def reused(self) -> Reused:
        """Since the beginning."""
        share = 1 - self._computed / self._pixels if self._pixels else 0.0
        return Reused(self._frames, self._duplicates, max(share, 0.0))

    @property
    def basis(self) -> Array | None:
        """The plane that the last result is the net's result of; not to be written into. ``None`` at the beginning."""
        return self._kept.basis if self._kept else None

    def reset(self) -> None:
        """Forget the last frame: the next one is computed as a whole."""
        self._kept = None

    def upscale_luma(self, luma: Array, hints: Hints = no_hints) -> Array:
        """As ``Model.upscale_luma``; the result is valid until the next call, and not to be written into.

        ``hints``: shifts by which content may have moved since the last frame; pixels decide.
        """
        kept = self._kept
        if kept is None or not kept.fits(luma):
            kept = self._kept = _Kept(self._model, luma, self._tolerance, self._motion)
        started = self._clock()
        plan = kept.plan_for(luma, hints)
        if plan is None:
            kept.run_whole(luma)
        else:
            kept.run(plan, luma)
        kept.learn(plan, max(1000 * (self._clock() - started), LEAST_MS))
        computed = luma.size if plan is None else plan.pixels
        self._frames, self._duplicates = self._frames + 1, self._duplicates + (plan == NOTHING)
        self._pixels, self._computed = self._pixels + luma.size, self._computed + computed
        return kept.result


def check_tolerance(levels: float) -> None:
    """Raises ``BadInputError`` for a tolerance that is no number of levels."""
    if not 0 <= levels <= MOST_LEVELS:
        raise BadInputError(f"reuse tolerance: found {levels}, needed 0 to {MOST_LEVELS} levels of 255")


@dataclass(frozen=True)
class Plan:
    """How a frame is made of the last one: what is moved, then what is computed again; nothing for a duplicate."""

    moves: tuple[Move, ...]
    parts: tuple[Part, ...]

    @property
    def pixels(self) -> int:
        """LR pixels that go through the model."""
        return sum(part.read.area for part in self.parts)


class _Kept:
    """The basis of one size and type of frames, the result made of it, and what calls cost."""

    def __init__(self, model: Model, luma: Array, tolerance: float, motion: bool) -> None:
        self._model, spec = model, model.spec
        self._multiple = spec.size_multiple
        self._cell = math.lcm(CELL_PX, self._multiple)
        self._halo = spec.halo_px
        self._changes = Changes((luma.shape[0], luma.shape[1]), luma.dtype, self._cell, tolerance)
        self.basis = np.empty_like(luma, order="C")
        self._costs = CallCosts(luma.size)
        self._sizes = PartSizes()
        self._contested = 0
        self._patience = Patience(MOST_PAUSE)
        self._search = Search(self._multiple) if motion else None
        self._exact = Changes((luma.shape[0], luma.shape[1]), luma.dtype, self._cell, 0)
        self.result: Array = np.empty((0, 0), luma.dtype)

    def fits(self, luma: Array) -> bool:
        """Whether the frame can be compared with the basis."""
        return luma.shape == self.basis.shape and luma.dtype == self.basis.dtype

    def plan_for(self, luma: Array, hints: Hints) -> Plan | None:
        """``None``: the whole frame, which is cheaper."""
        if not self.result.size:
            return None
        changed = self._changes.between(luma, self.basis)
        if not changed.any():
            return NOTHING
        if not self._patience.is_due:
            return None
        plan = self._plan(luma, changed, hints)
        self._patience.tell(plan is not None)
        return plan

    def _plan(self, luma: Array, changed: Cells, hints: Hints) -> Plan | None:
        """Where to look again; ``None`` when the whole frame is cheaper."""
        moves = self._moves(luma, changed, hints)
        left = changed if moves is None else moves.left
        if self._is_dearer(left):
            return None
        each = moves.each if moves else ()
        boxes = cover(left, self._cost, max(len(each), 1))
        plan = Plan(each, tuple(self._part(box.times(self._cell)) for box in boxes))
        return plan if self._pays(plan) else None

    def _moves(self, luma: Array, changed: Cells, hints: Hints) -> Moves | None:
        """The shifts that leave least to compute, if they leave much less than there was."""
        search, before = self._search, int(changed.sum())
        if search is None or before < LEAST_MOVED * changed.size or not search.is_due:
            return None
        likely = search.likely(luma, self.basis, self._box(changed), hints)
        matching = {shift: ~self._changes.between(luma, self.basis, shift) for shift in likely}
        matches = [self._match(shift, matching[shift], luma) for shift in best_shifts(matching, changed)]
        moves = moves_of(matches, changed, -(-self._halo // self._cell))
        helps = bool(matches) and int(moves.left.sum()) <= MOST_LEFT * before
        search.tell(moves.shifts if helps else ())
        return moves if helps else None

    def _match(self, shift: Shift, matching: Cells, luma: Array) -> Match:
        equal, alike = (~self._exact.between(plane, self.basis, shift) for plane in (luma, self.basis))
        return Match(shift, matching, equal, alike)

    def _box(self, cells: Cells) -> Rectangle:
        """Around the marked cells, in pixels."""
        rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
        box = Rectangle(int(rows[0]), int(rows[-1]) + 1, int(columns[0]), int(columns[-1]) + 1).times(self._cell)
        return self._inside(box)

    def _inside(self, box: Rectangle) -> Rectangle:
        height, width = self.basis.shape
        return Rectangle(box.top, min(box.bottom, height), box.left, min(box.right, width))

    def run_whole(self, luma: Array) -> None:
        """The basis is the frame."""
        np.copyto(self.basis, luma)
        self.result = self._model.upscale_luma(luma, self.result if self.result.size else None)

    def run(self, plan: Plan, luma: Array) -> None:
        """First the basis, everywhere, for the parts look at it across their borders."""
        if plan.moves:
            self._take_over(plan.moves)
        for part in plan.parts:
            self.basis[part.fresh.slices] = luma[part.fresh.slices]
        scale = self._model.scale
        for part in plan.parts:
            larger = self._model.upscale_planes(self.basis[part.read.slices][None])[0]
            self.result[part.kept.times(scale).slices] = larger[part.kept.within(part.read).times(scale).slices]

    def _take_over(self, moves: tuple[Move, ...]) -> None:
        """What moved, from its old place to its new one."""
        scale = self._model.scale
        basis, result = self.basis.copy(), self.result.copy()
        for move in moves:
            self._copy(basis, self.basis, move.basis, move.shift, 1)
            self._copy(result, self.result, move.results, move.shift, scale)

    def _copy(self, old: Array, new: Array, cells: Cells, shift: Shift, factor: int) -> None:
        """The marked cells, from so much further down and right; ``factor``: pixels for one of the basis."""
        down, across = (factor * by for by in shift)
        for box in runs(cells):
            to = self._inside(box.times(self._cell)).times(factor)
            new[to.slices] = old[to.top + down : to.bottom + down, to.left + across : to.right + across]

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
        return int(changed.sum()) * self._cell**2 >= MOST_SHARE * self.basis.size

    def _pays(self, plan: Plan) -> bool:
        """By what is known; where it is close, the dearer way is tried now and then."""
        cost = self._costs.parts_ms(len(plan.parts), plan.pixels) / self._costs.whole_ms
        if not 1 / CONTESTED < cost < CONTESTED:
            return cost < 1
        self._contested += 1
        return (cost < 1) != (self._contested % TRIAL_EVERY == 0)

    def _cost(self, rows: Places, columns: Places) -> Array:
        """Of boxes of so many cells."""
        height, width = self.basis.shape
        call, pixel = self._costs.line
        area = self._stretched(rows * self._cell, height) * self._stretched(columns * self._cell, width)
        result: Array = call + pixel * area.astype(np.float64)
        return np.where(rows * columns > 0, result, np.inf)

    def _part(self, changed: Rectangle) -> Part:
        """The call for pixels that changed; whatever more it reads is used as far as it holds."""
        height, width = self.basis.shape
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
