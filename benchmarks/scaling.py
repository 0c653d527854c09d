#!/usr/bin/env python
"""Frames a second and memory against the size of the frames and the length of the clip.

    python benchmarks/scaling.py          # about 10 minutes, writes docs/performance.*
    python benchmarks/scaling.py sizes    # or one of the three
    python benchmarks/scaling.py length --frames 2000 --size 320x180
    python benchmarks/scaling.py jobs     # how long a clip must be until the start no longer counts

The clips of the first two are made up: a still pattern with a part that moves, as long as one likes.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import click
import numpy as np
from racing import clips
from racing.contenders import Contender, lanczos, ours
from racing.machine import line, machine
from racing.page import render
from racing.peers import Peers
from racing.process import least_disturbed, run
from racing.record import RECORD, load

from subpixel.catalogue import DEFAULT_MODEL, find

WORK = clips.ROOT / ".cache" / "benchmarks"
COUNTED = Path(__file__).parent / "racing" / "loops" / "counted.py"
SIZES = ((320, 180), (480, 270), (640, 360), (960, 540), (1280, 720), (1920, 1080))
SIZE_FRAMES, QUICK_FRAMES = 60, 10
FROM_FRAME = 500
SHOWN = (100, 500, 1000, 2000, 5000, 10_000)
PATCH = 8  # the part that moves: an eighth of each side
JOBS, JOB_ROUNDS, FAST = (30, 120, 480, 1189), 3, "edge-fast-x3"  # the whole still clip is the longest
PARTS = ("sizes", "length", "jobs")

record_option = click.option(
    "--record", type=Path, default=RECORD, show_default="docs/performance.json", help="Where figures go."
)


@click.command()
@click.argument("part", type=click.Choice(PARTS), required=False)
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="A bundle.")
@click.option("--frames", type=click.IntRange(FROM_FRAME), default=10_000, show_default=True, help="The longest clip.")
@click.option("--size", default="640x360", show_default=True, help="Of the long clip.")
@click.option("--quick", is_flag=True, help="The two smallest sizes, a few frames each; nothing written.")
@record_option
def scaling(part: str | None, model: str, frames: int, size: str, quick: bool, record: Path) -> None:
    """Measure, print, and write the record and its page."""
    print(line(machine()))
    width, height = map(int, size.split("x"))
    measures: dict[str, Callable[[], dict[str, Any]]] = {
        "sizes": lambda: sizes(model, SIZES[:2], QUICK_FRAMES, 0) if quick else sizes(model, SIZES, SIZE_FRAMES, 2),
        "length": lambda: length(model, (width, height), frames),
        "jobs": lambda: jobs(FAST, JOBS, JOB_ROUNDS),
    }
    for name in PARTS:
        if part in (None, name) and not (quick and name != "sizes"):
            section = {"machine": machine(), "model": model, **measures[name]()}
            if not quick:
                kept = load(record)
                kept.put(name, section)
                render(kept)


def sizes(model: str, wanted: Sequence[tuple[int, int]], frames: int, repeats: int) -> dict[str, Any]:
    """The whole job at each size; one untimed run first, in which it is tuned."""
    found = []
    with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
        work = Path(folder)
        contender = ours(model, work)
        for size in wanted:
            clip = clips.Clip("pattern", pattern(size, frames), frames, "", {})
            go = contender.command(clip, work / "result.mp4")
            run(go, contender.environment)
            cost = least_disturbed(lambda go=go: run(go, contender.environment), repeats)  # type: ignore[misc]
            found.append({
                "width": size[0], "height": size[1], "fps": round(frames / cost.seconds, 2),
                "cpu_ms": round(1000 * cost.cpu_seconds / frames, 2), "peak_rss_mib": round(cost.peak_rss_mib, 1),
                "foreign_share": round(cost.foreign_share, 4), "disturbed": cost.disturbed,
            })  # fmt: skip
            print(f"{size[0]}x{size[1]}: {frames / cost.seconds:.1f} frames/s, {cost.peak_rss_mib:.0f} MiB", flush=True)
    return {"scale": find(model).spec.scale, "frames": frames, "sizes": found}


def length(model: str, size: tuple[int, int], frames: int) -> dict[str, Any]:
    """One long run, its memory looked at every hundred frames."""
    clip = pattern(size, frames)
    with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
        environment = {"SUBPIXEL_CACHE": str(Path(folder) / "tuned")}
        target = str(Path(folder) / "result.mp4")
        cost = run([sys.executable, str(COUNTED), model, str(clip), target], environment, limit_seconds=3600)
    found = json.loads(cost.output.splitlines()[-1])
    held = [round(mib, 1) for mib in found["rss_mib"]]
    spent = found["seconds"][-1] - found["seconds"][0]
    fps = (found["frames"][-1] - found["frames"][0]) / spent
    grown = growth(found["frames"], held)
    print(f"{frames} frames: {fps:.1f} frames/s, {max(held):.0f} MiB, {grown:+.1%} from frame {FROM_FRAME}", flush=True)
    return {
        "width": size[0], "height": size[1], "fps": round(fps, 2), "growth": round(grown, 5), "from_frame": FROM_FRAME,
        "frames": found["frames"], "rss_mib": held, "shown": shown(found["frames"], held),
        "foreign_share": round(cost.foreign_share, 4), "disturbed": cost.disturbed,
    }  # fmt: skip


def jobs(model: str, lengths: Sequence[int], rounds: int) -> dict[str, Any]:
    """Whole jobs on the first frames of the still clip, by ours and by FFmpeg's Lanczos in turn; median seconds."""
    still, found = next(one for one in clips.RECIPES if one.name == "still"), []
    if still.absent:
        raise click.ClickException(still.absent)
    with tempfile.TemporaryDirectory(prefix="scaling-") as folder:
        work = Path(folder)
        both = ours(model, work), lanczos(Peers())
        for frames in lengths:
            clip = clips.made(still, WORK / "clips", frames)
            seconds = [_seconds(one, clip, work) for _ in range(rounds + 1) for one in both][2:]
            mine, theirs = float(np.median(seconds[::2])), float(np.median(seconds[1::2]))
            found.append({"frames": frames, "seconds": round(mine, 3), "ffmpeg_seconds": round(theirs, 3)})
            print(f"{frames} frames: {mine:.2f} s, FFmpeg {theirs:.2f} s, {theirs / mine:.2f}", flush=True)
    return {"model": model, "rounds": rounds, "jobs": found}


