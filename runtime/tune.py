"""Chooses the fastest trusted variant by measuring on this machine, and remembers the choice (DESIGN.md section 4)."""

from __future__ import annotations

import contextlib
import json
import platform
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from math import inf, isfinite
from pathlib import Path

import numpy as np

from subpixel.cache import cache_folder, keep
from subpixel.choice import KIND_ORDER, Candidate, Wish, abreast, working_size
from subpixel.engines.base import Engine, usable_cores
from subpixel.engines.states import result_for
from subpixel.engines.table import ENGINES
from subpixel.errors import EngineError
from subpixel.frames import to_tensor
from subpixel.manifest import sha256
from subpixel.spec import Arrays

BUDGET_SECONDS = 3.0
RUNS, ROUND_RUNS = 5, 3
FINALISTS, FINAL_SHARE, VISITS = 3, 0.45, 2  # so many of the fastest are measured again, in that share of the time
# Of what a frame takes where runs go side by side; one that all cores share must take less, for when a codec has one of
# them the others wait: measured as equal, ESPCN took 3 % more of a whole job.
SIDE_BY_SIDE = 0.87


def best_first(found: list[Candidate], wish: Wish, frame_size: tuple[int, int], tune: bool) -> list[Candidate]:
    """The candidates with the remembered or the measured fastest in front; int8 only when measured or asked for."""
    known = None
    if wish.streams == 0 and working_size(frame_size, found[0].bundle.spec) != frame_size:
        wish = replace(wish, streams=1)  # each run beside another takes the room that bands save
    if wish.variant is None and worth_measuring(found, wish):
        known = remembered(found, wish, frame_size)
        if known is None and tune:
            known = measure(found, frame_size, wish.streams)
            remember(known, found, wish, frame_size)
    if not known:
        trusted = [c for c in found if c.variant.precision != "int8" or wish.precision == "int8"] or found
        return [abreast(c) for c in trusted] if wish.streams == 0 else trusted
    ranked = sorted(_all_ways(found, wish.streams), key=lambda c: _in_a_job(c, known.get(label(c), inf)))
    return [replace(c, reason=reason(label(c), known)) for c in ranked]


def worth_measuring(found: list[Candidate], wish: Wish) -> bool:
    """Whether there is a choice."""
    return len(_all_ways(distinct(found), wish.streams)) > 1


def label(candidate: Candidate) -> str:
    """Names a candidate in the cache: engine, variant, the arithmetic where it was chosen, runs side by side."""
    chosen, streams = candidate.request.precision, candidate.request.streams
    name = f"{candidate.row.name}/{candidate.variant.id}" + (f" in {chosen}" if chosen != "auto" else "")
    return name + (f", {streams} streams" if streams > 1 else "")


def _in_a_job(candidate: Candidate, ms: float) -> float:
    """What it is worth beside decoder and encoder, by what it took alone."""
    return ms * SIDE_BY_SIDE if candidate.request.streams > 1 else ms


def reason(chosen: str, known: dict[str, float]) -> str:
    """Why this one, in words: its time and that of the next best by another engine or variant."""
    if chosen not in known:
        return f"{chosen} was not measured here, and what was did not open"
    others = [name for name in known if name.split()[0].rstrip(",") != chosen.split()[0].rstrip(",")]
    following = min(others, key=lambda name: known[name], default=None)
    text = f"{chosen}: {known[chosen]:.1f} ms a frame as measured here"
    return text + (f"; next {following}: {known[following]:.1f}" if following else "")


def ways(candidate: Candidate) -> list[Candidate]:
    """The candidate, and in the other arithmetic that its engine may be faster in: OpenVINO's bf16 isn't always."""
    if candidate.request.precision != "auto":
        return [candidate]
    others = [precision for precision in candidate.row.precisions if precision == candidate.variant.precision]
    forced = [replace(candidate, request=replace(candidate.request, precision=precision)) for precision in others]
    return [candidate, *forced]


def _all_ways(found: list[Candidate], streams: int) -> list[Candidate]:
    """Every arithmetic; where the number of streams is left open, side by side too."""
    one = [way for candidate in found for way in ways(candidate)]
    return one if streams else [*one, *(wide for way in one if (wide := abreast(way)) != way)]


@dataclass(frozen=True)
class Timing:
    """How long a frame took, and the arithmetic that ran."""

    median_ms: float
    precision: str


def measure(found: list[Candidate], frame_size: tuple[int, int], streams: int = 1) -> dict[str, float]:
    """Median milliseconds a frame of each candidate for 8-bit frames; those that fail to open or run are left out.

    Each has an equal share of what is left of the budget, so that a slow one can't use up the time of the others. The
    fastest are then visited again in turns, for another program may have had the cores the first time; the best visit
    counts. ``streams`` 0: these also with runs side by side.
    """
    timings: dict[str, Timing] = {}
    until, measured = time.perf_counter() + BUDGET_SECONDS, contenders(found)
    size = working_size(frame_size, found[0].bundle.spec)
    turn = FINAL_SHARE * BUDGET_SECONDS / VISITS
    _measure(measured, size, until - VISITS * turn, timings)
    ranked = sorted((c for c in measured if label(c) in timings), key=lambda c: timings[label(c)].median_ms)
    finalists = ranked[:FINALISTS]
    if streams == 0:
        finalists += [wide for c in finalists if (wide := abreast(c)) != c]
    for turns_left in reversed(range(VISITS if len(finalists) > 1 else 0)):
        _measure(finalists, size, until - turns_left * turn, timings)
    return {name: found.median_ms for name, found in timings.items()}


