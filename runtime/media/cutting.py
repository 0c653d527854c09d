"""Finding the first frame of a part, and a place before it where reading can begin."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction

from av.video.frame import VideoFrame

from subpixel.errors import BadInputError
from subpixel.media.options import UpscaleOptions
from subpixel.media.probe import MediaInfo, VideoInfo, open_input
from subpixel.media.reader import SLACK_SECONDS, Reader, SeekMissed
from subpixel.media.sources import Feed, Source
from subpixel.media.span import Span

# How far before the start reading begins, until a key frame is found there; then from the file's beginning. The other
# streams' packets may stand up to the first of these before the video's.
BACK_SECONDS = (SLACK_SECONDS, 10, 60)


def make_span(source: MediaInfo, options: UpscaleOptions) -> Span:
    """The part that is asked for. Raises ``BadInputError`` when there is no frame in it."""
    first, length = source.video.first_seconds, options.duration_seconds
    if isinstance(source.path, Feed):
        return Span(first, None if length is None else first + length, shift=first)
    if not options.start_seconds:
        return Span(until=None if length is None else first + length)
    asked = first + options.start_seconds
    found, seek = find_frame(source.path, source.video, asked)
    if found is None:
        ends = f"; it lasts {source.seconds:.2f} s" if source.seconds else ""
        raise BadInputError(
            f"--start {float(options.start_seconds):g} s: {source.path} has no frame from there on{ends}"
        )
    if length is not None and found >= asked + length:
        raise BadInputError(
            f"--duration {float(length):g} s: no frame of {source.path} begins in that time; ask for more"
        )
    return Span(found, None if length is None else asked + length, seek, shift=found)


def find_frame(path: Source, info: VideoInfo, asked: Fraction) -> tuple[Fraction | None, Fraction | None]:
    """When the first frame at or after ``asked`` seconds is shown, and where to seek for it (``None``: no seeking)."""
    *seeks, beginning = places_before(info, asked, Fraction(SLACK_SECONDS))
    for seek in seeks:
        with suppress(SeekMissed):
            return _found(path, info, Span(asked, seek=seek)), seek
    return _found(path, info, Span(asked, seek=beginning)), beginning  # from the beginning nothing is missed


def places_before(info: VideoInfo, wanted: Fraction, least: Fraction) -> Iterator[Fraction | None]:
    """Where to seek, each farther back, for what begins at ``wanted`` and ``least`` seconds before; then no seeking."""
    for back in (0, *BACK_SECONDS):
        if back >= least and wanted - back > info.first_seconds:
            yield wanted - back
    yield None


def _found(path: Source, info: VideoInfo, span: Span) -> Fraction | None:
    """The time of the first frame of the span. Raises ``SeekMissed``."""
    with open_input(path) as container:
        reader = Reader(container, info, frozenset(), span)
        frame = next((item for item in reader.items() if isinstance(item, VideoFrame)), None)
        if span.seek is not None and reader.losses.mended_times:
            raise SeekMissed
        return None if frame is None else (frame.pts or 0) * info.time_base
