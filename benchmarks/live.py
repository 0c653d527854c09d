#!/usr/bin/env python
"""A stream by its deadline while another process takes one core for random stretches: how well is the deadline kept,
and how soon is the picture as good as before?

    python benchmarks/live.py             # 60 s a model, writes docs/performance.*
    python benchmarks/live.py --quick     # 6 s, nothing written
"""

from __future__ import annotations

import json
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import click
from racing import clips
from racing.contenders import MODELS, reason
from racing.machine import line, machine
from racing.page import render
from racing.process import FOREIGN_LIMIT, run
from racing.record import RECORD, load

WORK = clips.ROOT / ".cache" / "benchmarks"
STREAM = Path(__file__).parent / "racing" / "loops" / "live_run.py"
LOAD_SECONDS, CALM_SECONDS = (2.0, 6.0), (4.0, 8.0)
SETTLED_SECONDS = 2.0  # after a stretch of load, when all should be as before
HELD_FRAMES = 15  # in a row at the usual rung or a better one: it is back
SEED = 20160916
Stretch = tuple[float, float]


@dataclass(frozen=True)
class Frame:
    """``at``: when it came, seconds of the stream; ``latency_ms``: until it was given; ``rung`` ``None``: dropped."""

    at: float
    latency_ms: float
    rung: int | None


@click.command()
@click.option("--model", "models", multiple=True, help="The best rung; repeatable [edge-best, edge and espcn].")
@click.option("--seconds", default=60.0, show_default=True, help="Of each stream.")
@click.option("--fps", default=30.0, show_default=True, help="The pace.")
@click.option("--seed", default=SEED, show_default=True, help="Of the load's stretches.")
@click.option("--quick", is_flag=True, help="6 s of one model, nothing written.")
@click.option("--record", type=Path, default=RECORD, show_default="docs/performance.json", help="Where figures go.")
def live(models: tuple[str, ...], seconds: float, fps: float, seed: int, quick: bool, record: Path) -> None:
    """Stream, print, and write the record and its page."""
    if quick:
        seconds = 6.0
    wanted = models or MODELS[1:]
    here = [name for name in wanted if not reason(name)]
    for name in wanted:
        if reason(name):
            print(f"{name}: skipped, {reason(name)}", file=sys.stderr)
    print(line(machine()))
    streams = [streamed(name, seconds, fps, seed) for name in here[: 1 if quick else None]]
    for one in streams:
        print(in_words(one))
    if not quick:
        kept = load(record)
        kept.put("live", {"machine": machine(), "seconds": seconds, "fps": fps, "seed": seed, "streams": streams})
        render(kept)


def streamed(model: str, seconds: float, fps: float, seed: int) -> dict[str, Any]:
    """One stream under load; a short one before it, in which the model is tuned."""
    short, clip = (clips.made(clips.available()[0], WORK / "clips", round(fps * wanted)) for wanted in (1, seconds))
    with tempfile.TemporaryDirectory(prefix="live-") as folder:
        environment = {"SUBPIXEL_CACHE": str(Path(folder) / "tuned")}
        command = [sys.executable, str(STREAM), model, str(fps)]
        run([*command, str(short.file), str(Path(folder) / "short.mkv")], environment)
        with Load(seed) as load_beside:
            cost = run([*command, str(clip.file), str(Path(folder) / "stream.mkv")], environment)
    found = json.loads(cost.output.splitlines()[-1])
    taken = sum(end - start for start, end in load_beside.stretches) / (cost.seconds * multiprocessing.cpu_count())
    beside = max(0.0, cost.foreign_share - taken)
    return {"model": model, "disturbed": beside > FOREIGN_LIMIT, **told(found, load_beside.stretches)}