def _measure(measured: list[Candidate], frame_size: tuple[int, int], until: float, timings: dict[str, Timing]) -> None:
    """Add to ``timings``, or better them."""
    for place, candidate in enumerate(measured):
        now = time.perf_counter()
        if now > until and timings:
            break
        if _ran_already(candidate, timings):
            continue
        share = (until - now) / (len(measured) - place)
        with contextlib.suppress(EngineError):
            fresh, known = timing(candidate, frame_size, now + share), timings.get(label(candidate))
            timings[label(candidate)] = fresh if known is None or fresh.median_ms < known.median_ms else known


def contenders(found: list[Candidate]) -> list[Candidate]:
    """What is measured against each other; a procedure of ours is alone, and seconds a frame are too long to waste."""
    return [way for candidate in distinct(found) for way in ways(candidate)]


def _ran_already(candidate: Candidate, timings: dict[str, Timing]) -> bool:
    """Whether the library's own choice was this arithmetic."""
    own = timings.get(label(replace(candidate, request=replace(candidate.request, precision="auto"))))
    return own is not None and own.precision == candidate.request.precision


def distinct(found: list[Candidate]) -> list[Candidate]:
    """Those worth measuring, in the order of the engine table: for each engine and precision the one it likes best.

    An engine's own format comes before ONNX in its row, and the 8-bit kind before float; the arithmetic is the same.
    """
    best: dict[tuple[str, str], Candidate] = {}
    for candidate in sorted(found, key=lambda c: KIND_ORDER.index(c.variant.kind)):
        best.setdefault((candidate.row.name, candidate.variant.precision), candidate)
    order = {row.name: place for place, row in enumerate(ENGINES)}
    return sorted(best.values(), key=lambda c: order.get(c.row.name, len(order)))


def timing(candidate: Candidate, frame_size: tuple[int, int], until: float) -> Timing:
    """Run a candidate until that time, at least once. Raises ``EngineError``."""
    engine = candidate.open()
    try:
        timed = _timed_runs if engine.receipt.streams == 1 else _timed_rounds
        times = list(timed(engine, _noise(engine, frame_size), until))
        return Timing(float(np.median(times[1:] or times)), engine.receipt.precision)
    finally:
        engine.close()


def _noise(engine: Engine, frame_size: tuple[int, int]) -> Arrays:
    given, multiple = engine.variant.inputs[0], engine.spec.size_multiple
    size = engine.variant.shapes or tuple(-(-side // multiple) * multiple for side in frame_size)
    noise = np.random.default_rng(0).integers(16, 236, (engine.spec.planes, *size), dtype=np.uint8)
    return {given.name: to_tensor(noise, given)}


def _timed_runs(engine: Engine, noise: Arrays, until: float) -> Iterator[float]:
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        engine.run(noise)
        yield (time.perf_counter() - started) * 1000
        if time.perf_counter() > until:
            return


def _timed_rounds(engine: Engine, noise: Arrays, until: float) -> Iterator[float]:
    """Of runs side by side, the time for a frame: rounds of a few for each thread, so that none waits for long."""
    streams, wanted = engine.receipt.streams, engine.variant.outputs[0]
    (given,) = engine.variant.inputs
    size = dict(zip(given.axes, noise[given.name].shape, strict=True))

    def work(runs: int) -> None:
        outputs = {wanted.name: result_for(engine.spec, wanted, size)}
        for _ in range(runs):
            engine.run(noise, outputs)

    with ThreadPoolExecutor(streams) as pool:
        for round_runs in (1, *[ROUND_RUNS] * RUNS):
            started = time.perf_counter()
            list(pool.map(work, [round_runs] * streams))
            yield (time.perf_counter() - started) * 1000 / (round_runs * streams)
            if time.perf_counter() > until:
                return


def _cache_file(found: list[Candidate], wish: Wish, frame_size: tuple[int, int]) -> Path:
    files = sorted((label(c), c.variant.file.sha256, c.row.version) for c in found)
    machine = platform.machine(), cpu_model(), usable_cores()
    key = json.dumps([files, wish.device, wish.precision, wish.threads, wish.streams, frame_size, machine])
    return cache_folder() / "tuned" / f"{found[0].bundle.spec.name}-{sha256(key.encode())[:16]}.json"


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
        figures = {str(key): float(value) for key, value in data["median_ms"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    return figures if figures and all(isfinite(value) for value in figures.values()) else None


def remember(figures: dict[str, float], found: list[Candidate], wish: Wish, frame_size: tuple[int, int]) -> None:
    """Keep the figures, if there are any; a cache that can't be written is no error."""
    if not figures:
        return
    keep(_cache_file(found, wish, frame_size), json.dumps({"median_ms": figures}, indent=1).encode())
