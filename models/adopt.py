"""``python -m subpixel.models.adopt``: make a finished training the committed weights, with its card and curve.

Example:  python -m subpixel.models.adopt espcn --scale 3 --run runs/espcn-x3 --command "subpixel train espcn ..."
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import click
import torch

from subpixel.models.architecture import WEIGHTS
from subpixel.models.card import CardRecord, figures_of, write_card
from subpixel.models.curve import write_curve
from subpixel.models.evaluation import Bicubic, Upscaler, score_set
from subpixel.models.registry import architecture, trained
from subpixel.models.training import CHECKPOINT, WEIGHTS_FILE, Progress, read_progress
from subpixel.models.upscalers import TorchUpscaler
from subpixel.tune import cpu_model

PAPER_SET5_DB = {"espcn-x3": 33.13, "espcn-x4": 30.90}
SETS = ("set5", "set14", "b100")


@click.command()
@click.argument("name")
@click.option("--scale", type=int, required=True)
@click.option("--run", "run_folder", type=Path, required=True, help="The --out folder of the training.")
@click.option("--command", required=True, help="The command that made it, for the card.")
@click.option("--into", type=Path, default=WEIGHTS, help="Where the committed weights lie [the package's].")
def adopt(name: str, scale: int, run_folder: Path, command: str, into: Path) -> None:
    """Copy weights, measure them on the sets of the card, write card and curve."""
    full_name = f"{name}-x{scale}"
    state = torch.load(run_folder / CHECKPOINT, weights_only=True)
    progress = read_progress(json.loads(state["progress"]))
    shutil.copyfile(run_folder / WEIGHTS_FILE, into / f"{full_name}.safetensors")
    model = trained(name, scale, into / f"{full_name}.safetensors")
    upscalers: dict[str, Upscaler] = {"bicubic": Bicubic(scale), full_name: TorchUpscaler(model.module())}
    rows = [row for set_name in SETS for row in score_set(upscalers, set_name, scale)]
    record = CardRecord(
        name=full_name,
        command=command,
        hours=progress.seconds / 3600,
        machine=cpu_model(),
        weights_sha256=model.weights_sha256,
        first_losses=tuple(progress.first_losses),
        figures=figures_of(rows),
        paper=architecture(name).paper,
        paper_psnr_db=PAPER_SET5_DB.get(full_name),
        verdict=verdict(progress, json.loads(state["recipe"])["steps"]),
    )
    write_card(record, into)
    write_curve(progress, run_folder, full_name)
    for suffix in ("csv", "png"):
        shutil.copyfile(run_folder / f"curve.{suffix}", into / f"{full_name}.curve.{suffix}")
    print("\n".join(f"{f.set_name}: {f.psnr_db:.3f} dB" for f in record.figures))


def verdict(progress: Progress, steps: int) -> str:
    """From the curve: how much the last half of the steps brought."""
    if progress.step < steps:
        return f"Yes: it was taken at step {progress.step} of {steps}, before its learning rate had come down."
    half = [db for step, _, _, db in progress.points if step <= steps // 2]
    if not half:
        return "Unknown: the curve has too few points."
    gain = progress.points[-1][3] - half[-1]
    return f"The second half of the {steps} steps brought {gain:+.2f} dB on Set5; the curve lies beside this card."


if __name__ == "__main__":
    adopt()
