"""A decoder by its name in FFmpeg, in place of the one that FFmpeg would take."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Iterator
from typing import Any, Literal, Protocol

import av.codec
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.codec.context import CodecContext, Flags2
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from subpixel.errors import BadInputError
from subpixel.media.faults import ffmpeg_faults


class Decoder(Protocol):
    """Packets to frames, in order of showing; ``None`` drains it. Raises ``FFmpegError``."""

    def decode(self, packet: Packet[VideoStream] | None = None) -> list[VideoFrame]: ...


def decoder_for(stream: VideoStream, name: str | None, threads: int = 0, vectors: bool = False) -> Decoder:
    """The stream's own, or the one called ``name``. Raises ``BadInputError`` where there is none that can be used.

    ``vectors``: its frames shall have their motion vectors, where it can give them and isn't open yet.
    """
    if name is None:
        if not stream.codec_context.is_open:  # a feed's is, since its first frame was looked at
            stream.thread_type, stream.thread_count = "AUTO", threads
            _export(stream.codec_context, vectors)
        return stream
    _refuse_unfit(name, stream)
    context: Any = CodecContext.create(name, "r")
    assert isinstance(context, VideoCodecContext)
    context.extradata = stream.codec_context.extradata
    context.thread_type, context.thread_count = "AUTO", threads
    _export(context, vectors)
    with ffmpeg_faults(BadInputError, f"--decoder {name}: FFmpeg knows it, but it can't be opened here"):
        context.open()
    return context


def _export(context: VideoCodecContext, vectors: bool) -> None:
    if vectors:
        context.flags2 |= Flags2.export_mvs


def _refuse_unfit(name: str, stream: VideoStream) -> None:
    wanted = stream.codec_context.codec
    try:
        found = Codec(name, "r")
    except UnknownCodecError:
        near = difflib.get_close_matches(name, decoders_of(wanted), n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise BadInputError(f"--decoder {name}: this FFmpeg has no such decoder{hint}; {_offered(wanted)}") from None
    if found.id != wanted.id:
        raise BadInputError(f"--decoder {name}: the video is {wanted.canonical_name}; {_offered(wanted)}")


def _offered(wanted: Codec) -> str:
    return f"for {wanted.canonical_name} there are: {', '.join(decoders_of(wanted))}"


def decoders_of(wanted: Codec) -> list[str]:
    """The names of all decoders that this FFmpeg has for a codec; hardware ones may still not open."""
    return [name for name, codec in codecs("r") if codec.id == wanted.id]


def codecs(mode: Literal["r", "w"]) -> Iterator[tuple[str, Codec]]:
    """All of this FFmpeg's decoders (``r``) or encoders (``w``) with their names, sorted."""
    for name in sorted(av.codec.codecs_available):
        with contextlib.suppress(UnknownCodecError):
            yield name, Codec(name, mode)
