"""Chooses the fastest trusted variant by measuring on this machine, and remembers the choice (DESIGN.md section 4)."""

from __future__ import annotations

import contextlib
import json
import platform
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from subpixel.cache import cache_folder, keep
from subpixel.choice import Candidate, Wish
from subpixel.engines.base import Engine
from subpixel.errors import EngineError
from subpixel.frames import to_tensor
from subpixel.manifest import sha256

BUDGET_SECONDS = 3.0
RUNS = 5


def best_first(found: list[Candidate], wish: Wish, frame_size: tuple[int, int], tune: bool) -> list[Candidate]:
    """The candidates with the remembered or the measured fastest in front."""
    if len(found) == 1 or wish.variant is not None:
        return found
    known = remembered(found, wish, frame_size)
    if known is None and tune:
        known = measure(found, frame_size)
        remember(known, found, wish, frame_size)
    if not known:
        return found
    last = max(known.values()) + 1
    return sorted(found, key=lambda c: known.get(label(c), last))


def label(candidate: Candidate) -> str:
    """Names a candidate in the cache: engine and variant."""
    return f"{candidate.row.name}/{candidate.variant.id}"


def measure(found: list[Candidate], frame_size: tuple[int, int]) -> dict[str, float]:
    """Median milliseconds a frame of each candidate for 8-bit frames; those that fail to open or run are left out."""
    figures: dict[str, float] = {}
    until = time.perf_counter() + BUDGET_SECONDS
    for candidate in found:
        if candidate.variant.kind == "float" and _has_u8_sibling(candidate, found):
            continue
        if time.perf_counter() > until and figures:
            break
        with contextlib.suppress(EngineError):
            figures[label(candidate)] = _median_ms(candidate, frame_size, until)
    return figures


def _has_u8_sibling(candidate: Candidate, found: list[Candidate]) -> bool:
    mine = (candidate.row.name, candidate.variant.target, candidate.variant.precision)
    return any(c.variant.kind == "u8" and (c.row.name, c.variant.target, c.variant.precision) == mine for c in found)


def _median_ms(candidate: Candidate, frame_size: tuple[int, int], until: float) -> float:
    engine = candidate.open()
    try:
        times = list(_timed_runs(engine, frame_size, until))
    finally:
        engine.close()
    return float(np.median(times[1:] or times))


def _timed_runs(engine: Engine, frame_size: tuple[int, int], until: float) -> Iterator[float]:
    given = engine.variant.inputs[0]
    size = engine.variant.shapes or frame_size
    noise = np.random.default_rng(0).integers(16, 236, (given.channels, *size), dtype=np.uint8)
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        engine.run({given.name: to_tensor(noise, given)})
        yield (time.perf_counter() - started) * 1000
        if time.perf_counter() > until:
            return


def _cache_file(found: list[Candidate], wish: Wish, frame_size: tuple[int, int]) -> Path:
    files = sorted((label(c), c.variant.file.sha256, _version(c)) for c in found)
    key = json.dumps([files, wish.device, wish.precision, wish.threads, frame_size, platform.machine(), cpu_model()])
    return cache_folder() / "tuned" / f"{found[0].bundle.spec.name}-{sha256(key.encode())[:16]}.json"


def _version(candidate: Candidate) -> str:
    try:
        return candidate.row.probe().version
    except Exception as fault:  # a library that is there but does not load is measured as absent
        return f"broken: {type(fault).__name__}"


def cpu_model() -> str:
    """The processor's name as the system tells it; empty where it doesn't."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.partition(":")[0].strip() in ("model name", "Model", "CPU part"):
                return line.partition(":")[2].strip()
    return platform.processor()


def remembered(found: list[Candidate], wish: Wish, frame_size: tuple[int, int]) -> dict[str, float] | None:
    """Milliseconds measured before for just these files, versions, machine and size; ``None`` when there are none."""
    try:
        data = json.loads(_cache_file(found, wish, frame_size).read_text())
        return {str(key): float(value) for key, value in data["median_ms"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None


def remember(figures: dict[str, float], found: list[Candidate], wish: Wish, frame_size: tuple[int, int]) -> None:
    """Keep the figures; a cache that can't be written is no error."""
    keep(_cache_file(found, wish, frame_size), json.dumps({"median_ms": figures}, indent=1).encode())
