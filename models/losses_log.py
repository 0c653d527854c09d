"""The losses of an adversarial training as CSV and PNG."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class LossRow:
    """One step: what the watch sees, then the generator's losses, unweighted."""

    step: int
    generator: float
    discriminator: float
    psnr_to_bicubic_db: float
    variation_ratio: float
    pixel: float
    content: float
    texture: float
    matching: float
    adversarial: float


def write_losses(rows: Sequence[LossRow], folder: Path) -> None:
    """``losses.csv``."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "losses.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(f.name for f in fields(LossRow))
        writer.writerows((row.step, *(f"{value:.5g}" for value in astuple(row)[1:])) for row in rows)


def draw_losses(rows: Sequence[LossRow], folder: Path) -> None:
    """``losses.png``, one panel for each column that isn't 0 throughout; nothing before there is anything to show."""
    if not rows:
        return
    from matplotlib.figure import Figure  # slow to import, needed here only

    names = [f.name for f in fields(LossRow)[1:] if any(getattr(row, f.name) for row in rows)]
    figure = Figure(figsize=(7, 1.6 * max(1, len(names))), layout="constrained")
    for index, name in enumerate(names):
        axes = figure.add_subplot(len(names), 1, index + 1)
        axes.plot([row.step for row in rows], [getattr(row, name) for row in rows], linewidth=0.8)
        axes.set_ylabel(name, fontsize=7)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / "losses.png", dpi=110)
