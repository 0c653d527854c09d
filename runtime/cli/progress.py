"""How long work is shown to go on, and how it is broken off."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from subpixel.cli.console import Output

if TYPE_CHECKING:
    from rich.progress import Progress

LINE_SECONDS = 5.0


@contextmanager
def interruptible_once(gently: threading.Event | None = None) -> Iterator[None]:
    """Ctrl-C and SIGTERM stop the work; what comes after the first is ignored, for the cleaning up is under way.

    ``gently``: the first one only sets it, for work that ends well when it is told to; the next one stops it.
    """
    signals = (signal.SIGINT, signal.SIGTERM)
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        if gently is not None and not gently.is_set():
            gently.set()
            return
        stopped = True
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(each, stop) for each in signals]
    try:
        yield
    finally:
        if not stopped:
            for each, handler in zip(signals, before, strict=True):
                signal.signal(each, handler)


@contextmanager
def progress_for(output: Output, name: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar with frames a second and the time left on a terminal, a line now and then elsewhere, nothing when quiet."""
    if output.quiet:
        yield lambda done, expected: None
    elif sys.stderr.isatty():
        with _bar(output) as progress:
            task = progress.add_task(name, total=None, fps="")
            started = time.perf_counter()

            def show(done: int, expected: int | None) -> None:
                fps = done / max(time.perf_counter() - started, 1e-6)
                progress.update(task, completed=done, total=expected, fps=f"{fps:.1f} frames/s")

            yield show
    else:
        yield Lines(output).show


def _bar(output: Output) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[fps]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    return Progress(*columns, console=output.progress_console, transient=True)


class Lines:
    """Progress for logs: one line every few seconds, on stderr."""

    def __init__(self, output: Output) -> None:
        self._console = output.progress_console
        self._started = self._last = time.perf_counter()

    def show(self, done: int, expected: int | None) -> None:
        """Say how far the work is, unless that was said just now."""
        now = time.perf_counter()
        if now - self._last < LINE_SECONDS:
            return
        self._last = now
        fps = done / (now - self._started)
        left = f", {(expected - done) / fps:.0f} s left" if expected and expected >= done else ""
        of = f" of {expected}" if expected else ""
        self._console.print(f"{done}{of} frames, {fps:.1f} frames/s{left}", markup=False)
