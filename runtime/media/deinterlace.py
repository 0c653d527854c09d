"""Interlaced frames to progressive ones, one for one, by FFmpeg's bwdif."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from av.error import BlockingIOError, EOFError
from av.filter import Graph
from av.video.frame import VideoFrame

from subpixel.media.options import Deinterlace
from subpixel.media.pixels import put_time


class Deinterlacer:
    """``auto``: from the first frame that says it is interlaced on, those that do; ``on``: all; ``off``: none.

    Frames come out in order with their own times, one behind once it works.
    """

    def __init__(self, mode: Deinterlace, time_base: Fraction) -> None:
        self._mode, self._time_base = mode, time_base
        self._graph: Graph | None = None
        self._form: tuple[int, int, str] | None = None
        self.count = 0

    def push(self, frame: VideoFrame) -> Iterator[VideoFrame]:
        """Take a frame; give those that are ready."""
        form = frame.width, frame.height, frame.format.name
        wanted = self._mode == "on" or (self._mode == "auto" and frame.interlaced_frame)
        if self._graph is None and not wanted:
            yield frame
            return
        if form != self._form:
            yield from self.flush()
            self._graph, self._form = self._made(frame), form
        self.count += bool(wanted)
        assert self._graph is not None
        self._graph.vpush(frame)
        yield from self._ready()

    def flush(self) -> Iterator[VideoFrame]:
        """The end: give what is left."""
        if self._graph is not None:
            self._graph.vpush(None)
            yield from self._ready()
            self._graph = self._form = None

    def _ready(self) -> Iterator[VideoFrame]:
        assert self._graph is not None
        while True:
            try:
                frame = self._graph.vpull()
            except (BlockingIOError, EOFError):
                return
            ticks = (frame.time_base or self._time_base) / self._time_base
            put_time(frame, (int((frame.pts or 0) * ticks), self._time_base, int(frame.duration * ticks)))
            yield frame

    def _made(self, frame: VideoFrame) -> Graph:
        graph, which = Graph(), "all" if self._mode == "on" else "interlaced"
        base = self._time_base
        form = (
            f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}"
            f":time_base={base.numerator}/{base.denominator}:colorspace={frame.colorspace}:range={frame.color_range}"
        )
        nodes = [("buffer", form), ("bwdif", f"mode=send_frame:parity=auto:deint={which}"), ("buffersink", None)]
        graph.link_nodes(*(graph.add(name, text) for name, text in nodes)).configure()
        return graph
