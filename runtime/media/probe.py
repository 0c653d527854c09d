"""What a media file holds: its streams, and all that must be known of the video before work starts."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import av
import av.container
from av.error import FFmpegError
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from subpixel.errors import BadInputError, NotFoundError
from subpixel.media.colour import ColourTags, colour_tags
from subpixel.media.decoders import Decoder, decoder_for
from subpixel.media.faults import ffmpeg_faults
from subpixel.media.pixels import working_format
from subpixel.media.siting import Siting, siting_of
from subpixel.media.sources import Feed, Source, first_of

# Demuxers that take any text or picture for a video.
NO_VIDEO_FORMATS = ("tty", "bin", "xbin", "adf", "idf", "lrc", "srt", "ass", "webvtt", "image2", "ico", "fits", "txd")
HDR_DATA = {
    "MASTERING_DISPLAY_METADATA": "mastering display", "CONTENT_LIGHT_LEVEL": "content light level",
    "DYNAMIC_HDR_PLUS": "HDR10+", "DOVI_RPU_BUFFER": "Dolby Vision", "DOVI_METADATA": "Dolby Vision",
    "DYNAMIC_HDR_VIVID": "HDR Vivid", "AMBIENT_VIEWING_ENVIRONMENT": "ambient viewing environment",
}  # fmt: skip


@dataclass(frozen=True)
class StreamInfo:
    """``kind``: ``video``, ``audio``, ``subtitle``, ``attachment``, ``data``; ``is_picture``: a cover, not a film."""

    index: int
    kind: str
    codec: str
    language: str = ""
    title: str = ""
    is_picture: bool = False

    def __str__(self) -> str:
        label = ", ".join(filter(None, [self.codec, self.language, f'"{self.title}"' if self.title else ""]))
        return f"#{self.index} {'picture' if self.is_picture else self.kind} ({label})"


@dataclass(frozen=True)
class VideoInfo:
    """The stream that is made larger. ``size``: width, height as stored; ``aspect``: of a sample, ``None`` if not said.

    ``first_seconds``: when the first frame is shown, by the file's own clock; ``has_times``: whether that is written
    there, and not made up; ``matrix``: the display matrix, nine integers as FFmpeg has them; ``rotation``: its degrees,
    counter-clockwise; ``is_interlaced``: the first frame says so; ``frame_count``: as the header has it, 0 where it has
    none; ``hdr``: side data that describes HDR; ``decoder``: the one asked for.
    """

    index: int
    codec: str
    size: tuple[int, int]
    pixel_format: str
    working_format: str
    time_base: Fraction
    rate: Fraction
    aspect: Fraction | None
    matrix: tuple[int, ...] | None
    rotation: int
    tags: ColourTags
    siting: Siting
    is_interlaced: bool
    hdr: tuple[str, ...]
    frame_count: int
    seconds: float | None
    first_seconds: Fraction = Fraction(0)
    has_times: bool = True
    decoder: str | None = None

    @property
    def expected_frames(self) -> int | None:
        """The header's count, else an estimate from length and rate."""
        return self.frame_count or (round(self.seconds * self.rate) if self.seconds else None)


@dataclass(frozen=True)
class MediaInfo:
    """A media file. ``seconds``: its length as the header has it."""

    path: Source
    format: str
    seconds: float | None
    streams: tuple[StreamInfo, ...]
    video: VideoInfo


def probe(path: Source, decoder: str | None = None) -> MediaInfo:
    """Read the header and decode one frame. ``decoder``: one of FFmpeg's, in place of the usual one.

    Raises ``NotFoundError``, or ``BadInputError`` for what isn't a media file or has no video frame, and for a decoder
    that can't be used.
    """
    info = _probed(path)
    return info if decoder is None else replace(info, video=_decoded_by(decoder, path, info.video))


def _decoded_by(name: str, path: Source, video: VideoInfo) -> VideoInfo:
    """What only the decoder itself tells: the format of its frames."""
    if isinstance(path, Feed):
        raise BadInputError(f"--decoder is for files, and {path} can't be read twice to try it out; leave it out")
    with open_input(path) as container:
        stream = container.streams[video.index]
        assert isinstance(stream, VideoStream)
        frame = first_frame(container, stream, decoder_for(stream, name))
    if frame is None:
        raise BadInputError(f"--decoder {name}: it gives not one frame of {path}; leave --decoder out")
    form = frame.format.name
    return replace(video, decoder=name, pixel_format=form, working_format=working_format(form))


def _probed(path: Source) -> MediaInfo:
    with open_input(path) as container:
        streams = tuple(_stream_info(stream) for stream in container.streams)
        stream = _main_video(container, path)
        frame = first_of(path, stream) if isinstance(path, Feed) else first_frame(container, stream)
        if frame is None:
            raise BadInputError(f"{path} has a video stream, but not one frame of it could be decoded")
        seconds = container.duration / av.time_base if container.duration else None
        return MediaInfo(path, container.format.name, seconds, streams, _video_info(stream, frame, seconds))


