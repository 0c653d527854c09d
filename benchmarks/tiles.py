#!/usr/bin/env python
"""How large tiles should be: CPU time and memory of one large frame for each size; `subpixel.tiles` has the choice.

python benchmarks/tiles.py            # prints a table; each size in a process of its own, all sizes in turns
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections import defaultdict

import click
import numpy as np

import subpixel

SIZES = (192, 256, 384, 512, 768, 1024)
FRAME = (1080, 3840)  # half of a 4K frame


@click.command()
@click.option("--model", default="espcn-x3", show_default=True)
@click.option("--engine", default="onnxruntime", show_default=True)
@click.option("--rounds", default=3, show_default=True)
@click.option("--one", type=int, hidden=True)
def tiles(model: str, engine: str, rounds: int, one: int | None) -> None:
    """Time half a 4K frame in tiles of each size."""
    if one is not None:
        print(json.dumps(run(model, engine, one)))
        return
    found: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for _ in range(rounds):
        for size in SIZES:
            command = [sys.executable, __file__, "--model", model, "--engine", engine, "--one", str(size)]
            found[size].append(json.loads(subprocess.run(command, check=True, capture_output=True).stdout))
    print(f"{model} by {engine}, {FRAME[1]}x{FRAME[0]}, one thread, median of {rounds}")
    print("| tile, px | CPU s a frame | MiB beyond before the frame |\n|---|---|---|")
    for size, runs in found.items():
        print(f"| {size} | {np.median([cpu for cpu, _ in runs]):.2f} | {np.median([mib for _, mib in runs]):.0f} |")


def run(name: str, engine: str, size: int) -> tuple[float, float]:
    """CPU seconds of one frame, and by how many MiB the process grew with it."""
    frame = np.random.default_rng(0).integers(16, 236, FRAME, dtype=np.uint8)
    with subpixel.open(name, engine=engine, precision="fp32", threads=1) as model:
        model.upscale_luma(frame[:64, :64].copy())
        model.tile_px = size
        before, started = peak_mib(), time.process_time()
        model.upscale_luma(frame)
        return time.process_time() - started, peak_mib() - before


def peak_mib() -> float:
    """The process's largest resident size up to now."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    tiles()
