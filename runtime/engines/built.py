"""What a library built for this device, kept for the next time, each file with the SHA-256 of the rest at its head.

A library may fall over what is damaged, so it isn't given that.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from subpixel.cache import keep
from subpixel.manifest import sha256

HASH_BYTES = 64  # in hexadecimal
MOST_FILES = 64  # in a folder; a few hundred kilobytes each, the oldest go


def load_built(file: Path) -> bytes | None:
    """What was kept; ``None`` when there is none or it is damaged."""
    try:
        data = file.read_bytes()
    except OSError:
        return None
    digest, built = data[:HASH_BYTES], data[HASH_BYTES:]
    return built if sha256(built).encode() == digest else None


def keep_built(file: Path, built: bytes, most_files: int = MOST_FILES) -> None:
    """Keep it; of more than ``most_files`` in its folder the oldest are removed."""
    keep(file, sha256(built).encode() + built)
    with contextlib.suppress(OSError):
        oldest_first = sorted(file.parent.glob(f"*{file.suffix}"), key=lambda one: one.stat().st_mtime)
        for one in oldest_first[:-most_files]:
            one.unlink(missing_ok=True)
