"""Where a new file is until it is complete, and how it gets to its place."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, Protocol

from subpixel.errors import OutputError
from subpixel.media.faults import writing_fault


class Place(Protocol):
    """What the writer writes to."""

    name: str

    @property
    def path(self) -> Path | None:
        """Where the new file can be read, ``None`` where it can't."""

    def begin(self) -> Any:
        """What FFmpeg opens: a name, or an object with ``write``. Raises ``OutputError``."""

    def settle(self) -> None:
        """Everything is written: make sure that it stays. Raises ``OSError``."""

    def publish(self) -> None:
        """The complete file takes its place. Raises ``OutputError``."""

    def remove(self) -> None:
        """Leave nothing behind; does nothing after ``publish``."""


class FilePlace:
    """A passing name beside ``target``, or ``fresh``, renamed at the end."""

    def __init__(self, target: Path, fresh: Path | None = None) -> None:
        self._place = Path(os.path.realpath(target))
        self.name = str(target)
        self.path = fresh or self._place.with_name(f".{self._place.stem}.{os.getpid()}.part{self._place.suffix}")

    def begin(self) -> str:
        """An empty file."""
        try:
            with self.path.open("xb"):
                return f"file:{self.path}"
        except OSError as fault:
            raise writing_fault(self.name, fault) from fault

    def settle(self) -> None:
        """On the disk."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())

    def publish(self) -> None:
        """Replaces what is there."""
        try:
            self.path.replace(self._place)
        except OSError as fault:
            raise writing_fault(self.name, fault) from fault

    def remove(self) -> None:
        """The unfinished file."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def check_target(source: object, target: Path, overwrite: bool) -> None:
    """Refuse a place that can't be written. Raises ``OutputError``."""
    place = Path(os.path.realpath(target))
    if place.exists() and isinstance(source, Path) and source.exists() and place.samefile(source):
        raise OutputError(f"{target} is the input itself; choose another name")
    if place.is_dir():
        raise OutputError(f"{target} is a folder; needed a file name")
    if not place.parent.is_dir():
        raise OutputError(f"{target}: there is no folder {place.parent}; make it first")
    if place.exists() and not overwrite:
        raise OutputError(f"{target} exists; choose another name or pass --overwrite")
    if not os.access(place.parent, os.W_OK | os.X_OK):
        raise OutputError(f"{target}: the folder {place.parent} can't be written; choose another place")
