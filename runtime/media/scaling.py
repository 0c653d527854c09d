"""Bicubic resizing and format changes of whole frames by libswscale, exact about where chroma samples sit.

libswscale takes chroma that is not tagged as sitting in the centre; video puts it at the left. So nothing is left to
it: siting, matrix and range are said on both sides of a ``scale`` filter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from av.filter import Graph
from av.video.frame import VideoFrame

from subpixel.media.colour import FULL, MATRIX_RGB, MATRIX_UNKNOWN
from subpixel.media.pixels import GREY, is_rgb, put_time, subsampling, time_of

Method = Literal["bicubic", "lanczos"]
# Keys' bicubic with a = -0.5, the field's; accurate_rnd: else libswscale's fast paths are a level off.
METHODS: dict[Method, str] = {
    "bicubic": "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp:param0=0:param1=0.5",
    "lanczos": "flags=lanczos+accurate_rnd+full_chroma_int+full_chroma_inp",
}
RANGE_NAMES = {1: "limited", FULL: "full"}
BT601_LIKE = {MATRIX_UNKNOWN: 5, 3: 5, 6: 5, 8: 5}  # what libswscale does not know is read as it would read it


@dataclass(frozen=True)
class Shape:
    """A frame's size, format and colour coding, and its chroma siting (``left``, ``center``, ``topleft`` ...).

    ``chroma_at``: for a format with all chroma samples, where they are taken to sit: across and down, in 1/256 of a
    sample from the luma's.
    """

    width: int
    height: int
    format: str
    range: int = 1
    matrix: int = MATRIX_UNKNOWN
    siting: str = "left"
    chroma_at: tuple[int, int] | None = None

    def sized(self, width: int, height: int) -> Shape:
        """The same in another size."""
        return replace(self, width=width, height=height)


class Scaler:
    """Turns frames of one shape into frames of another; timestamps and side data pass, colour tags are the target's."""

    def __init__(self, given: Shape, wanted: Shape, method: Method = "bicubic", threads: int = 1) -> None:
        self.given, self.wanted = given, wanted
        self._graph = Graph()
        self._graph.threads = threads
        source = self._graph.add("buffer", _source(given))
        scale = self._graph.add("scale", f"{wanted.width}:{wanted.height}:{METHODS[method]}{_colour(given, wanted)}")
        final = self._graph.add("format", f"pix_fmts={wanted.format}")
        self._graph.link_nodes(source, scale, final, self._graph.add("buffersink")).configure()

    def __call__(self, frame: VideoFrame) -> VideoFrame:
        """The scaled frame, its memory its own."""
        frame.colorspace, frame.color_range = _matrix(self.given), self.given.range
        time = time_of(frame)
        self._graph.vpush(frame)
        result = self._graph.vpull()
        put_time(result, time)
        return result


def _source(shape: Shape) -> str:
    return (
        f"video_size={shape.width}x{shape.height}:pix_fmt={shape.format}:time_base={_time(Fraction(1, 90000))}"
        f":colorspace={_matrix(shape)}:range={shape.range}"
    )


def _time(value: Fraction) -> str:
    return f"{value.numerator}/{value.denominator}"


def _matrix(shape: Shape) -> int:
    if is_rgb(shape.format):
        return MATRIX_RGB
    return BT601_LIKE.get(shape.matrix, shape.matrix)


def _colour(given: Shape, wanted: Shape) -> str:
    """Where both sides are coded alike nothing is said, so that no sample is converted on the way."""
    text = _siting("in", given) + _siting("out", wanted)
    if given.range != wanted.range or is_rgb(given.format) != is_rgb(wanted.format):
        text += f":in_range={RANGE_NAMES[given.range]}:out_range={RANGE_NAMES[wanted.range]}"
        text += f":in_color_matrix={_matrix(given)}" if not is_rgb(given.format) else ""
        text += f":out_color_matrix={_matrix(wanted)}" if not is_rgb(wanted.format) else ""
    return text


def _siting(side: str, shape: Shape) -> str:
    if shape.chroma_at is not None:
        return f":{side}_h_chr_pos={shape.chroma_at[0]}:{side}_v_chr_pos={shape.chroma_at[1]}"
    if shape.format in GREY or subsampling(shape.format) == (1, 1):
        return ""
    return f":{side}_chroma_loc={shape.siting}"
