"""Ctrl-C between two steps, never within one: a checkpoint of half a step can't be gone on from to the bit."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

HELD_BACK = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def held_back() -> Iterator[None]:
    """SIGINT and SIGTERM wait for the end of the block, then go to the handlers there were before it."""
    if threading.current_thread() is not threading.main_thread():  # Python gives signals to the main thread only
        yield
        return
    came: list[int] = []
    former = {number: signal.signal(number, lambda it, frame: came.append(it)) for number in HELD_BACK}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for first in came[:1]:
            signal.raise_signal(first)
