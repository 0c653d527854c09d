"""A picture made to fit the format it goes to, or refused before any work is done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from subpixel.errors import BadInputError
from subpixel.media.images_files import Picture
from subpixel.media.images_kinds import FORMATS, Format
from subpixel.media.memory import free_bytes

MARKER_BYTES = 65000  # a little less than 64 KiB: the marker's own words take some
COPIES = 3  # of the result that are alive at once: the pixels, their interleaved copy, the coded file


def fitted(picture: Picture, format: Format, source: Path) -> Picture:
    """Without an alpha channel where the format has none; ``BadInputError`` when that would show what was hidden."""
    if picture.alpha is None or format.alpha:
        return picture
    if picture.alpha.min() == np.iinfo(picture.alpha.dtype).max:
        return replace(picture, alpha=None, notes=(*picture.notes, "an alpha channel that hides nothing was left out"))
    able = ", ".join(f.suffixes[0] for f in FORMATS if f.alpha)
    raise BadInputError(f"{source} has transparent parts, which {format.name} can't hold; write one of {able}")


def resized_tags(picture: Picture, size: tuple[int, int]) -> Picture:
    """With ``size`` (W, H) in its EXIF; EXIF that can't be read is left out, and said."""
    try:
        return replace(picture, metadata=picture.metadata.resized(*size))
    except ValueError as fault:
        metadata = replace(picture.metadata, exif=None)
        return replace(picture, metadata=metadata, notes=(*picture.notes, f"the EXIF was left out: {fault}"))


def in_markers_of(picture: Picture, format: Format) -> Picture:
    """Without EXIF and XMP longer than a JPEG's markers, said in the report by their absence."""
    held = picture.metadata
    if format.name != "JPEG":
        return picture
    exif = held.exif if len(held.exif or b"") <= MARKER_BYTES else None
    xmp = held.xmp if len(held.xmp or b"") <= MARKER_BYTES else None
    return replace(picture, metadata=replace(held, exif=exif, xmp=xmp))


def in_bits_of(picture: Picture, format: Format) -> Picture:
    """16 bits a channel rounded to 8 where the format holds no more, and said."""
    channels = picture.interleaved().shape[2]
    if picture.bits == 8 or channels in format.fine:
        return picture
    alpha = None if picture.alpha is None else _eight(picture.alpha)
    note = f"16 bits a channel became 8: {format.name} is written with no more"
    return replace(picture, colour=_eight(picture.colour), alpha=alpha, notes=(*picture.notes, note))


def _eight(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint16]]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)


def refuse_too_large(picture: Picture, size: tuple[int, int], format: Format) -> None:
    """Raises ``BadInputError`` when the format or the free memory has no room for a result of ``size`` (W, H)."""
    width, height = size
    if max(size) > format.max_side:
        raise BadInputError(
            f"the result would be {width}x{height}; {format.name} holds at most {format.max_side} pixels a side: "
            "write a .png, or ask for a smaller size"
        )
    needed = COPIES * width * height * picture.interleaved().shape[2] * picture.bits // 8
    free = free_bytes()
    if free is not None and needed > free:
        raise BadInputError(
            f"a result of {width}x{height} needs about {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free; "
            "ask for a smaller size, or cut the picture in parts"
        )
