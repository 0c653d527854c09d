"""Cores and memory that this process may use: what the machine has, less what control groups allow."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil
from pathlib import Path

UNLIMITED_BYTES = 1 << 60  # control groups write "no limit" as `max` or as a number near 2^63


@dataclass(frozen=True)
class Resources:
    """``cores``: of the machine; ``usable_cores``: left by affinity and quota. Bytes; ``None``: not told.

    ``limit_bytes``: the control group's limit, if any; ``available_bytes``: what can still be taken under all limits.
    """

    cores: int
    usable_cores: int
    total_bytes: int | None
    available_bytes: int | None
    limit_bytes: int | None


@dataclass(frozen=True)
class _Group:
    """A control group's memory: limit and what is used of it, page cache left out."""

    limit_bytes: int
    used_bytes: int


def read_resources(root: Path = Path("/")) -> Resources:
    """Read ``/proc`` and ``/sys/fs/cgroup`` under ``root``."""
    cores = os.cpu_count() or 1
    memory = _meminfo(root / "proc/meminfo")
    total, available = memory.get("MemTotal", _sysconf_bytes()), memory.get("MemAvailable")
    groups = list(_memory_groups(root))
    free = [group.limit_bytes - group.used_bytes for group in groups]
    return Resources(
        cores=cores,
        usable_cores=max(1, min([_affinity(cores), *_quotas(root)])),
        total_bytes=total,
        available_bytes=min([available, *(max(0, room) for room in free)]) if available is not None else None,
        limit_bytes=min((g.limit_bytes for g in groups), default=None),
    )


def peak_rss_bytes() -> int | None:
    """The most memory this process ever had resident; ``None`` where the system doesn't tell.

    Linux's ``ru_maxrss`` starts at the parent's figure after fork and exec, ``VmHWM`` at zero: the latter is taken.
    """
    with contextlib.suppress(OSError):
        figures = _meminfo(Path("/proc/self/status"))
        if "VmHWM" in figures:
            return figures["VmHWM"]
    with contextlib.suppress(ImportError):
        import resource
        import sys

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
    return None


def _meminfo(file: Path) -> dict[str, int]:
    """``Key: 123 kB`` lines, in bytes."""
    found = {}
    for line in _lines(file):
        key, _, value = line.partition(":")
        words = value.split()
        if len(words) == 2 and words[1] == "kB" and words[0].isdigit():
            found[key] = int(words[0]) * 1024
    return found


def _sysconf_bytes() -> int | None:
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _affinity(cores: int) -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores


def _memory_groups(root: Path) -> Iterator[_Group]:
    """Every group that holds this process and limits memory, of either version."""
    for folder in _folders(root, "memory"):
        limit = _number(folder / "memory.max", folder / "memory.limit_in_bytes")
        if limit is None or limit >= UNLIMITED_BYTES:
            continue
        used = _number(folder / "memory.current", folder / "memory.usage_in_bytes") or 0
        cache = dict(line.split() for line in _lines(folder / "memory.stat") if len(line.split()) == 2)
        reclaimable = int(cache.get("total_inactive_file", cache.get("inactive_file", "0")))
        yield _Group(limit, max(0, used - reclaimable))


def _quotas(root: Path) -> Iterator[int]:
    """Cores that a CPU quota leaves, rounded up."""
    for folder in _folders(root, "cpu"):
        words = " ".join(_lines(folder / "cpu.max")).split()
        if len(words) == 2 and words[0].isdigit():
            yield ceil(int(words[0]) / int(words[1]))
        quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
        if quota and period:
            yield ceil(quota / period)


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's group and of all above it; ``0::/path`` is version 2, ``n:memory:/path`` 1."""
    for line in _lines(root / "proc/self/cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number != "0" and controller not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / ("" if number == "0" else controllers)
        inside = top / path.strip().lstrip("/")
        yield from (folder for folder in (inside, *inside.parents) if folder == top or top in folder.parents)


def _number(*files: Path) -> int | None:
    """The first of the files that holds a number."""
    for file in files:
        text = "".join(_lines(file)).strip()
        if text.isdigit():
            return int(text)
    return None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(errors="replace").splitlines()
    except OSError:
        return []
