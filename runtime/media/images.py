"""Still pictures: a file in, a larger file out, with what it says of itself kept."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np

from subpixel.engines.base import Receipt
from subpixel.errors import BadInputError, NotFoundError, OutputError, faults_as
from subpixel.media.images_enlarge import bicubic, enlarge_colour, fill_hidden, runs_in_eight_bits
from subpixel.media.images_files import Picture, encode_picture, format_of, header_size, read_metadata, read_picture
from subpixel.media.images_fit import fitted, in_bits_of, in_markers_of, refuse_too_large, resized_tags
from subpixel.media.images_kinds import ImageOptions, ImageReport
from subpixel.media.images_meta import orientation
from subpixel.model import Model


def image_size(path: Path) -> tuple[int, int]:
    """Width and height of the pixels as stored, read from the header. Raises ``BadInputError``."""
    return header_size(path)


def check_paths(source: Path, target: Path, overwrite: bool) -> None:
    """All that can be said of the two names before any work. Raises ``NotFoundError`` or ``OutputError``."""
    format_of(target)
    if not source.is_file():
        raise NotFoundError(f"{source}: no such image file")
    with _write_faults(target):
        _refuse_target(source, target, _place(target), overwrite)


def upscale_image(model: Model, source: Path, target: Path, options: ImageOptions | None = None) -> ImageReport:
    """Enlarge a PNG, JPEG, WebP, TIFF, BMP or GIF file; the suffix of ``target`` says its format.

    Luma by the model, chroma and alpha bicubic. Grey stays grey, 16 bits a channel stay 16 from PNG to PNG; palettes,
    1 bit and CMYK become RGB or grey, said in ``notes``. The file appears under its name only when it is complete.
    Raises ``NotFoundError``, ``BadInputError`` for what can't be read or served, ``OutputError``.
    """
    options, format = options or ImageOptions(), format_of(target)
    check_paths(source, target, options.overwrite)
    clock = [time.perf_counter()]
    with _fresh_file(target) as fresh, _memory_told(source):
        picture = fitted(read_picture(source), format, source)
        refuse_too_large(picture, _result_size(model, picture, options), format)
        clock.append(time.perf_counter())
        larger = in_markers_of(in_bits_of(_enlarged(model, picture, options), format), format)
        clock.append(time.perf_counter())
        with _write_faults(target):
            fresh.write_bytes(encode_picture(larger, format))
        names = read_metadata(fresh).names()
        clock.append(time.perf_counter())
    report = _report(picture, larger, names, _ran(model, picture), clock)
    return replace(report, source=str(source), target=str(target), target_format=format.name)


def _report(
    picture: Picture, larger: Picture, names: tuple[str, ...], receipt: Receipt, clock: list[float]
) -> ImageReport:
    """``names``: the metadata found in the file that was written."""
    before = picture.metadata.names()
    read_ms, model_ms, write_ms = (1000 * (stop - start) for start, stop in pairwise(clock))
    return ImageReport(
        source_format=picture.format,
        source_mode=picture.mode,
        target_mode=larger.mode,
        source_size=picture.size,
        target_size=larger.size,
        orientation=orientation(larger.metadata.exif),
        kept=tuple(name for name in before if name in names),
        dropped=tuple(name for name in before if name not in names),
        notes=larger.notes,
        receipt=receipt,
        read_ms=read_ms,
        model_ms=model_ms,
        write_ms=write_ms,
    )


def _result_size(model: Model, picture: Picture, options: ImageOptions) -> tuple[int, int]:
    """Of the file; twice as wide for a comparison. Raises ``BadInputError`` for an empty size."""
    width, height = options.size or (picture.size[0] * model.scale, picture.size[1] * model.scale)
    if min(width, height) < 1:
        raise BadInputError(f"found a size of {width}x{height}; needed at least 1x1")
    return width * (2 if options.compare else 1), height


def _enlarged(model: Model, picture: Picture, options: ImageOptions) -> Picture:
    width, height = _result_size(model, picture, options)
    size = (width // 2 if options.compare else width, height)
    colour, alpha = picture.colour, picture.alpha
    if alpha is not None:
        colour, alpha = fill_hidden(colour, alpha), bicubic(alpha, size)
    larger = enlarge_colour(model, colour, size)
    if options.compare:
        larger = np.concatenate([bicubic(colour, size), larger], axis=1)
        alpha = None if alpha is None else np.concatenate([alpha, alpha], axis=1)
    return resized_tags(replace(picture, colour=larger, alpha=alpha), (width, height))


def _ran(model: Model, picture: Picture) -> Receipt:
    """Of the engine that the pixels really went through: the float variant is opened beside an 8-bit one."""
    return model.receipt if runs_in_eight_bits(model, picture.colour.dtype) else model.receipts[-1]


@contextmanager
def _fresh_file(target: Path) -> Iterator[Path]:
    """A new file beside ``target``, put in its place at the end, removed when anything goes wrong."""
    with _write_faults(target):
        place = _place(target)
        fresh = place.with_name(f".{place.name}.{os.getpid()}.part")
        fresh.touch()
    try:
        yield fresh
        with _write_faults(target):
            fresh.replace(place)
    finally:
        fresh.unlink(missing_ok=True)


def _place(target: Path) -> Path:
    """Where the file really goes: a link is written through."""
    return Path(os.path.realpath(target))


def _write_faults(target: Path) -> AbstractContextManager[None]:
    return faults_as(OutputError, f"{target} can't be written")


def _refuse_target(source: Path, target: Path, place: Path, overwrite: bool) -> None:
    if place.exists() and place.samefile(source):
        raise OutputError(f"{target} is the input itself; choose another name")
    if place.is_dir():
        raise OutputError(f"{target} is a folder; needed the name of a picture file")
    if place.exists() and not overwrite:
        raise OutputError(f"{target} exists; choose another name or pass --overwrite")
    if not place.parent.is_dir():
        raise OutputError(f"{target}: there is no folder {place.parent}; make it first")


@contextmanager
def _memory_told(source: Path) -> Iterator[None]:
    try:
        yield
    except MemoryError as fault:
        raise BadInputError(f"{source} is too large for this machine's memory; cut it in parts") from fault
