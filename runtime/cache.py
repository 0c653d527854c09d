"""The user's cache: what belongs to one device (a tuned choice, what a library built) and can always be made again."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def cache_folder() -> Path:
    """``$SUBPIXEL_CACHE``, else the user's cache folder."""
    chosen = os.environ.get("SUBPIXEL_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or (Path.home() / ".cache")
    return Path(base) / "subpixel"


def keep(file: Path, data: bytes) -> None:
    """Write a file of the cache, whole or not at all; a cache that can't be written is no error."""
    fresh = file.with_suffix(f".{os.getpid()}.part")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            fresh.write_bytes(data)
            fresh.replace(file)
        finally:
            fresh.unlink(missing_ok=True)
