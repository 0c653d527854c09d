"""The new file: written under a passing name beside its place, renamed when it is complete, removed when it isn't."""

from __future__ import annotations

import contextlib
import math
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from subpixel.errors import BadInputError
from subpixel.media.containers import Container
from subpixel.media.copying import Carrier, add_stream
from subpixel.media.encoder import Encoding
from subpixel.media.faults import ffmpeg_faults, writing_fault
from subpixel.media.fitting import FrameFitter
from subpixel.media.places import Place
from subpixel.media.probe import VideoInfo
from subpixel.media.span import Span
from subpixel.media.streams import Fate, content_tags, stream_tags

if TYPE_CHECKING:
    from av.container.core import Chapter

LARGEST_TIMESCALE = 10_000_000
# What iTunes-style MP4 metadata has a place for; other keys need QuickTime's free-form kind.
ITUNES_KEYS = frozenset({
    "title", "artist", "album_artist", "composer", "album", "date", "encoding_tool", "comment", "genre", "copyright",
    "grouping", "lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "episode_sort",
    "season_number", "media_type", "hd_video", "gapless_playback", "compilation", "track", "disc", "creation_time",
    "location", "make", "model", "language", "handler_name", "timecode",
})  # fmt: skip


class Writer:
    """Made before work starts: opening it writes the header, and so finds out what the container refuses."""

    def __init__(self, place: Place, container: Container, encoding: Encoding, info: VideoInfo) -> None:
        self._place, self._container, self._encoding = place, container, encoding
        self._info, self._fit = info, FrameFitter(encoding, info)
        self._output: OutputContainer | None = None
        self._carriers: dict[int, Carrier] = {}

    @property
    def frame_pixels(self) -> int:
        """Of a coded frame."""
        return self._encoding.size[0] * self._encoding.size[1]

    @property
    def path(self) -> Path | None:
        """Where the file can be read until it is complete."""
        return self._place.path

    def open(self, source: InputContainer, fates: tuple[Fate, ...], span: Span) -> None:
        """Add all streams and write the header. Raises ``OutputError`` or ``BadInputError``; leaves nothing behind."""
        file = self._place.begin()
        try:
            with ffmpeg_faults(BadInputError, f"{self._place.name}: the file can't be started with this"):
                self._output = self._opened(file, source)
                self._add_streams(source, fates)
                self._add_chapters(source, span)
                self._output.start_encoding()
        except BaseException:
            self.abort()
            raise

    def _opened(self, file: Any, source: InputContainer) -> OutputContainer:
        tags = content_tags(dict(source.metadata))
        output = av.open(
            file, "w", format=self._container.format, metadata_errors="surrogateescape",
            container_options=self._muxer_options(source, tags),
        )  # fmt: skip
        output.metadata.update(tags)
        return output

    def _muxer_options(self, source: InputContainer, tags: dict[str, str]) -> dict[str, str]:
        """MP4 rounds a stream's start to its movie clock: give it one in which all streams' times are whole."""
        if self._container.format not in ("mp4", "mov"):
            return {}
        own = self._info.time_base.denominator
        common = math.lcm(1000, own, *(s.time_base.denominator for s in source.streams.audio if s.time_base))
        scale = common if common <= LARGEST_TIMESCALE else own
        free_form = {} if {key.lower() for key in tags} <= ITUNES_KEYS else {"movflags": "use_metadata_tags"}
        return {"movie_timescale": str(scale), **free_form}

    def _add_streams(self, source: InputContainer, fates: tuple[Fate, ...]) -> None:
        assert self._output is not None
        for fate in fates:
            stream = source.streams[fate.stream.index]
            if fate.action == "enlarge":
                self._video = self._add_video(stream)
                continue
            carrier = add_stream(stream, fate, self._output, self._container)
            if carrier is not None:
                self._carriers[stream.index] = carrier

    def _add_video(self, source: Stream) -> VideoStream:
        assert self._output is not None
        stream = self._output.add_stream(self._encoding.name, rate=self._encoding.rate)
        assert isinstance(stream, VideoStream)
        self._encoding.set_up(stream.codec_context)
        stream.time_base = self._encoding.time_base
        stream.metadata.update(stream_tags(source, self._container))
        stream.disposition = source.disposition
        if self._info.matrix is not None:
            stream.set_display_matrix(self._info.matrix)
        return stream

    def _add_chapters(self, source: InputContainer, span: Span) -> None:
        assert self._output is not None
        chapters = source.chapters()
        if span.until is not None or span.start is not None:
            chapters = _cut_chapters(chapters, span)
        if chapters:
            self._output.set_chapters(chapters)

    def encode(self, frame: VideoFrame) -> None:
        """Bring a frame to the encoder's size and format, encode it and write what is ready."""
        self._mux(self._video.encode(self._fit(frame)))

    def put(self, packet: Packet[Any]) -> None:
        """Write a packet of the video that was encoded elsewhere by the same encoding."""
        packet.stream = self._video
        self._mux((packet,))

    @property
    def extradata(self) -> bytes:
        """The encoder's headers, as they stand in the file's head."""
        return self._video.codec_context.extradata or b""

    def copy(self, packet: Packet[Any]) -> None:
        """Write a packet of another stream, converted where its fate says so."""
        carrier = self._carriers.get(packet.stream_index)
        if carrier is not None:
            self._mux(carrier(packet))

    def finish(self) -> None:
        """Drain the encoder and write the end of the file. Raises ``OutputError``."""
        self._mux(self._video.encode(None))
        self.end()

    def end(self) -> None:
        """Write the end of the file. Raises ``OutputError``."""
        try:
            self._close()
            self._place.settle()
        except (OSError, FFmpegError) as fault:
            raise writing_fault(self._place.name, fault) from fault

    def publish(self) -> None:
        """The complete file takes its place. Raises ``OutputError``."""
        self._place.publish()

    def abort(self) -> None:
        """Leave nothing behind; does nothing after ``publish``."""
        self._place.remove()  # first, so that it is gone even if closing fails or hangs
        with contextlib.suppress(Exception):
            self._close()
        self._place.remove()

    def _mux(self, packets: Any) -> None:
        assert self._output is not None
        try:
            for packet in packets:
                self._output.mux(packet)
        except (OSError, FFmpegError) as fault:
            raise writing_fault(self._place.name, fault) from fault

    def _close(self) -> None:
        if self._output is not None:
            output, self._output = self._output, None
            output.close()


def _cut_chapters(chapters: list[Chapter], span: Span) -> list[Chapter]:
    """Those that are shown within the span, none reaching out of it, by its times."""
    found = []
    for chapter in chapters:
        time_base = chapter["time_base"] or Fraction(1, 1000)
        first, last = chapter["start"], chapter["end"]
        if span.start is not None:
            first = max(first, int(span.start / time_base))
        if span.until is not None:
            last = min(last, int(span.until / time_base))
        if first < last:
            found.append({**chapter, "start": first - span.ticks(time_base), "end": last - span.ticks(time_base)})
    return cast("list[Chapter]", found)
