"""Packets of the other streams on their way into the new file."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any, Protocol

import av
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Disposition, Stream
from av.subtitles.stream import SubtitleStream

from subpixel.media.containers import Container, picture_type
from subpixel.media.probe import is_picture
from subpixel.media.streams import Fate, stream_tags


class Carrier(Protocol):
    """Takes an input packet, gives what is to be muxed."""

    def __call__(self, packet: Packet[Any]) -> Iterator[Packet[Any]]: ...


def add_stream(source: Stream, fate: Fate, output: OutputContainer, container: Container) -> Carrier | None:
    """Make room for one stream in the new file; gives the way of its packets, ``None`` where there are none."""
    if fate.action == "copy":
        return PacketCopy(source, output, container)
    if fate.action == "convert":
        assert isinstance(source, SubtitleStream)
        return TextConversion(source, fate.becomes, output, container)
    if fate.action == "attach":
        _attach(source, output)
    return None


class PacketCopy:
    """Packets unchanged, in another container."""

    def __init__(self, source: Stream, output: OutputContainer, container: Container) -> None:
        self._stream = output.add_stream_from_template(source, opaque=True)
        self._is_picture = is_picture(source)
        _dress(self._stream, source, container)

    def __call__(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        if self._is_picture:
            packet.pts = packet.dts = 0
        packet.stream = self._stream
        yield packet


class TextConversion:
    """Text subtitles decoded and coded anew as the container wants them; their times stay."""

    def __init__(self, source: SubtitleStream, codec: str, output: OutputContainer, container: Container) -> None:
        self._source = source
        stream = output.add_stream(codec)
        assert isinstance(stream, SubtitleStream)
        self._stream = stream
        source.codec_context.open(strict=False)
        self._stream.codec_context.subtitle_header = source.codec_context.subtitle_header
        self._stream.time_base = source.time_base or Fraction(1, 1000)
        _dress(self._stream, source, container)

    def __call__(self, packet: Packet[Any]) -> Iterator[Packet[Any]]:
        try:
            subtitle = self._source.codec_context.decode2(packet)
            coded = self._stream.codec_context.encode_subtitle(subtitle) if subtitle else None
        except FFmpegError:  # a line that makes no sense is no reason to lose the film
            return
        if coded is None or not coded.size:
            return
        coded.pts = coded.dts = packet.pts
        coded.duration, coded.time_base, coded.stream = packet.duration, packet.time_base, self._stream
        yield coded


def _dress(stream: Stream, source: Stream, container: Container) -> None:
    stream.metadata.update(stream_tags(source, container))
    stream.disposition = Disposition(source.disposition)


def _attach(source: Stream, output: OutputContainer) -> None:
    if is_picture(source):
        name, kind = picture_type(source.codec_context.name)
        data = _picture_bytes(source)
    else:
        name, kind = source.metadata.get("filename", "attachment"), source.metadata.get("mimetype", "")
        data = bytes(getattr(source, "data", b""))
    output.add_attachment(source.metadata.get("filename", name), source.metadata.get("mimetype", kind), data)


def _picture_bytes(source: Stream) -> bytes:
    """A cover's one packet, from a reading of its own: the other packets must still come."""
    with av.open(source.container.name, metadata_errors="surrogateescape") as container:
        again = container.streams[source.index]
        return next((bytes(packet) for packet in container.demux(again) if packet.size), b"")
