"""Pixel formats and planes: views of a frame's own memory, and the planar formats the work is done in."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from av.codec import find_best_pix_fmt_of_list
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from subpixel.errors import BadInputError

Plane = NDArray[Any]

YUV = tuple(f"yuv{kind}p" for kind in ("420", "422", "444", "440", "411", "410"))
DEEP_YUV = tuple(f"yuv{kind}p{bits}le" for kind in ("420", "422", "444") for bits in (9, 10, 12, 14, 16))
YUVA = tuple(f"yuva{kind}p{bits}" for kind in ("420", "422", "444") for bits in ("", "9le", "10le", "16le"))
GREY = ("gray", "gray9le", "gray10le", "gray12le", "gray14le", "gray16le")
RGB = ("gbrp", "gbrp9le", "gbrp10le", "gbrp12le", "gbrp14le", "gbrp16le", "gbrap", "gbrap16le")
WORKING = (*YUV, *DEEP_YUV, *YUVA, *GREY, *RGB)


@lru_cache(maxsize=256)
def working_format(name: str) -> str:
    """The planar little-endian format that holds all of ``name``'s samples. Raises ``BadInputError`` for odd ones."""
    plain = name.replace("yuvj", "yuv")
    if plain in WORKING:
        return plain
    form = VideoFormat(name)
    pool = RGB if form.is_rgb or form.has_palette or form.is_bayer else tuple(n for n in WORKING if n not in RGB)
    has_alpha = form.has_palette or any(part.is_alpha for part in form.components)
    best, _ = find_best_pix_fmt_of_list(list(pool), name, has_alpha=has_alpha)
    if best is None:
        raise BadInputError(f"the video's pixel format {name} can't be worked on; convert it to yuv420p first")
    return best.name


def bits_of(name: str) -> int:
    """Bits of one sample."""
    return VideoFormat(name).components[0].bits


def is_rgb(name: str) -> bool:
    """Whether the working format is planar RGB."""
    return name in RGB


def has_alpha(name: str) -> bool:
    """Whether there is a plane of transparency."""
    return any(part.is_alpha for part in VideoFormat(name).components)


def subsampling(name: str) -> tuple[int, int]:
    """Luma samples for one chroma sample, across and down; (1, 1) without chroma."""
    form = VideoFormat(name, 16, 16)
    if is_rgb(name) or name in GREY:
        return 1, 1
    return 16 // form.chroma_width(16), 16 // form.chroma_height(16)


def plane_of(frame: VideoFrame, index: int) -> Plane:
    """Plane ``index`` ``[H, W]``, uint8 or uint16 (little-endian), as a view of the frame's memory; writable."""
    plane: Any = frame.planes[index]
    bytes_each = 1 if bits_of(frame.format.name) == 8 else 2
    codes: Plane = np.frombuffer(plane, f"<u{bytes_each}")
    return codes.reshape(-1, plane.line_size // bytes_each)[: plane.height, : plane.width]


def like(frame: VideoFrame, width: int, height: int) -> VideoFrame:
    """A new frame of the same format and time, its samples not set."""
    fresh = VideoFrame(width, height, frame.format.name)
    put_time(fresh, time_of(frame))
    return fresh


def time_of(frame: VideoFrame) -> tuple[int | None, Fraction | None, int]:
    """When a frame is shown and for how long: pts, time base, duration."""
    return frame.pts, frame.time_base, frame.duration


def put_time(frame: VideoFrame, time: tuple[int | None, Fraction | None, int]) -> None:
    """Stamp a frame with what ``time_of`` gave."""
    frame.pts, time_base, frame.duration = time
    if time_base is not None:
        frame.time_base = time_base
