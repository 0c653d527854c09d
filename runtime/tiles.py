"""Tiles that can't be seen: windows inside the frame, each giving only pixels its own borders can't have touched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from subpixel.errors import BadInputError
from subpixel.spec import Array

# By `benchmarks/tiles.py` and the same at 1080p: a whole frame is faster than tiles of any size, by a quarter and more,
# but takes a gigabyte at 4K; of the tiles 256 and 384 are fastest, 768 takes 1.3 times as long and 4 times the room.
WHOLE_LIMIT_PX = 1 << 21  # up to 1080p in one piece
TILE_PX = 384


@dataclass(frozen=True)
class Span:
    """Along one axis, in LR pixels: read ``[start, stop)``, keep the outputs of ``[keep_start, keep_stop)``."""

    start: int
    stop: int
    keep_start: int
    keep_stop: int

    def output(self, scale: int) -> slice:
        """Where the kept part stands in the whole result."""
        return slice(self.keep_start * scale, self.keep_stop * scale)

    def kept(self, scale: int) -> slice:
        """Where the kept part stands in the tile's own result."""
        return slice((self.keep_start - self.start) * scale, (self.keep_stop - self.start) * scale)


def spans(length: int, tile: int, halo: int, multiple: int = 1) -> list[Span]:
    """Cover ``length`` with windows of ``tile`` pixels whose kept parts lie ``halo`` from every inner border.

    Windows start at multiples of ``multiple``; the last one may be shorter by what ``length`` lacks to a multiple.
    Raises ``BadInputError`` when a tile has no room for its halo.
    """
    if tile >= length:
        return [Span(0, length, 0, length)]
    size = tile // multiple * multiple
    if size - 2 * halo < multiple:
        raise BadInputError(f"tiles of {tile} px are too small for a halo of {halo} px; needed {2 * halo + multiple}")
    last = -(-length // multiple) * multiple - size
    found, kept = [], 0
    while kept < length:
        start = max(0, min((kept - halo) // multiple * multiple, last))
        stop = min(length, start + size)
        keep_stop = length if stop == length else stop - halo
        found.append(Span(start, stop, kept, keep_stop))
        kept = keep_stop
    return found


def windows(
    height: int, width: int, tile: tuple[int, int], halo: int, multiple: int = 1
) -> Iterator[tuple[Span, Span]]:
    """Row and column spans of every tile."""
    columns = spans(width, tile[1], halo, multiple)
    for row in spans(height, tile[0], halo, multiple):
        for column in columns:
            yield row, column


def run_tiled(
    planes: Array, scale: int, tile: tuple[int, int], halo: int, run: Callable[[Array], Array], multiple: int = 1
) -> Array:
    """``run`` (``[C, h, w]`` to ``[C, s h, s w]``) over all tiles of ``planes`` ``[C, H, W]``.

    Raises ``BadInputError`` for an empty frame and for tiles without room for their halo.
    """
    if planes.size == 0:
        raise BadInputError("an empty frame can't be tiled; needed at least 1x1")
    result: Array | None = None
    for row, column in windows(planes.shape[1], planes.shape[2], tile, halo, multiple):
        piece = run(planes[:, row.start : row.stop, column.start : column.stop])
        if result is None:
            shape = (piece.shape[0], planes.shape[1] * scale, planes.shape[2] * scale)
            result = np.empty(shape, piece.dtype)
        result[:, row.output(scale), column.output(scale)] = piece[:, row.kept(scale), column.kept(scale)]
    assert result is not None
    return result
