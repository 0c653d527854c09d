#!/usr/bin/env python
"""Where the CPU time of `subpixel upscale` goes, by Linux's `perf`: encoder, model, Python and copies ...

    python benchmarks/shares.py           # a minute, writes docs/performance.*; needs `perf`

Of the long clip the first seconds, importing and opening, are left out. Beside it the whole jobs of the race that it is
about most, from start to end, in CPU milliseconds a frame, and FFmpeg's own.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from racing import clips
from racing.contenders import ESPCN, Contender, lanczos, ours
from racing.machine import line, machine
from racing.page import render
from racing.peers import Peers
from racing.process import run
from racing.record import RECORD, load

from subpixel.catalogue import DEFAULT_MODEL

WORK = clips.ROOT / ".cache" / "benchmarks"
SHARE = re.compile(r"^\s*([\d.]+)%\s+(\S.*?)\s*$")
LISTED, JOB_FRAMES = 15, 120
JOBS = (("still", "edge-fast-x3"), ("still", "lanczos"), ("moving", ESPCN), ("moving", "lanczos"))
# The first that fits a library's name. libc is mostly memcpy, so it counts as copies, whoever called it.
GROUPS = (
    ("encoder", r"libx264|libx265"),
    ("decoder, scaling, container", r"libav(codec|format|util|filter)|libsw(scale|resample)"),
    ("model", r"onnxruntime|openvino|\[JIT\]|litert|tensorflow|XNNPACK|libtbb|libgomp|ncnn"),
    ("kernel", r"\[kernel|\[vdso|\[guest|\[hypervisor"),
    ("Python and copies", r"python|\.so$|abi3|cpython|libc[.-]|libm[.-]|openblas|libz|ld-linux|libstdc|libpthread"),
)


@click.command()
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="A bundle.")
@click.option("--frames", default=500, show_default=True, help="Of the moving clip.")
@click.option("--skip", "skipped_seconds", default=3.0, show_default=True, help="Left out at the beginning.")
@click.option("--record", type=Path, default=RECORD, show_default="docs/performance.json", help="Where figures go.")
def shares(model: str, frames: int, skipped_seconds: float, record: Path) -> None:
    """Profile, print, and write the record and its page."""
    if shutil.which("perf") is None:
        raise SystemExit("there is no `perf`; Debian has it in linux-perf")
    clip = clips.made(clips.available()[0], WORK / "clips", frames)
    with tempfile.TemporaryDirectory(prefix="shares-") as folder:
        work = Path(folder)
        libraries = profiled(ours(model, work), clip, work, skipped_seconds)
        jobs = [job for name, of in JOBS if (job := whole_job(name, of, work))]
    groups = grouped(libraries)
    section = {"machine": machine(), "model": model, "groups": groups,
               "libraries": dict(libraries.most_common(LISTED)), "jobs": jobs}  # fmt: skip
    print(line(machine()))
    for name, share in sorted(groups.items(), key=lambda item: -item[1]):
        print(f"{share:6.1%} {name}")
    for job in jobs:
        print(job["name"], job["clip"], ", ".join(f"{name} {ms:.1f} ms" for name, ms in job["cpu_ms"].items()))
    kept = load(record)
    kept.put("shares", section)
    render(kept)


def whole_job(clip_name: str, of: str, work: Path) -> dict[str, Any] | None:
    """CPU milliseconds a frame of one of the race's jobs, by purpose; ``None`` where it can't be run here."""
    contender = lanczos(Peers()) if of == "lanczos" else ours(of, work)
    recipe = next((one for one in clips.available() if one.name == clip_name and not one.absent), None)
    if contender.absent or recipe is None:
        print(f"left out: {contender.name}, {clip_name}: {contender.absent or 'no such clip here'}")
        return None
    clip = clips.made(recipe, WORK / "clips", JOB_FRAMES)
    shares = grouped(profiled(contender, clip, work, 0.0))
    cost = run(contender.command(clip, work / "result.mp4"), contender.environment)  # perf takes some time itself
    cpu_ms = {name: round(1000 * cost.cpu_seconds / clip.frames * share, 3) for name, share in shares.items()}
    return {"clip": clip_name, "name": contender.name, "cpu_ms": cpu_ms}


def profiled(contender: Contender, clip: clips.Clip, work: Path, skipped_seconds: float) -> Counter[str]:
    """Shares of the CPU time by library, by perf's clock, which needs no counters of the processor."""
    data, target = work / "perf.data", work / "result.mp4"
    command = contender.command(clip, target)
    run(command, contender.environment)
    delay = ["-D", str(round(1000 * skipped_seconds))] if skipped_seconds else []
    run(
        ["perf", "record", "-e", "cpu-clock", "-F", "499", *delay, "-o", str(data), "--", *command],
        contender.environment,
    )
    report = ["perf", "report", "-i", str(data), "--sort", "dso", "--stdio"]
    said = subprocess.run(report, capture_output=True, text=True, check=True, env={**os.environ, "LC_ALL": "C"})
    return Counter(dict(parsed(said.stdout)))


def parsed(report: str) -> Iterator[tuple[str, float]]:
    """Library and share, 0 to 1, of a report by libraries; code made at run time under one name."""
    found: Counter[str] = Counter()
    for text in report.splitlines():
        match = SHARE.match(text)
        if match:
            name = "[JIT]" if match.group(2).startswith("[JIT]") else match.group(2)
            found[name] += float(match.group(1)) / 100
    yield from ((name, round(share, 5)) for name, share in found.items())


def grouped(libraries: Counter[str]) -> dict[str, float]:
    """Shares by what the libraries are for."""
    found: Counter[str] = Counter({name: 0.0 for name, _ in GROUPS})
    for library, share in libraries.items():
        found[next((name for name, pattern in GROUPS if re.search(pattern, library)), "others")] += share
    return {name: round(share, 5) for name, share in found.items()}


if __name__ == "__main__":
    print(f"profiling with {sys.executable}", file=sys.stderr)
    shares()
