"""Large frames whose memory is used again: fresh memory costs the system a fault for every page, 760 for 1080p.

Not by frames around memory of our own: the encoder's threads would then need the interpreter's lock to give it back,
and PyAV has that lock while it waits for these threads to end.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from av.video.frame import VideoFrame

from subpixel.media.pixels import like, put_time, time_of

MOST_FRAMES = 8  # more are not kept in mind


def _references(things: Sequence[object], at: int) -> int:
    """To one of them; the list's own and what the count itself needs are in it."""
    return sys.getrefcount(things[at])


ALONE = _references([object()], 0)  # nobody but the list knows it


class FramePool:
    """Frames of one size, for one thread; what was given is given again when nobody knows it any more."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._given: list[VideoFrame] = []
        self._are_kept = False  # by FFmpeg, after we have forgotten them

    def like(self, frame: VideoFrame) -> VideoFrame:
        """A frame of the same format and time, its samples not set."""
        fresh = self._forgotten(frame.format.name)
        if fresh is None:
            fresh = like(frame, self.width, self.height)
            if not self._are_kept and len(self._given) < MOST_FRAMES:
                self._given.append(fresh)
        put_time(fresh, time_of(frame))
        return fresh

    def _forgotten(self, name: str) -> VideoFrame | None:
        """The one that was given first of those that only we know."""
        for at in range(len(self._given)):
            if _references(self._given, at) == ALONE and self._given[at].format.name == name:
                frame = self._given.pop(at)
                self._given.append(frame)
                return frame if self._is_free(frame) else None
        return None

    def _is_free(self, frame: VideoFrame) -> bool:
        """Whether FFmpeg has forgotten it too; where an encoder keeps frames, no memory is used again."""
        place = frame.planes[0].buffer_ptr
        frame.make_writable()  # by a copy, if it hasn't
        if frame.planes[0].buffer_ptr != place:
            self._are_kept = True
            self._given.clear()
        return not self._are_kept
