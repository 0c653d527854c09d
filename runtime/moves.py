"""Content that moved by whole pixels: where it may have come from, and what of it can be taken over.

A shift ``(down, across)`` says: the pixel at ``(y, x)`` is the one that was at ``(y + down, x + across)``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from subpixel.call_costs import Patience
from subpixel.changes import Cells
from subpixel.rectangles import Rectangle
from subpixel.spec import Array

REACH_PX = 48  # looked at in each direction
PROFILE_STEP = 4  # every fourth pixel of a row or column says enough of its mean
LEAST_PX = 32  # of a box that is worth a look
MOST_PAUSE = 31
MOST_MOVES = 3  # of one frame, each by a shift of its own
LEAST_SHARE = 0.1  # of what changed: worth one more

Shift: TypeAlias = tuple[int, int]
Hints: TypeAlias = Callable[[], Sequence[Shift]]
"""Shifts that are worth a look, the likeliest first. Called only where they are looked for."""


def no_hints() -> Sequence[Shift]:
    """Nothing is known."""
    return ()


class Search:
    """Likely shifts, looked for in every frame while it helps, more and more seldom while it doesn't.

    ``multiple``: only shifts by multiples of it can be used.
    """

    def __init__(self, multiple: int) -> None:
        self._multiple = multiple
        self._last: Sequence[Shift] = ()
        self._patience = Patience(MOST_PAUSE)

    @property
    def is_due(self) -> bool:
        """Whether to look this time; counts."""
        return self._patience.is_due

    def likely(self, plane: Array, reference: Array, box: Rectangle, hints: Hints = no_hints) -> list[Shift]:
        """Few shifts by which the box's content may have moved: the last ones, hints, its rows', its columns', both."""
        if min(box.bottom - box.top, box.right - box.left) < LEAST_PX:
            return []
        new, old = plane[box.slices], reference[box.slices]
        down = best_shift(_means(new[:, ::PROFILE_STEP], 1), _means(old[:, ::PROFILE_STEP], 1))
        across = best_shift(_means(new[::PROFILE_STEP], 0), _means(old[::PROFILE_STEP], 0))
        found = [*self._last, *hints(), (down, 0), (0, across), (down, across)]
        return [s for s in dict.fromkeys(found) if s != (0, 0) and not any(part % self._multiple for part in s)]

    def tell(self, helped: Sequence[Shift]) -> None:
        """The shifts that helped; if none did, the pause before the next search doubles."""
        self._last = helped
        self._patience.tell(bool(helped))


def best_shift(new: NDArray[np.float32], old: NDArray[np.float32]) -> int:
    """The shift, at most a third of the length, for which two profiles ``[n]`` differ least where they overlap."""
    reach = min(REACH_PX, len(new) // 3)
    padded = np.pad(old, reach, constant_values=np.nan)
    differences = np.abs(sliding_window_view(padded, len(new)) - new)
    return int(np.nanmean(differences, axis=1).argmin()) - reach


def _means(pixels: Array, axis: int) -> NDArray[np.float32]:
    result: NDArray[np.float32] = pixels.mean(axis=axis, dtype=np.float32)
    return result


def best_shifts(matching: Mapping[Shift, Cells], changed: Cells) -> list[Shift]:
    """The shifts that hold for most of what changed, each for cells that those before it don't hold for.

    ``matching``: cells of the frame that the basis has at the shifted place.
    """
    open_cells, found = changed, list[Shift]()
    while len(found) < min(MOST_MOVES, len(matching)):
        gains = {shift: int(np.count_nonzero(cells & open_cells)) for shift, cells in matching.items()}
        best = max(gains, key=lambda shift: gains[shift])
        if gains[best] < max(LEAST_SHARE * int(changed.sum()), 1):
            break
        found.append(best)
        open_cells = open_cells & ~matching[best]
    return found


@dataclass(frozen=True)
class Match:
    """A shift and where it holds.

    ``matching``: cells of the frame that the basis has at the shifted place, as far as the tolerance goes; ``equal``:
    those it has to the bit; ``alike``: cells of the basis that equal what it has there.
    """

    shift: Shift
    matching: Cells
    equal: Cells
    alike: Cells


@dataclass(frozen=True)
class Move:
    """One shift and what it gives. ``basis``: cells that are taken from elsewhere; ``results``: whose results are."""

    shift: Shift
    basis: Cells
    results: Cells


@dataclass(frozen=True)
class Moves:
    """All that is moved in a frame, every cell once; all of it is read before any is written.

    ``left``: the cells that have to be computed. The results that are moved are the net's: all that they depend on is
    moved with them, or is the same at both places. All other cells but those left depend on nothing that changed.
    """

    each: tuple[Move, ...]
    left: Cells

    @property
    def shifts(self) -> list[Shift]:
        """One for each move."""
        return [move.shift for move in self.each]


def moves_of(matches: Sequence[Match], changed: Cells, ring: int) -> Moves:
    """What shifts give; a cell for which several hold is moved by the first of them.

    ``ring``: cells by which the net's reach goes beyond a cell.
    """
    taken, exact = np.zeros_like(changed), np.zeros_like(changed)
    shares = []
    for match in matches:
        shares.append(changed & match.matching & ~taken)
        taken, exact = taken | shares[-1], exact | (shares[-1] & match.equal)
    touched, done = widened(taken, ring), np.zeros_like(changed)
    moves = []
    for match, share in zip(matches, shares, strict=True):
        as_if_moved = share | (exact & match.equal)  # what another shift brought is what this one would have
        results = touched & ~done & steady(np.where(changed, as_if_moved, match.alike), match.shift, ring)
        moves.append(Move(match.shift, share, results))
        done |= results
    return Moves(tuple(moves), (changed & ~taken) | (touched & ~done))


def steady(cells: Cells, shift: Shift, ring: int) -> Cells:
    """The marked cells whose neighbours, ``ring`` cells around, are marked too, so that their results can be moved.

    At a border of the frame along which nothing moves, none is needed beyond it; at others no cell is steady.
    """
    result = cells
    for axis, moves in enumerate(shift):
        result = np.logical_and.reduce(_around(result, ring, axis, beyond=not moves), axis=-1)
    return result


def widened(cells: Cells, ring: int) -> Cells:
    """The marked cells and those up to ``ring`` cells beside them."""
    result = cells
    for axis in (0, 1):
        result = np.logical_or.reduce(_around(result, ring, axis, beyond=False), axis=-1)
    return result


def _around(cells: Cells, ring: int, axis: int, beyond: bool) -> Cells:
    sides = [(0, 0), (0, 0)]
    sides[axis] = ring, ring
    padded = np.pad(cells, sides, constant_values=beyond)
    windows: Cells = sliding_window_view(padded, 2 * ring + 1, axis=axis)
    return windows


def runs(cells: Cells) -> Iterator[Rectangle]:
    """The marked cells, and no others, as rectangles: stretches of a row, joined with equal ones below."""
    open_runs: dict[tuple[int, int], int] = {}
    for row in range(cells.shape[0] + 1):
        now = _stretches(cells[row]) if row < cells.shape[0] else set()
        for left, right in set(open_runs) - now:
            yield Rectangle(open_runs.pop((left, right)), row, left, right)
        open_runs |= dict.fromkeys(now - set(open_runs), row)


def _stretches(row: NDArray[np.bool_]) -> set[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(row, prepend=False, append=False))
    return {(int(left), int(right)) for left, right in zip(edges[::2], edges[1::2], strict=True)}
