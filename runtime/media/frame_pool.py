"""Large frames whose memory is used again: fresh memory costs the system a fault for every page, 760 for 1080p."""

from __future__ import annotations

import weakref
from collections import deque

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from subpixel.media.pixels import like, put_time, time_of

ROW_BYTES = 128  # luma rows begin at multiples of it, rows of half as many chroma samples at multiples of 64
PLANES = {"yuv420p": 1.5, "gray": 1.0}  # all planes' bytes for one of luma's
MOST_WAITING = 4


class FramePool:
    """Frames of one size. Memory comes back when neither we nor FFmpeg know its frame any more, from any thread."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self._waiting: deque[NDArray[np.uint8]] = deque(maxlen=MOST_WAITING)

    def like(self, frame: VideoFrame) -> VideoFrame:
        """A frame of the same format and time, its samples not set."""
        name = frame.format.name
        if name not in PLANES or self.width % 2 or self.height % 4:  # PyAV takes no others from an array
            return like(frame, self.width, self.height)
        fresh = VideoFrame.from_numpy_buffer(self._rows(round(self.height * PLANES[name])), name, self.width)
        put_time(fresh, time_of(frame))
        return fresh

    def _rows(self, count: int) -> NDArray[np.uint8]:
        """Luma's rows and below them, two beside each other, chroma's: ``[count, row bytes]``."""
        row_bytes = -(-self.width // ROW_BYTES) * ROW_BYTES
        try:
            block = self._waiting.pop()
        except IndexError:
            block = np.empty(count * row_bytes + ROW_BYTES, np.uint8)
        first = -block.ctypes.data % ROW_BYTES
        rows = block[first : first + count * row_bytes].reshape(count, row_bytes)
        weakref.finalize(rows, self._waiting.append, block).atexit = False
        return rows
