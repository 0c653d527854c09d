"""What this device can run: the board, its memory, the engines asked one by one, FFmpeg, the cache."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from subpixel import __version__
from subpixel.cache import cache_folder
from subpixel.devices.advice import hints, how_to_get
from subpixel.devices.board import Board
from subpixel.devices.child import ask
from subpixel.devices.detection import detect
from subpixel.devices.ffmpeg import Ffmpeg, read_ffmpeg
from subpixel.devices.figures import ProbeFigures, ProbeRequest
from subpixel.devices.resources import Resources, read_resources
from subpixel.devices.system import System
from subpixel.engines.table import ENGINES, EngineRow

PROBE_SECONDS = 60.0


@dataclass(frozen=True)
class EngineReport:
    """``devices``: where it would really run, as the library says; ``error``: why it is installed and doesn't load.

    ``install``: what brings it, where it is missing.
    """

    name: str
    installed: bool
    version: str = ""
    devices: tuple[str, ...] = ()
    note: str = ""
    error: str = ""
    install: str = ""


@dataclass(frozen=True)
class CacheReport:
    """The folder of tuned choices and built engines."""

    path: str
    writable: bool
    size_bytes: int


@dataclass(frozen=True)
class DoctorReport:
    """Everything `subpixel doctor` says; its JSON is this record. ``board``: the profile's id, ``None`` if unknown."""

    subpixel: str
    board: str | None
    board_name: str
    profile: Board | None
    system: System
    python: str
    resources: Resources
    engines: tuple[EngineReport, ...]
    ffmpeg: Ffmpeg
    cache: CacheReport
    hints: tuple[str, ...]


def examine(root: Path = Path("/")) -> DoctorReport:
    """Look at the machine whose files lie under ``root``; engines, FFmpeg and cache are those of this process."""
    found = detect(root)
    board = found.board
    return DoctorReport(
        subpixel=__version__,
        board=board.id if board else None,
        board_name=found.name,
        profile=board,
        system=found.system,
        python=platform.python_version(),
        resources=read_resources(root),
        engines=examine_engines(found.system),
        ffmpeg=read_ffmpeg(),
        cache=_cache(),
        hints=(*hints(found.system, root), *(board.notes if board else ())),
    )


def examine_engines(system: System) -> tuple[EngineReport, ...]:
    """Every row of the engine table; two at a time, for loading a library takes seconds on a small board."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        return tuple(pool.map(lambda row: examine_engine(row, system), ENGINES))


def examine_engine(row: EngineRow, system: System) -> EngineReport:
    """Ask an engine in a process of its own: a library that crashes while it loads is a line here, not the end."""
    if not row.installed:
        return EngineReport(row.name, installed=False, install=how_to_get(row, system))
    answer = ask("probe", ProbeRequest(row.name), ProbeFigures, PROBE_SECONDS)
    if answer.figures is None:
        return EngineReport(row.name, installed=True, error=answer.fault)
    probe = answer.figures
    return EngineReport(row.name, True, probe.version, probe.devices, probe.note)


def _cache() -> CacheReport:
    folder = cache_folder()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    return CacheReport(str(folder), os.access(nearest, os.W_OK), sum(_sizes(folder)))


def _sizes(folder: Path) -> Iterator[int]:
    for file in folder.rglob("*"):
        try:
            yield file.stat().st_size if file.is_file() else 0
        except OSError:
            continue
