"""A learning curve as CSV and PNG."""

from __future__ import annotations

import csv
from pathlib import Path

from subpixel.models.training import Progress

HEADER = ("step", "seconds", "loss", "psnr_db")


def write_curve(progress: Progress, folder: Path, title: str, stem: str = "curve") -> None:
    """``STEM.csv`` and ``STEM.png``: loss and validation PSNR against steps and hours."""
    with (folder / f"{stem}.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows((s, f"{t:.0f}", f"{loss:.3e}", f"{db:.3f}") for s, t, loss, db in progress.points)
    _draw(progress, folder / f"{stem}.png", title)


def _draw(progress: Progress, path: Path, title: str) -> None:
    from matplotlib.figure import Figure  # slow to import, needed here only

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot()
    hours = [seconds / 3600 for _, seconds, _, _ in progress.points]
    axes.plot(hours, [db for *_, db in progress.points], marker="." if len(hours) < 50 else None)
    axes.set(title=title, xlabel="hours", ylabel="validation PSNR, dB")
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=110)
