"""The kinds of video file that are written: those that can hold every stream and the exact times."""

from __future__ import annotations

import io
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
from av.error import FFmpegError
from av.stream import Stream

from subpixel.errors import OutputError


@dataclass(frozen=True)
class Container:
    """``format``: FFmpeg's muxer; ``text``: what text subtitles become; ``pictures``: how a cover is kept.

    ``encoders``: the first that this FFmpeg has is the default.
    """

    format: str
    suffixes: tuple[str, ...]
    text: str
    encoders: tuple[str, ...]
    pictures: Literal["stream", "attachment", "none"]
    attachments: bool = False


MPEG4 = ("libx264", "libopenh264", "h264_v4l2m2m", "h264_videotoolbox", "mpeg4")
WEB = ("libvpx-vp9", "libsvtav1", "libvpx")
CONTAINERS = (
    Container("mp4", (".mp4", ".m4v"), "mov_text", MPEG4, "stream"),
    Container("mov", (".mov", ".qt"), "mov_text", MPEG4, "stream"),
    Container("matroska", (".mkv",), "subrip", (*MPEG4, *WEB), "attachment", attachments=True),
    Container("webm", (".webm",), "webvtt", WEB, "none"),
)
STREAMED = (
    CONTAINERS[2],
    Container("mpegts", (".ts",), "", MPEG4, "none"),
    Container("nut", (".nut",), "", (*MPEG4, *WEB), "none"),
)
NOWHERE = Container("null", ("null:",), "", ("wrapped_avframe", "rawvideo"), "none")
TEXT_CODECS = ("subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text")


def container_of(target: Path) -> Container:
    """By the suffix. Raises ``OutputError`` naming those there are."""
    for found in CONTAINERS:
        if target.suffix.lower() in found.suffixes:
            return found
    have = ", ".join(suffix for container in CONTAINERS for suffix in container.suffixes)
    raise OutputError(f"{target}: videos can't be written as {target.suffix or 'a file without suffix'}; use {have}")


def streamed(name: str | None) -> Container:
    """For an output that can't be gone back in. Raises ``OutputError`` naming those there are."""
    for found in STREAMED:
        if name in (None, found.format):
            return found
    have = ", ".join(container.format for container in STREAMED)
    raise OutputError(f"--output-format {name}: what goes to a pipe can be {have}")


def holds(container: Container, stream: Stream) -> bool:
    """Whether the container takes the stream as it is: tried, with a header written to memory."""
    try:
        with av.open(io.BytesIO(), "w", format=container.format) as trial:
            trial.add_stream_from_template(stream, opaque=True)
            trial.start_encoding()
    except (FFmpegError, ValueError, OSError):
        return False
    return True


def picture_type(codec: str) -> tuple[str, str]:
    """File name and MIME type of a cover picture coded by ``codec``."""
    suffix = {"mjpeg": "jpg"}.get(codec, codec)
    return f"cover.{suffix}", mimetypes.guess_type(f"cover.{suffix}")[0] or f"image/{suffix}"
