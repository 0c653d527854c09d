"""Results that are no file: written to a pipe as they are made, or nowhere."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, TypeAlias

from subpixel.errors import OutputError
from subpixel.media.containers import NOWHERE, Container, container_of, streamed
from subpixel.media.places import FilePlace, Place

PIPE, NULL = "-", "null:"


class Outlet:
    """``name``: ``-`` or ``null:``; there is nothing to look at afterwards, and nothing to remove."""

    path: None = None

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name

    def begin(self) -> Any:
        """Standard output, or no file."""
        return _Pipe() if self.name == PIPE else "nowhere"

    def settle(self) -> None:
        """What was written goes on its way."""
        if self.name == PIPE:
            sys.stdout.buffer.flush()

    def publish(self) -> None:
        """It is where it shall be."""

    def remove(self) -> None:
        """What is gone is gone."""


class _Pipe:
    """Only ``write``: FFmpeg must not think that it can go back."""

    def write(self, data: bytes) -> int:
        return sys.stdout.buffer.write(data)


Target: TypeAlias = "Path | Outlet"


def target_of(name: str | Path, format: str | None) -> Target:
    """A file's path, or the outlet. Raises ``OutputError`` for a format where the suffix says it."""
    if str(name) in (PIPE, NULL):
        return Outlet(str(name))
    if format is not None:
        raise OutputError(f"--output-format is for the output -, and {name}'s suffix says what it is; leave it out")
    return Path(name)


def container_for(target: Target, format: str | None) -> Container:
    """What a target is written as. Raises ``OutputError``."""
    if isinstance(target, Path):
        return container_of(target)
    return streamed(format) if target.name == PIPE else NOWHERE


def place_of(target: Target) -> Place:
    """Where the writer writes."""
    return FilePlace(target) if isinstance(target, Path) else target
