"""How the C library of this process holds memory: what only a whole program may choose. Of glibc; others ignore it."""

from __future__ import annotations

import contextlib
import ctypes
import sys

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # of glibc's mallopt
LARGE_BYTES = 1 << 20


def give_frames_back() -> None:
    """For video: what a freed frame held goes back at once, and all threads share one heap.

    glibc comes to keep frames in its heaps, with holes between them, 15 to 35 MiB in a job of 1080p frames; with a heap
    for every thread holes grow all through a long job, 5 MiB in 10,000 frames. Not for training, which has tens of such
    tensors a step, and takes half as long again.
    """
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):  # another C library
            glibc = ctypes.CDLL(None)
            glibc.mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
            glibc.mallopt(M_ARENA_MAX, 1)
