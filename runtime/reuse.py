"""Nothing computed twice: what did not change since the last frame keeps its result.

The result always is what the net makes of one plane, the *basis*, which is nowhere further from the frame than the
tolerance. Where a frame is further, the basis is brought up to it, and all that the net's reach connects with these
pixels is computed again, in few rectangles, or the whole frame where that is cheaper. So errors can't add up, and
without a tolerance the basis is the frame.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from subpixel.call_costs import Patience
from subpixel.errors import BadInputError
from subpixel.model import Model
from subpixel.moves import Hints, Move, Shift, no_hints
from subpixel.rectangles import Rectangle
from subpixel.reuse_plan import NOTHING, Plan, Planner
from subpixel.spec import Array, ModelSpec

DEFAULT_LEVELS, MOST_LEVELS = 2.0, 64
LEAST_MS = 1e-3  # of a clock's step
MOST_PAUSE = 3  # frames without a plan while plans don't pay; duplicates are seen all the same


@dataclass(frozen=True)
class Reused:
    """How much was spared. ``duplicates``: frames that equalled the one before; ``share``: of all pixels, reused."""

    frames: int
    duplicates: int
    share: float

    def line(self) -> str:
        """For people."""
        return f"{100 * self.share:.0f} % of the picture reused; {self.duplicates} of {self.frames} frames duplicates"


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
        self._planner: Planner | None = None
        self._patience = Patience(MOST_PAUSE)
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
        planner, kept = self._planner_for(luma), self._kept
        if kept is None:
            kept = self._kept = _Kept(self._model, luma)
        started = self._clock()
        plan = self._plan(planner, kept, luma, hints)
        if plan is None:
            kept.run_whole(luma)
        else:
            kept.run(plan, luma, planner)
        planner.learn(plan, max(1000 * (self._clock() - started), LEAST_MS))
        computed = luma.size if plan is None else plan.pixels
        self._frames, self._duplicates = self._frames + 1, self._duplicates + (plan == NOTHING)
        self._pixels, self._computed = self._pixels + luma.size, self._computed + computed
        return kept.result

    def forecast(self, luma: Array, before: Array, hints: Hints = no_hints) -> float:
        """The share of the frame that would be computed if ``before`` had been the last one; nothing is computed."""
        planner = self._planner_for(luma)
        plan = planner.plan(luma, before, planner.changed(luma, before), hints, always=True)
        return 1.0 if plan is None else plan.pixels / luma.size

    def _planner_for(self, luma: Array) -> Planner:
        """With frames of another size or type all begins anew."""
        if self._planner is None or not self._planner.fits(luma):
            self._kept = None
            self._planner, self._patience = (
                Planner(self.spec, luma, self._tolerance, self._motion),
                Patience(MOST_PAUSE),
            )
        return self._planner

    def _plan(self, planner: Planner, kept: _Kept, luma: Array, hints: Hints) -> Plan | None:
        """``None``: the whole frame, which is cheaper."""
        if not kept.result.size:
            return None
        changed = planner.changed(luma, kept.basis)
        if not changed.any():
            return NOTHING
        if not self._patience.is_due:
            return None
        plan = planner.plan(luma, kept.basis, changed, hints)
        self._patience.tell(plan is not None)
        return plan


def check_tolerance(levels: float) -> None:
    """Raises ``BadInputError`` for a tolerance that is no number of levels."""
    if not 0 <= levels <= MOST_LEVELS:
        raise BadInputError(f"reuse tolerance: found {levels}, needed 0 to {MOST_LEVELS} levels of 255")


class _Kept:
    """The basis of one size and type of frames, and the result made of it."""

    def __init__(self, model: Model, luma: Array) -> None:
        self._model = model
        self.basis = np.empty_like(luma, order="C")
        self.result: Array = np.empty((0, 0), luma.dtype)

    def run_whole(self, luma: Array) -> None:
        """The basis is the frame."""
        np.copyto(self.basis, luma)
        self.result = self._model.upscale_luma(luma, self.result if self.result.size else None)

    def run(self, plan: Plan, luma: Array, planner: Planner) -> None:
        """First the basis, everywhere, for the parts look at it across their borders."""
        if plan.moves:
            self._take_over(plan.moves, planner)
        for part in plan.parts:
            self.basis[part.fresh.slices] = luma[part.fresh.slices]
        scale = self._model.scale
        for part in plan.parts:
            larger = self._model.upscale_planes(self.basis[part.read.slices][None])[0]
            self.result[part.kept.times(scale).slices] = larger[part.kept.within(part.read).times(scale).slices]

    def _take_over(self, moves: tuple[Move, ...], planner: Planner) -> None:
        """What moved, from its old place to its new one."""
        _move(self.basis, [(planner.boxes(move.basis), move.shift) for move in moves], 1)
        _move(self.result, [(planner.boxes(move.results), move.shift) for move in moves], self._model.scale)


def _move(plane: Array, moves: Iterable[tuple[Iterable[Rectangle], Shift]], factor: int) -> None:
    """Each of the boxes from so much further down and right; ``factor``: pixels for one of theirs."""
    taken = []
    for boxes, shift in moves:
        down, across = (factor * by for by in shift)
        for to in (box.times(factor) for box in boxes):
            there = to.moved(down, across)
            taken.append((to, plane[there.slices].copy()))  # all before the first is written: places overlap
    for to, piece in taken:
        plane[to.slices] = piece
