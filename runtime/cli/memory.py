"""How the C library of this process holds memory: what only a whole program may choose. Of glibc; others ignore it."""

from __future__ import annotations

import contextlib
import ctypes
import sys

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3  # of glibc's mallopt
LARGE_BYTES, LARGEST_HEAPED_BYTES = 1 << 20, 32 << 20  # glibc takes no larger ones into its heaps
KEPT_BYTES, STEP_BYTES = 1 << 30, 256 << 20


def give_frames_back() -> None:
    """For video: what a freed frame held goes back at once.

    glibc comes to keep frames in its heaps, with holes between them, 15 to 35 MiB in a job of 1080p frames.
    """
    _set({M_MMAP_THRESHOLD: LARGE_BYTES})


def keep_tensors() -> None:
    """For training: memory once had is kept, for to get it from the system at every step takes a third of the time."""
    _set({M_MMAP_THRESHOLD: LARGEST_HEAPED_BYTES, M_TRIM_THRESHOLD: KEPT_BYTES, M_TOP_PAD: STEP_BYTES})


def _set(options: dict[int, int]) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(AttributeError, OSError):  # another C library
            for option, value in options.items():
                ctypes.CDLL(None).mallopt(option, value)
