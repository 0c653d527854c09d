"""What is known of a board before anything is measured on it: one TOML each, every figure with its source."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from subpixel.engines.table import engine_row
from subpixel.errors import BadInputError, NotFoundError
from subpixel.records import RecordError, from_json

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROFILES = Path(__file__).parent / "profiles"


@dataclass(frozen=True)
class Match:
    """What the system must tell for a board to be recognised. What is not given is not asked; all that is must hold.

    ``device_tree``: one of these is an entry of ``/proc/device-tree/compatible``, or one of ``model`` is part of the
    model's name there (or in ``/proc/cpuinfo``). ``cpu_part``: where the system tells ARM part numbers, one of these is
    among them. CPU flags: ``flags`` all, ``any_flag`` at least one, ``no_flag`` none.
    """

    device_tree: tuple[str, ...] = ()
    model: tuple[str, ...] = ()
    cpu_part: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    any_flag: tuple[str, ...] = ()
    no_flag: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cpu:
    """``int8_dot``: instructions that multiply and add int8 (dot product, VNNI); ``None``: differs within the class."""

    core: str
    isa: str
    int8_dot: bool
    count: int | None = None
    max_mhz: int | None = None


@dataclass(frozen=True)
class Memory:
    """``gib``: the sizes sold; ``shared``: CPU and GPU use the same memory; ``gb_per_s``: peak bandwidth."""

    gib: tuple[int, ...]
    type: str
    shared: bool = True
    gb_per_s: float | None = None


@dataclass(frozen=True)
class Gpu:
    """``engine``: the row of the engine table that uses it, empty where none does."""

    name: str
    engine: str = ""
    cuda_cores: int = 0
    compute_capability: str = ""


@dataclass(frozen=True)
class Video:
    """``h264_encoder``: FFmpeg's name for the hardware encoder, empty where the board has none."""

    h264_encoder: str = ""


@dataclass(frozen=True)
class Sources:
    """Where the figures come from, one text with an address for each section that is filled in."""

    cpu: str
    match: str
    memory: str = ""
    gpu: str = ""
    video: str = ""


@dataclass(frozen=True)
class Board:
    """A board's profile. ``id``: the file's name; ``try_first``: engines in the order worth trying, a guess."""

    id: str
    name: str
    match: Match
    cpu: Cpu
    sources: Sources
    memory: Memory | None = None
    gpu: Gpu | None = None
    video: Video | None = None
    try_first: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def load_profiles(folder: Path = PROFILES) -> tuple[Board, ...]:
    """Every ``*.toml`` of the folder, by name. Raises ``NotFoundError`` (no folder) or ``BadInputError`` (a fault)."""
    if not folder.is_dir():
        raise NotFoundError(f"{folder}: no such folder; needed one with a TOML file for each board")
    return tuple(load_profile(file) for file in sorted(folder.glob("*.toml")))


def load_profile(file: Path) -> Board:
    """One board. Raises ``BadInputError`` saying where the file is wrong, with the nearest name for an unknown key."""
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise BadInputError(f"{file}: can't be read as TOML ({fault})") from fault
    try:
        _check_keys(Board, {"id": file.stem, **data}, "")
        board = from_json(Board, {**data, "id": file.stem})
    except RecordError as fault:
        raise BadInputError(f"{file}: {fault}") from fault
    for problem in _problems(board, "id" in data):
        raise BadInputError(f"{file}: {problem}")
    return board


def _check_keys(kind: Any, data: object, where: str) -> None:
    """Refuse an unknown key with the nearest one that is known."""
    if not isinstance(data, Mapping):
        return
    known = get_type_hints(kind)
    for key, value in data.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known are: {', '.join(known)}"
            raise RecordError(f"{where or 'top level'}: unknown key {key!r}; {hint}")
        for inner in (known[key], *get_args(known[key])):
            if is_dataclass(inner):
                _check_keys(inner, value, f"{where}.{key}".lstrip("."))


def _problems(board: Board, names_itself: bool) -> Iterator[str]:
    if names_itself:
        yield "found 'id'; the file's name is the id, leave it out"
    if board.match == Match():
        yield "match: found nothing; needed something that tells the board, such as device_tree"
    yield from _source_problems(board)
    engines = [*board.try_first, *([board.gpu.engine] if board.gpu and board.gpu.engine else [])]
    for name in engines:
        try:
            engine_row(name)
        except BadInputError as fault:
            yield str(fault)


def _source_problems(board: Board) -> Iterator[str]:
    for field in fields(Sources):
        source, filled = getattr(board.sources, field.name), getattr(board, field.name) is not None
        if filled and "https://" not in source:
            yield f"sources.{field.name}: found {source!r}; every figure needs its source, with an https address"
        if source and not filled:
            yield f"sources.{field.name} names a source, but there is no [{field.name}]"