@contextmanager
def open_input(path: Source) -> Iterator[av.container.InputContainer]:
    """Open a local media file; a feed is open already, and stays so. Raises ``NotFoundError`` or ``BadInputError``."""
    if isinstance(path, Feed):
        yield path.container
        return
    if not path.exists():
        raise NotFoundError(f"{path}: no such file")
    if path.is_dir():
        raise BadInputError(f"{path} is a folder; needed a video or image file")
    if path.is_file() and not path.stat().st_size:
        raise BadInputError(f"{path} is empty; needed a video or image file")
    with ffmpeg_faults(BadInputError, f"{path} is not a media file that FFmpeg can read, or its head is damaged"):
        container = av.open(f"file:{path}", mode="r", metadata_errors="surrogateescape")
    with container:
        if container.format.name in NO_VIDEO_FORMATS or container.format.name.endswith("_pipe"):
            raise BadInputError(f"{path} is not a video (FFmpeg takes it for {container.format.long_name})")
        yield container


def _main_video(container: av.container.InputContainer, path: Source) -> VideoStream:
    found = [stream for stream in container.streams.video if not is_picture(stream)]
    if not found:
        have = ", ".join(str(_stream_info(stream)) for stream in container.streams) or "nothing"
        raise BadInputError(f"{path} has no video stream; it has: {have}")
    best = max(found, key=lambda stream: (bool(stream.disposition & Disposition.default), stream.width * stream.height))
    if best.codec_context is None:
        raise BadInputError(f"{path}: FFmpeg has no decoder for its video")
    return best


def first_frame(
    container: av.container.InputContainer, stream: VideoStream, decoder: Decoder | None = None
) -> VideoFrame | None:
    """The first frame that can be decoded."""
    decode = (decoder or stream).decode
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
            frames = decode(packet if packet.size else None)
        except StopIteration:
            return None
        except FFmpegError:
            continue
        if frames:
            return frames[0]


def is_picture(stream: Stream) -> bool:
    """Whether a video stream is a cover picture."""
    return stream.type == "video" and bool(stream.disposition & (Disposition.attached_pic | Disposition.still_image))


def _stream_info(stream: Stream) -> StreamInfo:
    context: Any = stream.codec_context
    if context is not None:
        codec = str(context.name)
    else:
        codec = str(getattr(stream, "name", None) or getattr(stream, "mimetype", None) or "unknown")
    return StreamInfo(
        stream.index, stream.type, codec, stream.metadata.get("language", ""), title_of(stream), is_picture(stream)
    )


def title_of(stream: Stream) -> str:
    """MP4 reads a track's title back as ``name``."""
    return stream.metadata.get("title") or stream.metadata.get("name") or ""


def _video_info(stream: VideoStream, frame: VideoFrame, seconds: float | None) -> VideoInfo:
    side_data = _side_data(frame)
    codec, time_base = stream.codec_context.name, stream.time_base or Fraction(1, 90000)
    own_seconds = float(stream.duration * time_base) if stream.duration else seconds
    working = working_format(frame.format.name)
    aspect, first = stream.sample_aspect_ratio, frame.pts if frame.pts is not None else frame.dts
    return VideoInfo(
        index=stream.index,
        codec=codec,
        size=(frame.width, frame.height),
        pixel_format=frame.format.name,
        working_format=working,
        time_base=time_base,
        rate=stream.average_rate or stream.guessed_rate or stream.base_rate or Fraction(25),
        aspect=aspect or None,
        matrix=_display_matrix(side_data.get("DISPLAYMATRIX")),
        rotation=frame.rotation,
        tags=colour_tags(frame),
        is_interlaced=frame.interlaced_frame,
        hdr=tuple(dict.fromkeys(HDR_DATA[name] for name in side_data if name in HDR_DATA)),
        frame_count=_frame_count(stream),
        seconds=own_seconds,
        first_seconds=(first or 0) * time_base,
        has_times=first is not None,
        siting=siting_of(frame, codec, working),  # last: it writes over the frame
    )


def _frame_count(stream: VideoStream) -> int:
    """MP4's own count is of the samples stored; an edit list may show fewer, which the index knows."""
    indexed = len(stream.index_entries)
    return min(stream.frames, indexed) if "mp4" in stream.container.format.name and indexed else stream.frames


def _side_data(frame: VideoFrame) -> dict[str, bytes]:
    container: Any = frame.side_data
    return {data.type.name: bytes(data) for data in container}


def _display_matrix(data: bytes | None) -> tuple[int, ...] | None:
    return struct.unpack("=9i", data) if data and len(data) == 36 else None
