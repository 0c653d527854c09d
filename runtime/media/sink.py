"""Where the pipeline's last stage puts what it is given."""

from __future__ import annotations

from typing import Any, Protocol

from av.packet import Packet
from av.video.frame import VideoFrame


class Sink(Protocol):
    """A file that is written, or a segment of one."""

    @property
    def frame_pixels(self) -> int:
        """Of a coded frame."""

    def encode(self, frame: VideoFrame) -> None:
        """Take a finished frame."""

    def copy(self, packet: Packet[Any]) -> None:
        """Take a packet of another stream."""

    def finish(self) -> None:
        """Nothing more will come."""
