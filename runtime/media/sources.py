"""Sources that are read once, as they come: cameras, pipes, streams from the network."""

from __future__ import annotations

import contextlib
import os
import re
import select
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import av
import av.container
from av.error import FFmpegError
from av.packet import Packet

from subpixel.errors import BadInputError, NotFoundError
from subpixel.media.faults import ffmpeg_faults

PROTOCOLS = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "rtp", "srt", "tcp", "mms")
PIPE = "-"
CAMERA = re.compile(r"camera:(\d+)")
CAMERA_FILE = re.compile(r"/dev/video\d+")
DEVICES = {"linux": ("v4l2", "/dev/video{}"), "darwin": ("avfoundation", "{}")}
OPEN_SECONDS, READ_SECONDS = 10.0, 10.0  # how long a source may be silent
POLL_SECONDS = 0.2


class Feed:
    """``name``: as the user calls it; ``url`` and ``format``: FFmpeg's. Use it in a ``with`` statement, which opens it.

    ``stop``: once it is set, reading ends as if the source had. ``ahead``: packets that were read already.
    """

    def __init__(
        self, name: str, url: str, format: str | None, options: dict[str, str], stop: threading.Event | None = None
    ) -> None:
        self.name, self._url, self._format, self._options = name, url, format, options
        self.stop = stop or threading.Event()
        self.ahead: deque[Packet[Any]] = deque()
        self._container: av.container.InputContainer | None = None

    def __str__(self) -> str:
        return self.name

    def __enter__(self) -> Feed:
        with ffmpeg_faults(BadInputError, f"{self.name} can't be opened{self._hint}"):
            self._container = self._opened()
        return self

    def __exit__(self, *fault: object) -> None:
        if self._container is not None:
            self._container.close()

    @property
    def container(self) -> av.container.InputContainer:
        """It is open."""
        assert self._container is not None
        return self._container

    def packets(self, used: list[Any]) -> Iterator[Packet[Any]]:
        """Those read ahead, and then those that come, until the source ends or shall be stopped."""
        while self.ahead:
            yield self.ahead.popleft()
        packets = self.container.demux(used)
        while not self.stop.is_set():
            packet = next(packets, None)
            if packet is None:
                return
            yield packet

    def looked_at(self) -> Iterator[Packet[Any]]:
        """Packets that are kept to be read again."""
        for packet in self.container.demux():
            self.ahead.append(packet)
            yield packet

    @property
    def _hint(self) -> str:
        return f" within {OPEN_SECONDS:g} s" if "://" in self._url else ""

    def _opened(self) -> av.container.InputContainer:
        file: Any = _StoppablePipe(self.stop) if self._url == PIPE else self._url
        try:
            container: av.container.InputContainer = av.open(
                file, "r", format=self._format, options=self._options, timeout=(OPEN_SECONDS, READ_SECONDS),
                metadata_errors="surrogateescape",
            )  # fmt: skip
            return container
        except av.error.ExitError as fault:  # what FFmpeg says when it is interrupted
            raise BadInputError(f"{self.name}: no answer within {OPEN_SECONDS:g} s; is it there?") from fault


class _StoppablePipe:
    """Standard input, read without waiting for longer than it takes to see that it shall stop."""

    def __init__(self, stop: threading.Event) -> None:
        self._descriptor, self._stop = sys.stdin.fileno(), stop

    def read(self, size: int) -> bytes:
        while not self._stop.is_set():
            if sys.platform == "win32" or select.select([self._descriptor], [], [], POLL_SECONDS)[0]:
                return os.read(self._descriptor, size)
        return b""


Source: TypeAlias = "Path | Feed"


def source_of(
    name: str | Path,
    format: str | None = None,
    options: tuple[tuple[str, str], ...] = (),
    stop: threading.Event | None = None,
) -> Source:
    """A file's path, or a feed for everything else: ``-``, ``camera:0``, ``/dev/video0``, a URL, or what has a format.

    Raises ``BadInputError`` for an unknown format and options without a meaning, ``NotFoundError`` for no such camera.
    """
    text, given = str(name), dict(options)
    if format is not None:
        _refuse_unknown(format)
    if text == PIPE:
        return Feed("standard input", PIPE, format, given, stop)
    if CAMERA.fullmatch(text) or CAMERA_FILE.fullmatch(text):
        return _camera(text, format, given, stop)
    if text.partition("://")[0].lower() in PROTOCOLS and "://" in text:
        own = {"rtsp_transport": "tcp"} if text.lower().startswith("rtsp") else {}
        return Feed(text, text, format, {**own, **given}, stop)
    if format is not None:
        return Feed(text, text, format, given, stop)
    if given:
        raise BadInputError(f"--input-option is for cameras and streams, and {text} is a file; leave it out")
    return Path(name)


def _refuse_unknown(format: str) -> None:
    try:
        av.format.ContainerFormat(format, "r")
    except ValueError as fault:
        raise BadInputError(f"--input-format {format}: this FFmpeg can't read that; it knows v4l2, mpegts, "
                            "matroska and others as its own tools name them") from fault  # fmt: skip


def _camera(text: str, format: str | None, options: dict[str, str], stop: threading.Event | None) -> Feed:
    if sys.platform not in DEVICES:
        raise BadInputError(f"{text}: no way to a camera is known on this system; name it with --input-format")
    usual, pattern = DEVICES[sys.platform]
    found = CAMERA.fullmatch(text)
    url = pattern.format(found.group(1)) if found else text
    if url.startswith("/dev/") and not Path(url).exists():
        there = ", ".join(sorted(map(str, Path("/dev").glob("video[0-9]*")))) or "none"
        raise NotFoundError(f"{text}: there is no camera {url}; cameras here: {there}")
    _refuse_unknown(format or usual)
    return Feed(text, url, format or usual, options, stop)


def first_of(feed: Feed, stream: Any) -> Any:
    """The first frame that a feed's stream gives; all packets up to it are kept, and the decoder is as before."""
    stream.thread_type = "AUTO"
    for packet in feed.looked_at():
        if packet.stream.index != stream.index:
            continue
        with contextlib.suppress(FFmpegError):
            frames = stream.decode(packet if packet.size else None)
            if frames:
                stream.codec_context.flush_buffers()
                return frames[0]
    return None
