"""FFmpeg's errors in words: what it logged while it failed, rather than its number alone."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import av.logging
from av.error import FFmpegError

from subpixel.errors import OutputError, SubpixelError

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def ffmpeg_faults(kind: type[SubpixelError], doing: str) -> Iterator[None]:
    """Turn errors of FFmpeg and the system into ``kind``; the message ends with what FFmpeg logged in this thread."""
    level, skips = av.logging.get_level(), av.logging.get_skip_repeated()
    av.logging.set_level(av.logging.ERROR)
    av.logging.set_skip_repeated(False)  # else a second failure of the same kind would have no words
    logs: list[tuple[int, str, str]] = []
    try:
        with av.logging.Capture() as logs:
            yield
    except (FFmpegError, ValueError, OSError) as fault:
        if isinstance(fault, SubpixelError):
            raise
        if isinstance(fault, OSError) and fault.errno in FULL_DISK:
            raise OutputError(f"{doing}: no room left; free some space or write elsewhere") from fault
        raise kind(f"{doing}: {_reason(fault, logs)}") from fault
    finally:
        av.logging.set_level(level)
        av.logging.set_skip_repeated(skips)


def _reason(fault: Exception, logs: list[tuple[int, str, str]]) -> str:
    said = dict.fromkeys(text.strip().rstrip(".") for _, _, text in logs if text.strip())
    return "; ".join(list(said)[:2]) or getattr(fault, "strerror", None) or str(fault)


def writing_fault(target: object, fault: OSError | FFmpegError) -> OutputError:
    """The error for a result that could not be written to its end."""
    if isinstance(fault, OSError) and fault.errno in FULL_DISK:
        return OutputError(
            f"no room left while {target} was written; nothing was left behind: free some space or write elsewhere"
        )
    return OutputError(f"{target} can't be written: {fault.strerror or fault}")
