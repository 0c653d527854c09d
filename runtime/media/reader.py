"""A video file read once from start to end: frames with sound times, the other streams' packets, and what was lost."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

from av.container import InputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from subpixel.media.decoders import decoder_for
from subpixel.media.probe import MediaInfo, VideoInfo, is_picture
from subpixel.media.sources import Feed
from subpixel.media.span import WHOLE, Span

Item: TypeAlias = "VideoFrame | Packet[Any]"
SLACK_SECONDS = 1  # how far other streams may lag behind the video in the file
# A file that ends earlier than its header says by more than this was cut; some formats' headers only estimate.
END_SECONDS = {"matroska,webm": Fraction(1, 10)}
ESTIMATED_END_SECONDS = Fraction(1, 2)


class SeekMissed(Exception):
    """Reading from ``Span.seek`` on would not go by the first frame that is wanted."""


@dataclass
class Losses:
    """What was read, and what went wrong with it."""

    broken_packets: int = 0
    failed_decodes: int = 0
    broken_frames: int = 0
    mended_times: int = 0
    packets: int = 0
    frames: int = 0
    end: Fraction = Fraction(0)
    fault: str = ""

    def lines(self, source: MediaInfo, span: Span = WHOLE) -> tuple[str, ...]:
        """In words; ``span``: what was wanted of the file."""
        found, info, seconds = [], source.video, source.seconds
        allowed = max(END_SECONDS.get(source.format, ESTIMATED_END_SECONDS), 2 / info.rate)
        to_end, is_whole = span.until is None, span.until is None and span.start is None
        if self.fault:
            found.append(f"reading stopped: {self.fault}")
        if self.broken_packets or self.failed_decodes:
            found.append(f"{self.broken_packets + self.failed_decodes} damaged packets in the video")
        if self.broken_frames:
            found.append(f"{self.broken_frames} frames with damaged parts")
        if is_whole and info.frame_count > self.packets:
            found.append(f"{info.frame_count - self.packets} of {info.frame_count} frames are missing from the file")
        elif to_end and seconds and (not info.frame_count or not is_whole) and seconds - self.end > allowed:
            found.append(f"the file ends at {float(self.end):.2f} s of {seconds:.2f} s")
        return tuple(found)


@dataclass
class Reader:
    """``container`` is open and at its start; ``span``: the part that is wanted; ``feed``: it is this one's.

    ``vectors``: frames shall have their motion vectors, where that costs nothing.
    """

    container: InputContainer
    info: VideoInfo
    wanted: frozenset[int]
    span: Span = WHOLE
    threads: int = 0
    feed: Feed | None = None
    vectors: bool = False
    losses: Losses = field(default_factory=Losses)
    next_ticks: int | None = field(default=None, init=False)  # of a segment: the time of the first frame after it
    earlier: int = field(default=0, init=False)  # frames given that come before the part

    def __post_init__(self) -> None:
        stream = self.container.streams[self.info.index]
        assert isinstance(stream, VideoStream)
        self._stream = stream
        self._decoder = decoder_for(stream, self.info.decoder, self.threads, self.vectors)
        self._last_pts: int | None = None
        self._earlier: deque[VideoFrame] = deque(maxlen=self.span.before)
        self._later, self._is_first = 0, True
        self._video_done = False

    def items(self) -> Iterator[Item]:
        """Frames in order of showing, packets in the file's order; between them as the file has them."""
        self._go_to_start()
        for packet in self._packets():
            index = packet.stream.index  # an empty packet at the end has no number of its own
            if index == self._stream.index:
                yield from self._frames(packet)
            elif index in self.wanted and packet.size and self._is_inside(packet):
                yield self._shifted(packet)
            if self._is_past(packet):
                return
        if self._is_first and self.span.seek is not None:
            raise SeekMissed  # there was no key frame any more

    def other_packets(self) -> Iterator[Packet[Any]]:
        """The other streams' packets alone; the video's are counted and not decoded."""
        self._go_to_start()
        self._video_done = True
        for packet in self._packets():
            start = _start(packet)
            if packet.stream.index == self._stream.index:
                self._count(packet)
            elif packet.stream.index in self.wanted and packet.size and self._is_inside(packet):
                yield self._shifted(packet)
            if start is not None and self.span.until is not None and start > self.span.until + SLACK_SECONDS:
                return

    def _count(self, packet: Packet[Any]) -> None:
        start = _start(packet)
        self.losses.packets += packet.size > 0
        self.losses.broken_packets += packet.is_corrupt
        if start is not None and packet.pts is not None:
            end = (packet.pts + (packet.duration or 0)) * packet.time_base
            self.losses.end = max(self.losses.end, end)

    def _go_to_start(self) -> None:
        if self.span.seek is None:
            return
        try:
            self.container.seek(int(self.span.seek / self.info.time_base), stream=self._stream)
        except FFmpegError as fault:
            raise SeekMissed from fault

    def _packets(self) -> Iterator[Packet[Any]]:
        """Until the end or the first fault, then one empty packet that drains the decoder."""
        used = [s for s in self.container.streams if s.index in self.wanted or s.index == self._stream.index]
        try:
            yield from self.container.demux(used) if self.feed is None else self.feed.packets(used)
            if self.feed is None or not self.feed.stop.is_set():
                return
        except FFmpegError as fault:
            self.losses.fault = fault.strerror or str(fault)
        drain: Packet[Any] = Packet()
        drain.stream = self._stream
        yield drain

    def _frames(self, packet: Packet[Any]) -> Iterator[VideoFrame]:
        is_drain = not packet.size and packet.dts is None and packet.pts is None
        self.losses.packets += not is_drain
        self.losses.broken_packets += packet.is_corrupt
        if self._video_done or not (packet.size or is_drain):
            return
        try:
            frames = self._decoder.decode(None if is_drain else packet)
        except FFmpegError:
            self.losses.failed_decodes += 1
            return
        for frame in frames:
            self._stamp(frame)
            self._video_done = self._video_done or self._is_late(frame)
            if self._video_done:
                return
            yield from self._chosen(frame)

    def _is_late(self, frame: VideoFrame) -> bool:
        """Whether the part that is wanted ended before this frame."""
        span, seconds = self.span, self._seconds(frame)
        if span.frames is not None and self.losses.frames == span.frames:
            self.next_ticks = frame.pts if self.next_ticks is None else self.next_ticks
            self._later += 1
        return self._later > span.after or (span.until is not None and seconds >= span.until)

    def _chosen(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """The frame, unless it comes before the part that is wanted; of those, the last ``before`` are kept."""
        self._check_place(frame)
        if self.span.start is not None and self._seconds(frame) < self.span.start:
            self._earlier.append(frame)
            return
        while self._earlier:
            self.earlier += 1
            yield self._moved(self._earlier.popleft())
        if not self._later:
            self.losses.frames += 1
            self.losses.broken_frames += frame.is_corrupt
        yield self._moved(frame)

    def _check_place(self, frame: VideoFrame) -> None:
        """Raises ``SeekMissed`` when the first frame is not well before the part, or was made without those before."""
        start, seek, is_first = self.span.start, self.span.seek, self._is_first
        self._is_first = False
        if not is_first or start is None or seek is None:
            return
        if frame.is_corrupt or 2 * self._seconds(frame) > start + seek:
            raise SeekMissed

    def _moved(self, frame: VideoFrame) -> VideoFrame:
        frame.pts = (frame.pts or 0) - self.span.ticks(self.info.time_base)
        return frame

    def _stamp(self, frame: VideoFrame) -> None:
        """Times that are missing or don't grow are mended, and counted."""
        step = frame.duration or round(1 / self.info.rate / self.info.time_base) or 1
        found = frame.pts if frame.pts is not None else frame.dts
        if found is None or (self._last_pts is not None and found <= self._last_pts):
            self.losses.mended_times += 1
            found = 0 if self._last_pts is None else self._last_pts + step
        frame.pts = self._last_pts = found
        frame.time_base = self.info.time_base
        self.losses.end = max(self.losses.end, (found + frame.duration) * self.info.time_base)

    def _seconds(self, frame: VideoFrame) -> Fraction:
        return (frame.pts or 0) * self.info.time_base

    def _is_inside(self, packet: Packet[Any]) -> bool:
        start, span = _start(packet), self.span
        if start is None or is_picture(packet.stream):
            return True
        length = (packet.duration or 0) * packet.time_base
        self.losses.end = max(self.losses.end, start + length)
        if span.start is not None and start < span.start:
            return packet.stream.type == "subtitle" and start + length > span.start and _begun_late(packet, span.start)
        if span.until is None:
            return True
        if start >= span.until:
            return False
        if packet.stream.type == "subtitle" and packet.duration:
            packet.duration = min(packet.duration, int((span.until - start) / packet.time_base))
        return True

    def _shifted(self, packet: Packet[Any]) -> Packet[Any]:
        ticks = self.span.ticks(packet.time_base)
        if ticks and not is_picture(packet.stream):
            packet.pts = None if packet.pts is None else packet.pts - ticks
            packet.dts = None if packet.dts is None else packet.dts - ticks
        return packet

    def _is_past(self, packet: Packet[Any]) -> bool:
        if not self._video_done:
            return False
        start, until = _start(packet), self.span.until
        return not self.wanted or (start is not None and until is not None and start > until + SLACK_SECONDS)


def _begun_late(packet: Packet[Any], start: Fraction) -> bool:
    """A subtitle that is still shown at the start is shown from there on."""
    ticks = -int(-start // packet.time_base) - (packet.pts or 0)
    packet.pts = packet.dts = (packet.pts or 0) + ticks
    packet.duration = max((packet.duration or 0) - ticks, 1)
    return True


def _start(packet: Packet[Any]) -> Fraction | None:
    ticks = packet.dts if packet.dts is not None else packet.pts
    return None if ticks is None else ticks * packet.time_base
