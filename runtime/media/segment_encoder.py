"""One segment's frames through an encoder of its own."""

from __future__ import annotations

from typing import Any

from av.codec.context import CodecContext, Flags
from av.error import FFmpegError
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from subpixel.errors import OutputError
from subpixel.media.encoder import Encoding
from subpixel.media.fitting import FrameFitter
from subpixel.media.packet_log import PacketLog
from subpixel.media.probe import VideoInfo


class SegmentEncoder:
    """Takes frames from the one with pts ``first`` on, ``frames`` at most; the others only helped to make these."""

    def __init__(self, log: PacketLog, encoding: Encoding, info: VideoInfo, first: int, frames: int) -> None:
        context = CodecContext.create(encoding.name, "w")
        assert isinstance(context, VideoCodecContext)
        encoding.set_up(context)
        context.flags |= Flags.global_header  # every container that is written to wants it
        context.open()
        self._context, self._log, self._fit = context, log, FrameFitter(encoding, info)
        self._encoding, self._first, self._most = encoding, first, frames
        self.begins_at: int | None = None
        self.count = 0

    @property
    def frame_pixels(self) -> int:
        """Of a coded frame."""
        return self._encoding.size[0] * self._encoding.size[1]

    @property
    def extradata(self) -> bytes:
        """The encoder's headers."""
        return self._context.extradata or b""

    def encode(self, frame: VideoFrame) -> None:
        """Encode a frame of the segment. Raises ``OutputError`` when there is no room for it."""
        if self.count == self._most or (frame.pts or 0) < self._first:
            return
        self.begins_at = frame.pts if self.begins_at is None else self.begins_at
        self.count += 1
        self._write(self._context.encode(self._fit(frame)))

    def copy(self, packet: Packet[Any]) -> None:
        """Other streams are copied when the video is put together."""

    def finish(self) -> None:
        """Drain the encoder. Raises ``OutputError``."""
        self._write(self._context.encode(None))

    def _write(self, packets: list[Packet[Any]]) -> None:
        try:
            for packet in packets:
                self._log.put(packet)
        except (OSError, FFmpegError) as fault:
            raise OutputError(
                f"a segment can't be written: {fault.strerror or fault}; the same command goes on from here"
            ) from fault
