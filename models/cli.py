"""``subpixel train``."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from subpixel.cli.console import Output, json_option, quiet_option
from subpixel.errors import BadInputError, NotFoundError
from subpixel.models import training
from subpixel.models.adversarial_cli import AdversarialChoice, adversarial_options, trainer_for
from subpixel.models.architecture import Architecture
from subpixel.models.clips import clip_source, curve_windows, trained_length
from subpixel.models.colour_patches import ColourSource, colour_pairs, load_colour_pairs
from subpixel.models.curve import write_curve
from subpixel.models.evalsets import read_set, set_folder
from subpixel.models.patches import PatchSource, ScalesSource, image_files, load_pairs
from subpixel.models.recipe import Criterion, Recipe, TrainPrecision
from subpixel.models.registry import architecture

DEFAULTS = Recipe()


@click.command()
@click.argument("name")
@click.option("--scale", type=int, required=True, help="Enlargement factor.")
@click.option(
    "--data",
    type=Path,
    multiple=True,
    required=True,
    help="Folder of training images; repeatable, each drawn equally.",
)
@click.option("--out", type=Path, help="Folder for checkpoint, weights and curve [runs/NAME-xSCALE].")
@click.option("--init", type=Path, help="Start from these weights; tensors that don't fit stay fresh.")
@click.option("--steps", type=int, default=DEFAULTS.steps, show_default=True, help="Batches to train on.")
@click.option("--batch", type=int, default=DEFAULTS.batch, show_default=True, help="Patches a batch.")
@click.option("--patch", type=int, default=DEFAULTS.patch_px, show_default=True, help="LR pixels a side.")
@click.option("--lr", type=float, default=DEFAULTS.lr, show_default=True, help="Learning rate at its highest.")
@click.option("--seed", type=int, default=DEFAULTS.seed, show_default=True, help="Fixes weights and patches.")
@click.option("--precision", type=click.Choice(get_args(TrainPrecision)), default="auto", show_default=True,
              help="The arithmetic; auto: bf16 where it is faster here.")  # fmt: skip
@click.option("--criterion", type=click.Choice(get_args(Criterion)), default=DEFAULTS.criterion, show_default=True,
              help="Loss of nets that have none of their own.")  # fmt: skip
@click.option("--refresh", type=int, default=DEFAULTS.refresh, show_default=True,
              help="Steps between two updates of the optimiser's eigenbases.")  # fmt: skip
@click.option("--resized", type=float, multiple=True, help="Images also at this share of their size; repeatable.")
@click.option("--average-steps", type=int, default=DEFAULTS.average_steps, show_default=True,
              help="Save the mean of the weights of about the last so many steps.")  # fmt: skip
@click.option("--threads", type=int, default=DEFAULTS.threads, show_default=True, help="Of torch.")
@click.option("--device", default="cpu", show_default=True, help="cpu, or cuda for an NVIDIA GPU.")
@click.option(
    "--validate", default=None, help="Set or folder for the curve, never trained on [set5 where there is one]."
)
@click.option("--every", type=int, default=1000, show_default=True, help="Steps between validations and saves.")
@adversarial_options
@json_option
@quiet_option
def train(name: str, scale: int, data: tuple[Path, ...], out: Path | None, init: Path | None, steps: int, batch: int,
          patch: int, lr: float, seed: int, precision: TrainPrecision, criterion: Criterion,
          refresh: int, resized: tuple[float, ...], average_steps: int, threads: int, device: str, validate: str | None,
          every: int, as_json: bool, quiet: bool, **adversarial: Any) -> None:  # fmt: skip
    """Train NAME. Interrupted by Ctrl-C it saves; the same command goes on where it stopped.

    \b
    Example:  subpixel train espcn --scale 3 --data photos/
    """
    output = Output(as_json, quiet)
    chosen = architecture(name)
    chosen.check_scale(scale)
    recipe = Recipe(steps, batch, patch, lr, seed=seed, precision=precision, threads=threads,
                    criterion=criterion, refresh=refresh, resized=resized, average_steps=average_steps)  # fmt: skip
    folder = out or Path("runs") / chosen.weights_name(scale)
    source = source_of(chosen, data, scale, recipe, output)
    trainer = trainer_for(chosen, scale, recipe, source, folder, device, AdversarialChoice(**adversarial))
    _begin(trainer, init, output)
    pairs = _validation(chosen, validate, scale)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        _loop(trainer, pairs, every, output)
    finally:
        write_curve(trainer.progress, folder, f"{name} x{scale}")
    output.result({"weights": str(folder / training.WEIGHTS_FILE), "points": trainer.progress.points})


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def source_of(
    chosen: Architecture, data: tuple[Path, ...], scale: int, recipe: Recipe, output: Output
) -> training.BatchSource:
    """What the architecture is trained on, read from the ``--data`` folders."""
    for folder in data:
        if not folder.is_dir():
            raise NotFoundError(f"--data {folder}: no such folder; needed a folder of training images")
    if chosen.material == "scales":  # the patch asked for at --scale, the same HR size at the others
        hr_px = recipe.patch_px * scale
        patches = (replace(recipe, patch_px=hr_px // s) for s in chosen.scales)
        return ScalesSource([_patches(data, s, one, output) for s, one in zip(chosen.scales, patches, strict=True)])
    if chosen.material == "clips":
        if recipe.resized:
            raise BadInputError(f"--resized is for images, and {chosen.name} is trained on clips; leave it out")
        return clip_source(data, scale, recipe.patch_px, recipe.seed, trained_length(chosen), chosen.lookahead)
    return _patches(data, scale, recipe, output, colour=chosen.material == "rgb")


def _patches(data: tuple[Path, ...], scale: int, recipe: Recipe, output: Output, colour: bool = False) -> PatchSource:
    load, source = (load_colour_pairs, ColourSource) if colour else (load_pairs, PatchSource)
    patch_px = recipe.patch_px
    groups = [load(image_files([folder]), scale, patch_px, resized=recipe.resized) for folder in data]
    found, usable = len(image_files(data)) * (1 + len(recipe.resized)), sum(map(len, groups))
    if not usable:
        side = patch_px * scale
        raise BadInputError(f"found {found} images in --data, none of {side}x{side} pixels or more; needed some")
    output.say(f"{usable} of {found} images are large enough for {patch_px}-pixel LR patches")
    return source(groups, scale, patch_px, recipe.seed)


def _begin(trainer: training.Trainer, init: Path | None, output: Output) -> None:
    if trainer.resume():
        output.say(f"resuming at step {trainer.progress.step}")
    elif init is not None:
        fresh = trainer.start_from(init)
        output.say(f"started from {init.name}; left fresh: {', '.join(fresh) or 'nothing'}")
    output.say(f"precision {'bf16' if trainer.bf16 else 'fp32'}, {torch.get_num_threads()} thread(s)")


def _validation(
    chosen: Architecture, name: str | None, scale: int
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Without ``--validate``: Set5 where it is at hand, else no PSNR in the curve."""
    try:
        if chosen.material == "clips":
            return curve_windows(scale, trained_length(chosen), chosen.lookahead, name or "vid4")
        if chosen.material == "rgb":
            return colour_pairs(image_files([set_folder(name or "set5")]), scale)
        return [(image.lr, image.hr) for image in read_set(name or "set5", scale)]
    except NotFoundError:
        if name is not None:
            raise
        return []


def _loop(
    trainer: training.Trainer,
    pairs: list[tuple[NDArray[np.float64], NDArray[np.float64]]],
    every: int,
    output: Output,
) -> None:
    def measure(net: nn.Module) -> float:
        return training.psnr_of(net, pairs, trainer.scale) if pairs else float("nan")

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=output.progress_console, disable=output.quiet) as bar:
        task = bar.add_task("training", total=trainer.recipe.steps, completed=trainer.progress.step)
        seen = len(trainer.progress.points)
        for state in training.run(trainer, measure, every):
            bar.update(task, completed=state.step)
            if len(state.points) > seen:
                seen = len(state.points)
                step, seconds, loss, db = state.points[-1]
                bar.console.print(f"step {step}  {seconds:.0f} s  loss {loss:.3e}  validation {db:.3f} dB")
                write_curve(state, trainer.out, f"{trainer.architecture.name} x{trainer.scale}")
