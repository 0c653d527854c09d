"""Awkward clips made from the shipped one, and what a file holds, for comparing before with after."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation

FRAMES = 12
SMOOTH = int(Interpolation.AREA) | 0x40000  # with libswscale's accurate rounding, which PyAV 17 has no name for


@dataclass(frozen=True)
class Clip:
    """What to make. ``times``: the frames' pts; ``audio``: (codec, language, title); ``subtitles``: language, lines."""

    name: str = "clip.mp4"
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    size: tuple[int, int] = (96, 64)
    times: tuple[int, ...] = tuple(512 * n for n in range(FRAMES))
    time_base: Fraction = Fraction(1, 12800)
    colours: tuple[int, int, int, int] = (1, 1, 1, 1)  # matrix, range, primaries, transfer
    aspect: Fraction | None = None
    rotation: int = 0
    options: tuple[tuple[str, str], ...] = ()
    muxer: tuple[tuple[str, str], ...] = ()
    audio: tuple[tuple[str, str, str], ...] = ()
    subtitles: tuple[tuple[str, str, tuple[str, ...]], ...] = ()
    chapters: tuple[str, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    cover: bool = False
    attachment: bool = False


@dataclass(frozen=True)
class Track:
    """A stream read back; ``packets``: start in seconds and a digest of the payload, in the file's order."""

    kind: str
    codec: str
    language: str
    title: str
    is_default: bool
    packets: tuple[tuple[Fraction | None, str], ...] = ()


@dataclass(frozen=True)
class Facts:
    """A file read back; ``times``: the video frames' starts in seconds."""

    tracks: tuple[Track, ...]
    times: tuple[Fraction, ...]
    size: tuple[int, int]
    pixel_format: str
    colours: tuple[int, int, int, int]
    aspect: Fraction | None
    rotation: int
    interlaced: bool
    chapters: tuple[tuple[Fraction, Fraction, str], ...]
    tags: dict[str, str] = field(default_factory=dict)

    def of_kind(self, kind: str) -> tuple[Track, ...]:
        """The tracks of one kind."""
        return tuple(track for track in self.tracks if track.kind == kind)


@pytest.fixture(scope="session")
def pictures(samples: Path) -> list[VideoFrame]:
    """The first frames of the shipped clip."""
    with av.open(str(samples / "bunny_424x240.mp4")) as container:
        frames = container.decode(video=0)
        return [next(frames) for _ in range(60)][-FRAMES:]


@pytest.fixture
def clip_of(tmp_path: Path, pictures: list[VideoFrame]) -> Callable[..., Path]:
    """``clip_of(**fields of Clip)`` writes a clip and gives its path."""

    def make(**wanted: Any) -> Path:
        clip = Clip(**wanted)
        return write_clip(tmp_path / clip.name, clip, pictures)

    return make


@pytest.fixture(scope="session")
def facts_of() -> Callable[[Path], Facts]:
    """Reads a file back."""
    return read_facts


@pytest.fixture(scope="session")
def frames_of() -> Callable[[Path], list[Any]]:
    """All decoded video frames of a file, as FFmpeg gives them."""

    def decode(path: Path) -> list[Any]:
        with av.open(str(path)) as container:
            return list(container.decode(video=0))

    return decode


def write_clip(path: Path, clip: Clip, pictures: list[VideoFrame]) -> Path:
    with av.open(str(path), "w", container_options=dict(clip.muxer)) as output:
        output.metadata.update(dict(clip.tags))
        video = add_video(output, clip)
        audio = [add_audio(output, *wanted) for wanted in clip.audio]
        texts = [add_text(output, *wanted[:2]) for wanted in clip.subtitles]
        cover = add_cover(output) if clip.cover else None
        if clip.attachment:
            output.add_attachment("font.ttf", "application/x-truetype-font", b"not quite a font")
        if clip.chapters:
            output.set_chapters(made_chapters(clip.chapters))
        output.start_encoding()
        if cover is not None:
            output.mux(cover_packet(cover))
        for stream in audio:
            encode_tone(output, stream, 0.5)
        for stream, wanted in zip(texts, clip.subtitles, strict=True):
            write_lines(output, stream, wanted[2])
        for frame in coded_frames(clip, pictures):
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
    return path


def add_video(output: Any, clip: Clip) -> Any:
    stream = output.add_stream(clip.codec, rate=25, options=dict(clip.options))
    context = stream.codec_context
    context.width, context.height, context.pix_fmt = *clip.size, clip.pixel_format
    context.time_base = stream.time_base = clip.time_base
    context.colorspace, context.color_range, context.color_primaries, context.color_trc = clip.colours
    if clip.aspect:
        context.sample_aspect_ratio = clip.aspect
    if clip.rotation:
        stream.set_display_rotation(clip.rotation)
    return stream


def coded_frames(clip: Clip, pictures: list[VideoFrame]) -> list[VideoFrame]:
    frames = []
    for index, pts in enumerate(clip.times):
        source = pictures[index % len(pictures)]
        frame = source.reformat(
            *clip.size, clip.pixel_format, src_colorspace="ITU709", dst_colorspace=clip.colours[0] or 1,
            src_color_range="MPEG", dst_color_range=clip.colours[1], interpolation=SMOOTH,
        )  # fmt: skip
        frame = frame if frame is not source else source.reformat(format="rgb24").reformat(format=clip.pixel_format)
        frame.pts, frame.time_base, frame.pict_type = pts, clip.time_base, 0
        frames.append(frame)
    return frames


def add_audio(output: Any, codec: str, language: str, title: str) -> Any:
    stream = output.add_stream(codec, rate=48000, layout="mono")
    stream.metadata.update({"language": language, "title": title})
    return stream


def encode_tone(output: Any, stream: Any, seconds: float) -> None:
    rate, size = 48000, 960
    for start in range(0, int(rate * seconds), size):
        tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(start, start + size) / rate)
        kind, dtype, peak = (
            ("fltp", np.float32, 1) if stream.codec_context.format.is_planar else ("s16", np.int16, 32767)
        )
        frame = AudioFrame.from_ndarray((tone * peak).astype(dtype)[None], kind, "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def add_text(output: Any, codec: str, language: str) -> Any:
    stream = output.add_stream(codec)
    stream.time_base = Fraction(1, 1000)
    stream.metadata["language"] = language
    stream.codec_context.subtitle_header = ASS_HEADER
    return stream


def write_lines(output: Any, stream: Any, lines: tuple[str, ...]) -> None:
    from av.subtitles.subtitle import SubtitleSet

    for index, line in enumerate(lines):
        text = f"{index},0,Default,,0,0,0,,{line}".encode()
        packet = stream.codec_context.encode_subtitle(SubtitleSet.create(text=text, start=0, end=150, pts=0))
        packet.pts = packet.dts = 40 + 200 * index
        packet.duration, packet.time_base, packet.stream = 150, Fraction(1, 1000), stream
        output.mux(packet)


def made_chapters(titles: tuple[str, ...]) -> list[Any]:
    length = 480 // len(titles)
    return [
        {"id": n + 1, "start": n * length, "end": (n + 1) * length, "time_base": Fraction(1, 1000),
         "metadata": {"title": title}}
        for n, title in enumerate(titles)
    ]  # fmt: skip


def add_cover(output: Any) -> Any:
    stream = output.add_stream("mjpeg", rate=25)
    stream.codec_context.width, stream.codec_context.height = 32, 32
    stream.codec_context.pix_fmt, stream.codec_context.color_range = "yuvj420p", 2
    stream.disposition = 1 << 10
    return stream


def cover_packet(stream: Any) -> Any:
    frame = VideoFrame(32, 32, "yuvj420p")
    for plane in frame.planes:
        np.frombuffer(plane, np.uint8)[:] = 90
    frame.pts = 0
    return [*stream.encode(frame), *stream.encode(None)]


ASS_HEADER = b"""[Script Info]
ScriptType: v4.00+
PlayResX: 384
PlayResY: 288

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,Arial,16,&Hffffff,&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,0

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def read_facts(path: Path) -> Facts:
    with av.open(str(path)) as container:
        packets: dict[int, list[tuple[Fraction | None, str]]] = {}
        for packet in container.demux():
            if packet.size and packet.stream.type != "video":
                start = None if packet.pts is None else packet.pts * packet.time_base
                digest = hashlib.sha256(bytes(packet)).hexdigest()
                packets.setdefault(packet.stream.index, []).append((start, digest))
        tracks = tuple(read_track(stream, tuple(packets.get(stream.index, ()))) for stream in container.streams)
        chapters = tuple(
            (c["start"] * c["time_base"], c["end"] * c["time_base"], c["metadata"].get("title", ""))
            for c in container.chapters()
        )
        tags = {key.lower(): value for key, value in container.metadata.items()}
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams.video if not int(s.disposition) & (1 << 10))
        frames = list(container.decode(stream))
        return Facts(
            tracks,
            tuple(frame.pts * frame.time_base for frame in frames),
            (frames[0].width, frames[0].height),
            frames[0].format.name,
            (frames[0].colorspace, frames[0].color_range, frames[0].color_primaries, frames[0].color_trc),
            stream.sample_aspect_ratio,
            frames[0].rotation,
            any(frame.interlaced_frame for frame in frames),
            chapters,
            tags,
        )


def read_track(stream: Any, packets: tuple[tuple[Fraction | None, str], ...]) -> Track:
    codec = stream.codec_context.name if stream.codec_context else str(stream.name)
    title = stream.metadata.get("title") or stream.metadata.get("name") or stream.metadata.get("NAME") or ""
    language = stream.metadata.get("language", "und")
    return Track(stream.type, codec, language, title, bool(int(stream.disposition) & 1), packets)
