#!/usr/bin/env python
"""From nothing to the first frame: `import subpixel`, open, one frame of 640x360; tuned before, fresh processes.

python benchmarks/startup.py          # half a minute, writes docs/performance.*
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import click
from racing.machine import line, machine
from racing.page import render
from racing.process import Cost, RunError, as_users_have, run
from racing.record import RECORD, load

from subpixel.catalogue import DEFAULT_MODEL

PARTS = ("interpreter", "import", "open", "first frame", "second frame")
TOTAL = ("import", "open", "first frame")
CHILD = """
import sys, time
at = [time.perf_counter()]
import subpixel
at.append(time.perf_counter())
model = subpixel.open(sys.argv[1])
at.append(time.perf_counter())
import numpy as np
frame = np.full((360, 640), 128, np.uint8)
for _ in range(2):
    begun = time.perf_counter()
    model.upscale(frame)
    at.append(at[-1] + time.perf_counter() - begun)
import json
print(json.dumps([after - before for before, after in zip(at, at[1:])]))
"""
TUNE = "import subpixel, sys; subpixel.open(sys.argv[1], tune=True)"


@click.command()
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="A bundle.")
@click.option("--runs", default=10, show_default=True, help="Fresh processes.")
@click.option("--quick", is_flag=True, help="Two runs, nothing written.")
@click.option("--record", type=Path, default=RECORD, show_default="docs/performance.json", help="Where figures go.")
def startup(model: str, runs: int, quick: bool, record: Path) -> None:
    """Measure, print, and write the record and its page."""
    with tempfile.TemporaryDirectory(prefix="startup-") as cache:
        environment = as_users_have({"SUBPIXEL_CACHE": cache})
        subprocess.run([sys.executable, "-c", TUNE, model], check=True, env=environment, stdout=subprocess.DEVNULL)
        found = [fresh(model, environment) for _ in range(2 if quick else runs)]
    section = {"machine": machine(), "model": model, **summary(found)}
    print(line(machine()))
    for part, middle in section["median"].items():
        print(f"{part}: min {section['min'][part]:.3f} s, median {middle:.3f} s")
    if not quick:
        kept = load(record)
        kept.put("startup", section)
        render(kept)


def fresh(model: str, environment: dict[str, str]) -> dict[str, float]:
    """Seconds of each part of one process; ``interpreter``: all that is left of its life, start and end."""
    cost: Cost = run([sys.executable, "-c", CHILD, model], environment)
    try:
        parts = dict(zip(PARTS[1:], json.loads(cost.output.splitlines()[-1]), strict=True))
    except (ValueError, IndexError) as fault:
        raise RunError(f"the process said {cost.output!r}") from fault
    return {"interpreter": cost.seconds - sum(parts.values()), **parts, "foreign": cost.foreign_share}


def summary(found: list[dict[str, float]]) -> dict[str, object]:
    """Least and median of each part, and of the total: import, open and the first frame."""
    columns = {part: [one[part] for one in found] for part in PARTS}
    columns["total"] = [sum(one[part] for part in TOTAL) for one in found]
    return {
        "runs": len(found),
        "disturbed": max(one["foreign"] for one in found),
        "min": {part: round(min(values), 4) for part, values in columns.items()},
        "median": {part: round(median(values), 4) for part, values in columns.items()},
    }


if __name__ == "__main__":
    startup()