def told(found: dict[str, Any], load: Sequence[Stretch]) -> dict[str, Any]:
    """The stream as the record has it; its clock begins with its first frame."""
    begin, end = found["frames"][0][0], found["frames"][-1][1]
    frames = [Frame(came - begin, 1000 * (given - came), rung) for came, given, rung in found["frames"]]
    stretches = [(max(start, begin) - begin, stop - begin) for start, stop in load if stop > begin and start < end]
    recovered = recoveries(frames, stretches)
    back = [seconds for seconds in recovered if seconds is not None]
    given = found["deadline"]
    return {
        **{name: given[name] for name in ("in_time", "late", "dropped", "switches", "p50_ms", "p95_ms", "p99_ms")},
        "shares": dict(given["shares"]),
        "rungs": found["rungs"],
        "load": [(round(start, 2), round(stop, 2)) for start, stop in stretches],
        "back_median": median(back) if back else None,
        "back_longest": max(back) if back else None,
        "not_back": recovered.count(None),
        "at_seconds": [round(frame.at, 3) for frame in frames],
        "latency_ms": [None if frame.rung is None else round(frame.latency_ms, 1) for frame in frames],
        "rung": [frame.rung for frame in frames],
    }


def usual_rung(frames: Sequence[Frame], load: Sequence[Stretch]) -> int:
    """The rung of most frames in the calm, from ``SETTLED_SECONDS`` after each stretch on."""
    calm = [
        frame.rung
        for frame in frames
        if frame.rung is not None and not any(start <= frame.at < end + SETTLED_SECONDS for start, end in load)
    ]
    return Counter(calm).most_common(1)[0][0] if calm else 0


def recoveries(frames: Sequence[Frame], load: Sequence[Stretch]) -> list[float | None]:
    """Seconds from the end of each stretch until the usual rung is held again; ``None``: not before the next one.

    A stretch that the stream did not outlive by ``SETTLED_SECONDS`` says nothing and is left out.
    """
    usual, found = usual_rung(frames, load), []
    starts = [start for start, _ in load[1:]] + [frames[-1].at]
    for (_, end), until in zip(load, starts, strict=True):
        if until - end >= SETTLED_SECONDS:
            after = [frame for frame in frames if end <= frame.at < until]
            held = (at for at in range(len(after)) if _is_held(after[at : at + HELD_FRAMES], usual))
            first = next(held, None)
            found.append(None if first is None else round(after[first].at - end, 2))
    return found


def _is_held(frames: Sequence[Frame], usual: int) -> bool:
    return len(frames) == HELD_FRAMES and all(frame.rung is not None and frame.rung >= usual for frame in frames)


class Load:
    """Another process that takes one core for random stretches, while it is entered."""

    def __init__(self, seed: int) -> None:
        self.stretches: list[Stretch] = []
        context = multiprocessing.get_context("spawn")
        self._receive, send = context.Pipe(duplex=False)
        self._stop = context.Event()
        self._process = context.Process(target=take_a_core, args=(seed, self._stop, send), daemon=True)

    def __enter__(self) -> Load:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self.stretches = self._receive.recv()
        self._process.join()


def take_a_core(seed: int, stop: Any, said: Any) -> None:
    """Busy for a while, calm for a while, until told to stop; then says when it was busy."""
    lengths, stretches = random.Random(seed), []
    while not stop.wait(lengths.uniform(*CALM_SECONDS)):
        start = time.perf_counter()
        until = start + lengths.uniform(*LOAD_SECONDS)
        while time.perf_counter() < until and not stop.is_set():
            sum(range(10_000))
        stretches.append((start, time.perf_counter()))
    said.send(stretches)


def in_words(one: dict[str, Any]) -> str:
    """A line."""
    rungs = ", ".join(f"{name} {share:.0%}" for name, share in one["shares"].items() if share)
    back = (
        "no stretch" if one["back_median"] is None else f"{one['back_median']:.1f} s, longest {one['back_longest']:.1f}"
    )
    spread = "/".join(f"{one[name]:.0f}" for name in ("p50_ms", "p95_ms", "p99_ms"))
    return (
        f"{one['model']}: {one['in_time']:.1%} in time, {one['late']} late, {one['dropped']} dropped; {rungs}; "
        f"p50/p95/p99 {spread} ms; back after {back}, {one['not_back']} times not"
        f"{'; DISTURBED by others' if one['disturbed'] else ''}"
    )


if __name__ == "__main__":
    live()
