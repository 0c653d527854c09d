"""Block matching: for each block of the reference the place in the other frame that differs least from it.

Two searches: every displacement within the range, and the diamond search (Zhu and Ma, "A new diamond search algorithm
for fast block-matching motion estimation", IEEE TIP 9(2), 2000). Both measure squared differences, prefer the shorter
of two displacements that fit as well, and refine the best one below a pixel by a parabola through its neighbours. A
median over the blocks takes out lone wrong vectors; between the blocks the motion is bilinear.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from subpixel.classical.motion import Flow, check_pair, median
from subpixel.classical.resampling import LINEAR, Plane, enlarged, resample
from subpixel.errors import BadInputError

Vectors = NDArray[np.intp]  # [blocks, 2], x first, whole pixels
Offsets = tuple[tuple[int, int], ...]
LARGE_DIAMOND = ((0, 0), (2, 0), (-2, 0), (0, 2), (0, -2), (1, 1), (1, -1), (-1, 1), (-1, -1))
SMALL_DIAMOND = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
LENGTH_COST = 1e-7  # of the mean squared difference, for each squared pixel of displacement


@dataclass(frozen=True)
class Blocks:
    """The frame in cells of ``cell_px``, each with a block that reaches ``overlap_px`` (whole cells) beyond it.

    ``range_px``: the largest displacement along each axis. Raises ``BadInputError`` for sizes that don't fit.
    """

    cell_px: int = 4
    overlap_px: int = 4
    range_px: int = 7

    def __post_init__(self) -> None:
        if self.cell_px < 1 or self.overlap_px < 0 or self.overlap_px % self.cell_px or self.range_px < 1:
            raise BadInputError(f"found {self}; needed cells and a range of 1 px or more, an overlap of whole cells")

    @property
    def size_px(self) -> int:
        """The side of a block."""
        return self.cell_px + 2 * self.overlap_px

    def count(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Rows and columns of blocks that cover a frame."""
        return -(-shape[0] // self.cell_px), -(-shape[1] // self.cell_px)

    def padded(self, plane: Plane, more_px: int = 0) -> Plane:
        """The plane with its edge repeated, so that all blocks lie inside, and ``more_px`` around."""
        rows, columns = self.count(plane.shape)
        margin = self.overlap_px + more_px
        below, right = rows * self.cell_px - plane.shape[0], columns * self.cell_px - plane.shape[1]
        return np.pad(plane, ((margin, margin + below), (margin, margin + right)), mode="edge")


class Matching:
    """Two frames in blocks, and what a displacement costs: the mean squared difference, and a little for its length."""

    def __init__(self, blocks: Blocks, reference: Plane, other: Plane) -> None:
        check_pair(reference, other)
        self.blocks, self.shape = blocks, reference.shape
        self.margin = blocks.range_px + 1
        self._reference, self._other = blocks.padded(reference), blocks.padded(other, self.margin)
        side = (blocks.size_px, blocks.size_px)
        cell = slice(None, None, blocks.cell_px)
        self._known = np.lib.stride_tricks.sliding_window_view(self._reference, side)[cell, cell]
        self._windows = np.lib.stride_tricks.sliding_window_view(self._other, side)
        rows, columns = np.indices(blocks.count(reference.shape))
        self.places: Vectors = np.stack([columns.ravel(), rows.ravel()], axis=1)

    def everywhere(self, vector: tuple[int, int]) -> Plane:
        """The cost of one displacement for every block: ``[blocks]``. Cells are summed once, then shared."""
        x, y = vector[0] + self.margin, vector[1] + self.margin
        height, width = self._reference.shape
        squares = (self._reference - self._other[y : y + height, x : x + width]) ** 2
        cell, reach = self.blocks.cell_px, 2 * self.blocks.overlap_px // self.blocks.cell_px + 1
        for axis in (0, 1):
            squares = adjacent(squares, cell, axis, cell)
            squares = adjacent(squares, reach, axis, 1)
        return squares.ravel() / np.float32(self.blocks.size_px**2) + length_cost(np.array(vector))

    def of(self, vectors: Vectors, which: NDArray[np.intp]) -> Plane:
        """The cost of ``vectors`` ``[n, 2]`` for the blocks ``which`` ``[n]``; beyond the range it is infinite."""
        inside = np.abs(vectors).max(axis=1) <= self.blocks.range_px
        near = np.clip(vectors, -self.margin, self.margin)
        column, row = (self.places[which] * self.blocks.cell_px + near + self.margin).T
        known = self._known[self.places[which, 1], self.places[which, 0]]
        difference = known - self._windows[row, column]
        mean = np.einsum("nij,nij->n", difference, difference) / self.blocks.size_px**2
        result: Plane = np.where(inside, mean + length_cost(vectors), np.inf).astype(np.float32)
        return result


def length_cost(vectors: Vectors) -> Plane:
    """Of displacements ``[..., 2]``: where the frame is flat, the shorter one is the truer one."""
    cost: Plane = (LENGTH_COST * np.sum(np.square(vectors), axis=-1)).astype(np.float32)
    return cost


def adjacent(plane: Plane, count: int, axis: int, step: int) -> Plane:
    """Sums of ``count`` adjacent rows (or columns), one every ``step``."""
    source = np.moveaxis(plane, axis, 0)
    last = source.shape[0] - count + 1
    total = source[0:last:step].copy()
    for offset in range(1, count):
        total += source[offset : last + offset : step]
    return np.moveaxis(total, 0, axis)


@dataclass(frozen=True)
class ExhaustiveSearch:
    """A ``MotionEstimator`` that tries every displacement: the best there is, and slow."""

    blocks: Blocks = Blocks()

    def __call__(self, reference: Plane, other: Plane) -> Flow:
        matching = Matching(self.blocks, reference, other)
        side = range(-self.blocks.range_px, self.blocks.range_px + 1)
        vectors = [(x, y) for y in side for x in side]
        costs = np.stack([matching.everywhere(vector) for vector in vectors])
        return refined(matching, np.array(vectors)[np.argmin(costs, axis=0)])


@dataclass(frozen=True)
class DiamondSearch:
    """A ``MotionEstimator`` that goes downhill from no motion, nine places at a time, then five."""

    blocks: Blocks = Blocks()

    def __call__(self, reference: Plane, other: Plane) -> Flow:
        matching = Matching(self.blocks, reference, other)
        vectors = np.zeros_like(matching.places)
        walking = np.arange(len(vectors))
        while walking.size:
            walking = stepped(matching, vectors, walking, LARGE_DIAMOND)
        stepped(matching, vectors, np.arange(len(vectors)), SMALL_DIAMOND)
        return refined(matching, vectors)


def stepped(matching: Matching, vectors: Vectors, which: NDArray[np.intp], diamond: Offsets) -> NDArray[np.intp]:
    """Move the blocks ``which`` to the cheapest place of the diamond around them; gives those that moved."""
    costs = np.stack([matching.of(vectors[which] + offset, which) for offset in diamond])
    best = np.argmin(costs, axis=0)
    vectors[which] += np.array(diamond)[best]
    moved: NDArray[np.intp] = which[best != 0]
    return moved


def refined(matching: Matching, vectors: Vectors) -> Flow:
    """Whole displacements ``[blocks, 2]`` made finer than a pixel, and given to the pixels between the blocks."""
    rows, columns = matching.blocks.count(matching.shape)
    fine = (vectors + below_a_pixel(matching, vectors)).astype(np.float32).reshape(rows, columns, 2)
    return dense(median(fine), matching.blocks.cell_px, matching.shape)


def below_a_pixel(matching: Matching, vectors: Vectors) -> NDArray[np.float64]:
    """Along each axis the lowest place of the parabola through the cost and its two neighbours': [-0.5, 0.5]."""
    every = np.arange(len(vectors))
    middle = matching.of(vectors, every).astype(np.float64)
    result = np.zeros(vectors.shape)
    for axis, offset in enumerate(((1, 0), (0, 1))):
        before, after = (matching.of(vectors + np.multiply(sign, offset), every) for sign in (-1, 1))
        bend = before - 2 * middle + after
        usable = np.isfinite(bend) & (bend > 0)
        lowest = np.divide(before - after, 2 * bend, out=np.zeros(len(every)), where=usable)
        result[:, axis] = np.clip(lowest, -0.5, 0.5)
    return result


def dense(vectors: Flow, cell_px: int, shape: tuple[int, ...]) -> Flow:
    """Vectors of cells ``[rows, columns, 2]`` to a flow ``[H, W, 2]``, bilinear between the cells' centres."""
    rows, columns = (enlarged(count, cell_px) for count in vectors.shape[:2])
    planes = [resample(np.ascontiguousarray(vectors[..., axis]), rows, columns, LINEAR) for axis in (0, 1)]
    return np.stack(planes, axis=2)[: shape[0], : shape[1]]
