"""What the caller may ask for when a file is enlarged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from subpixel.catalogue import DEFAULT_MODEL
from subpixel.engines.base import Precision
from subpixel.errors import BadInputError
from subpixel.media.size import SizeWish
from subpixel.reuse import DEFAULT_LEVELS, check_tolerance

Deinterlace = Literal["auto", "on", "off"]
MOST_FPS = 1000
SEGMENT_SECONDS = Fraction(10)
# What has no meaning for a picture.
VIDEO_OPTIONS = (
    "start_seconds", "duration_seconds", "input_format", "output_format", "decoder", "encoder", "fps", "resume",
)  # fmt: skip
UNITS = {
    "ms": Fraction(1, 1000), "s": Fraction(1), "": Fraction(1), "m": Fraction(60), "min": Fraction(60),
    "h": Fraction(3600),
}  # fmt: skip


@dataclass(frozen=True)
class UpscaleOptions:
    """How to enlarge one file; the defaults are the command line's.

    ``model``: a shipped name or a bundle's path, ``None`` for the shipped one whose factor fits; ``scale``: the factor
    the model must have; ``size``: another result size, reached by an exact resize after the model; ``compare``: bicubic
    at the left, the model at the right. ``threads``: of the model and of the codecs, 0 leaves it to them.

    Of videos only: ``start_seconds`` and ``duration_seconds`` (only that part, exact to the frame; its times begin at
    zero unless it is the beginning), ``input_format`` and ``input_options`` (of FFmpeg, for cameras and streams),
    ``output_format`` (of the output ``-``), ``decoder``, ``encoder`` and ``encoder_options`` (FFmpeg's names),
    ``deinterlace``, ``drop_unsupported`` (leave out streams that the new container can't hold, instead of refusing),
    ``fps`` (frames come at that pace, and each is made larger by its deadline: by the model, by one of ``rungs``, by
    bicubic), ``resume`` (work in segments of ``segment_seconds``, kept beside the result until it is complete, so that
    a killed job can be taken up again), ``reuse`` (parts of a frame that did not change keep their result; not with
    ``fps`` and ``resume``) and ``reuse_tolerance`` (levels of 255 that don't count as a change).
    """

    model: str | None = None
    scale: int | None = None
    size: SizeWish | None = None
    compare: bool = False
    overwrite: bool = False
    engine: str | None = None
    device: str = "cpu"
    fallback: Literal["cpu"] | None = None
    precision: Precision = "auto"
    threads: int = 0
    tune: bool = True
    start_seconds: Fraction | None = None
    duration_seconds: Fraction | None = None
    input_format: str | None = None
    input_options: tuple[tuple[str, str], ...] = ()
    output_format: str | None = None
    decoder: str | None = None
    encoder: str | None = None
    encoder_options: tuple[tuple[str, str], ...] = ()
    deinterlace: Deinterlace = "auto"
    drop_unsupported: bool = False
    fps: float | None = None
    rungs: tuple[str, ...] = ()
    resume: bool = False
    segment_seconds: Fraction = SEGMENT_SECONDS
    reuse: bool = True
    reuse_tolerance: float = DEFAULT_LEVELS

    def __post_init__(self) -> None:
        if self.fps is not None and not 0 < self.fps <= MOST_FPS:
            raise BadInputError(f"--fps: found {self.fps}, needed more than 0 and at most {MOST_FPS}")
        check_tolerance(self.reuse_tolerance)
        if self.rungs and self.fps is None:
            raise BadInputError("--rung names a model for frames that would be late, which only --fps has; add it")
        if self.resume and self.fps is not None:
            raise BadInputError("--resume gives the same frames in every run, which --fps can't; choose one")
        if self.fps is not None and self.compare:
            raise BadInputError("--compare shows bicubic beside the model, and with --fps they take turns; choose one")

    @property
    def named_model(self) -> str:
        """The model asked for, else the default one."""
        return self.model or DEFAULT_MODEL


def parse_duration(text: str, option: str = "--duration") -> Fraction:
    """Seconds from ``3s``, ``500ms``, ``2.5``, ``1m`` or ``00:01:30``. Raises ``BadInputError`` naming ``option``."""
    found = parse_time(text, option)
    if not found:
        raise BadInputError(f"{option}: found {text!r}, needed a duration above zero as 3s, 500ms or 00:01:30")
    return found


def parse_time(text: str, option: str = "--start") -> Fraction:
    """The same for a point in time, which may be zero."""
    plain = text.strip().lower()
    clock = re.fullmatch(r"(?:(\d+):)?(\d+):([0-5]?\d(?:\.\d+)?)", plain)
    if clock:
        hours, minutes, seconds = (Fraction(part or 0) for part in clock.groups())
        return 3600 * hours + 60 * minutes + seconds
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|min|m|h|)", plain)
    if not match:
        raise BadInputError(f"{option}: found {text!r}, needed a time as 3s, 500ms, 1m or 00:01:30")
    return Fraction(match.group(1)) * UNITS[match.group(2)]


def parse_option(text: str, option: str = "--encoder-option") -> tuple[str, str]:
    """``key=value``. Raises ``BadInputError``."""
    key, sign, value = text.partition("=")
    if not sign or not key.strip():
        raise BadInputError(f"{option}: found {text!r}, needed key=value as crf=20")
    return key.strip(), value.strip()
