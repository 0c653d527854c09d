"""``python -m subpixel.models.adopt``: make a finished training the committed weights, with its card and curve.

Example:  python -m subpixel.models.adopt espcn --scale 3 --run runs/espcn-x3 --command "subpixel train espcn ..."

A training in stages, each started with --init from the one before: --run and --command once a stage, in order.
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
@click.option("--run", "runs", type=Path, multiple=True, required=True, help="The --out folder of a stage.")
@click.option("--command", "commands", multiple=True, required=True, help="The command of that stage, for the card.")
@click.option("--into", type=Path, default=WEIGHTS, help="Where the committed weights lie [the package's].")
def adopt(name: str, scale: int, runs: tuple[Path, ...], commands: tuple[str, ...], into: Path) -> None:
    """Copy weights, measure them on the sets of the card, write card and curve."""
    full_name = f"{name}-x{scale}"
    stages = [read_stage(folder) for folder in runs]
    progress = joined(stages)
    shutil.copyfile(runs[-1] / WEIGHTS_FILE, into / f"{full_name}.safetensors")
    model = trained(name, scale, into / f"{full_name}.safetensors")
    upscalers: dict[str, Upscaler] = {"bicubic": Bicubic(scale), full_name: TorchUpscaler(model.module())}
    rows = [row for set_name in SETS for row in score_set(upscalers, set_name, scale)]
    record = CardRecord(
        name=full_name,
        commands=commands,
        stage_steps=tuple(stage.step for stage in stages),
        hours=progress.seconds / 3600,
        machine=cpu_model(),
        weights_sha256=model.weights_sha256,
        first_losses=tuple(progress.first_losses),
        figures=figures_of(rows),
        paper=architecture(name).paper,
        paper_psnr_db=PAPER_SET5_DB.get(full_name),
        verdict=verdict(stages[-1], steps_asked(runs[-1])),
    )
    write_card(record, into)
    write_curve(progress, into, full_name, stem=f"{full_name}.curve")
    print("\n".join(f"{f.set_name}: {f.psnr_db:.3f} dB" for f in record.figures))


def read_stage(folder: Path) -> Progress:
    """What a stage's checkpoint tells of its progress."""
    return read_progress(json.loads(torch.load(folder / CHECKPOINT, weights_only=True)["progress"]))


def steps_asked(folder: Path) -> int:
    """The steps that the stage's recipe asked for."""
    return int(json.loads(torch.load(folder / CHECKPOINT, weights_only=True)["recipe"])["steps"])


def joined(stages: list[Progress]) -> Progress:
    """One progress for all stages: steps, seconds and curve points counted on; first losses of the first."""
    whole = Progress(first_losses=stages[0].first_losses)
    for stage in stages:
        whole.points += [(whole.step + s, whole.seconds + t, loss, db) for s, t, loss, db in stage.points]
        whole.step += stage.step
        whole.seconds += stage.seconds
    return whole


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