def _seconds(contender: Contender, clip: clips.Clip, work: Path) -> float:
    return run(contender.command(clip, work / "result.mp4"), contender.environment).seconds


def growth(frames: Sequence[int], held: Sequence[float]) -> float:
    """How much more was held at most until the end than until ``FROM_FRAME``.

    >>> growth([100, 500, 1000, 2000], [80.0, 100.0, 90.0, 103.0])
    0.03
    """
    peaks = list(accumulate(held, max))
    until = next(peak for frame, peak in zip(frames, peaks, strict=True) if frame >= FROM_FRAME)
    return round(peaks[-1] / until - 1, 6)


def shown(frames: Sequence[int], held: Sequence[float]) -> list[tuple[int, float]]:
    """The most held so far, at the frames of the page's table."""
    peaks = dict(zip(frames, accumulate(held, max), strict=True))
    return [(frame, peaks[frame]) for frame in SHOWN if frame in peaks]


def pattern(size: tuple[int, int], frames: int) -> Path:
    """A clip of a still pattern of waves and noise, over which a piece of it moves."""
    width, height = size
    file = WORK / "clips" / f"pattern-{width}x{height}-{frames}.mp4"
    if file.is_file():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part.mp4")
    rows, columns = np.mgrid[:height, :width]
    still = 126 + 60 * np.sin(columns / 17 + rows**2 / (height * 9)) + np.random.default_rng(0).normal(0, 9, rows.shape)
    luma = np.clip(still, 16, 235).astype(np.uint8)
    chroma = np.full((height // 2, width // 2), 128, np.uint8)
    side, wide = height // PATCH, width // PATCH
    with clips.Writer(part, preset="superfast") as writer:
        for number in range(frames):
            frame, left = luma.copy(), clips.to_and_fro(3 * number, width - wide)
            frame[height // 2 : height // 2 + side, left : left + wide] = luma[:side, :wide]
            writer.add((frame, chroma, chroma))
    part.replace(file)
    return file


if __name__ == "__main__":
    scaling()
