"""Tiles that can't be seen: windows inside the frame, each giving only pixels its own borders can't have touched.

Large frames go in bands as wide as they are, one below the other: the rows of a band lie beside each other in the
result, so that a net writes them there itself. Tiles are for nets of one size and for callers who ask for them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from subpixel.errors import BadInputError
from subpixel.spec import Array

# A frame in one piece is faster than in bands, by 5 to 15 %, but takes room for all of a net's planes: 4K results have
# to be made within a gigabyte, of which the encoder takes nine tenths.
WHOLE_PX = 1 << 19  # larger frames go in bands
BAND_PX = 1 << 18
LEAST_HALOS = 8  # of a band's rows
WHOLE_LIMIT_PX = 1 << 21  # what a net must be able to hold that can't work in tiles
TILE_PX = 384  # of pictures, whose chroma and colours are enlarged with the net


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


def band_rows(height: int, width: int, halo: int, multiple: int = 1) -> int:
    """How many rows of a frame go through a net at once: equal bands, as few as ``BAND_PX`` and their halo allow."""
    most = max(BAND_PX // width, LEAST_HALOS * halo, multiple)
    if height <= most or height * width <= WHOLE_PX:
        return height
    bands = -(-(height - 2 * halo) // (most - 2 * halo))
    rows = -(-(height + 2 * halo * (bands - 1)) // bands)
    return min(-(-rows // multiple) * multiple, height)


def run_in_bands(
    planes: Array, result: Array, scale: int, rows: int, halo: int, run: Callable[[Array, Array], object],
    multiple: int = 1,
) -> None:  # fmt: skip
    """``run`` (``[C, h, W]``, and where ``[C, s h, s W]`` of it shall be written) over all bands of ``planes``.

    What a band spoils of the one above it, its halo, is put back.
    """
    for band in spans(planes.shape[1], rows, halo, multiple):
        above = slice(band.start * scale, band.keep_start * scale)
        right = result[:, above].copy()
        run(planes[:, band.start : band.stop], result[:, band.start * scale : band.stop * scale])
        result[:, above] = right
