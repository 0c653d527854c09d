"""``python -m subpixel.models.adopt``: make a finished training the committed weights, with its card and curve.

Example:  python -m subpixel.models.adopt espcn --scale 3 --run runs/espcn-x3 --command "subpixel train espcn ..."

A training in stages, each started with --init from the one before: --run and --command once a stage, in order;
--onwards where the first of them started from the committed weights, whose stages stay on the card. Weights that serve
all scales (vdsr) get one card, with the figures of every scale. What an image net is measured on: Set5, Set14, B100,
with the perceptual judges; a video net: Vid4, with the committed ESPCN of its scale beside it. Adversarial nets stand
beside the net they started from: --beside FILE.safetensors, by default its committed weights.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import mkdtemp

import click
import torch
from safetensors.torch import load_file, save_file

from subpixel.errors import BadInputError, NotFoundError
from subpixel.models.architecture import WEIGHTS, Architecture, TrainedModel
from subpixel.models.card import CardRecord, Figure, figures_of, read_card, write_card
from subpixel.models.card_words import ADVERSARIAL, words
from subpixel.models.curve import write_curve
from subpixel.models.evaluation import Bicubic, Measures, SetScore, Upscaler, score_set
from subpixel.models.judges import JUDGES
from subpixel.models.papers import PRETRAINED_SRPGAN, what_the_paper_says
from subpixel.models.registry import ARCHITECTURES, architecture, trained
from subpixel.models.training import CHECKPOINT, WEIGHTS_FILE, Progress, read_progress
from subpixel.models.upscalers import TorchUpscaler
from subpixel.tune import cpu_model

STARTED_FROM = {"enhancenet-pat": "enhancenet", "srpgan": PRETRAINED_SRPGAN}
BLENDED = (
    "The weights are the mean of the last stage's and of {}'s: network interpolation (Wang et al. 2018, ESRGAN, "
    "section 3.4)."
)
STILL_SETS, CLIP_SETS = ("set5", "set14", "b100"), ("vid4",)


@click.command()
@click.argument("name")
@click.option("--scale", type=int, required=True, help="Of weights for all scales: the one it was trained at.")
@click.option("--run", "runs", type=Path, multiple=True, required=True, help="The --out folder of a stage.")
@click.option("--command", "commands", multiple=True, required=True, help="The command of that stage, for the card.")
@click.option("--onwards", is_flag=True, help="The stages come after those of the card that is there.")
@click.option("--into", type=Path, default=WEIGHTS, help="Where the committed weights lie [the package's].")
@click.option("--set", "sets", multiple=True, help="What it is measured on [set5, set14, b100; vid4 for video].")
@click.option("--quick", is_flag=True, help="From unrounded LR only: half the time for a heavy net.")
@click.option("--beside", type=Path, help="Weights of the same net to judge it beside: those it started from.")
@click.option("--blend", type=Path, help="Take the mean of the last stage's weights and these: network interpolation.")
@click.option("--note", "notes", multiple=True, help="A paragraph for the card; repeatable.")
@click.option("--verdict", "said", help="The card's answer to whether more hours would help [from the curve].")
def adopt(name: str, scale: int, runs: tuple[Path, ...], commands: tuple[str, ...], onwards: bool, into: Path,
          sets: tuple[str, ...], quick: bool, beside: Path | None, blend: Path | None, notes: tuple[str, ...],
          said: str | None) -> None:  # fmt: skip
    """Copy weights, measure them on the sets of the card, write card and curve."""
    if len(runs) != len(commands):
        raise click.UsageError(f"found {len(runs)} --run and {len(commands)} --command; needed one of each a stage")
    chosen = architecture(name)
    chosen.check_scale(scale)
    stem = chosen.weights_name(scale)
    weights = Path(mkdtemp()) / f"{stem}.safetensors"  # the run may go on meanwhile; nothing is replaced before the end
    shutil.copyfile(runs[-1] / WEIGHTS_FILE, weights)
    if blend is not None:
        save_file(mean_of(weights, blend), weights)
        notes = (BLENDED.format(blend.stem), *notes)
    stages = [read_stage(folder) for folder in runs]
    before = read_card(into / f"{stem}.json") if onwards else None
    progress = joined([as_stage(before, into), *stages] if before else stages)
    if before:
        commands, notes = (*before.commands, *commands), (*before.notes, *notes)
    sets = sets or (CLIP_SETS if chosen.material == "clips" else STILL_SETS)
    scales = chosen.scales if chosen.shared else (scale,)
    figures = [f for s in scales for f in measured(chosen, s, weights, sets, quick, beside)]
    record = CardRecord(
        name=stem,
        commands=commands,
        stage_steps=(*(before.stage_steps if before else ()), *(stage.step for stage in stages)),
        hours=progress.seconds / 3600,
        machine=cpu_model(),
        weights_sha256=trained(name, scale, weights).weights_sha256,
        first_losses=tuple(progress.first_losses),
        figures=tuple(figures),
        paper=chosen.paper,
        paper_psnr_db=None,
        verdict=said or verdict(stages[-1], steps_asked(runs[-1]), chosen),
        paper_says=what_the_paper_says(name, scales, sets[0]),
        notes=notes,
        **asdict(words(chosen, commands)),
    )
    shutil.move(weights, into / f"{stem}.safetensors")
    weights.parent.rmdir()
    write_card(record, into)
    write_curve(progress, into, stem, stem=f"{stem}.curve")
    print("\n".join(f"{f.set_name} x{f.scale or scale}: {f.psnr_db:.3f} dB" for f in record.figures))
    print("next: scripts/install-dev, scripts/make-bundles, `subpixel evaluate --all` (--render: without measuring)")


def mean_of(one: Path, other: Path) -> dict[str, torch.Tensor]:
    """Half of each tensor of two files of one net. Raises ``BadInputError`` for files of different nets."""
    first, second = load_file(one), load_file(other)
    if {key: value.shape for key, value in first.items()} != {key: value.shape for key, value in second.items()}:
        raise BadInputError(f"--blend {other}: found other tensors than in {one}; needed weights of the same net")
    return {key: (first[key] + second[key]) / 2 for key in first}


def measured(
    chosen: Architecture, scale: int, weights: Path, sets: Sequence[str], quick: bool, beside: Path | None
) -> tuple[Figure, ...]:
    """The figures of one scale, set after set."""
    upscalers = {"bicubic": Bicubic(scale), **dict(compared(chosen, scale, weights, beside))}
    measures = Measures(eight_bit=not quick, judges=() if chosen.material == "clips" else JUDGES)
    rows: list[SetScore] = [row for name in sets for row in score_set(upscalers, name, scale, measures=measures)]
    return figures_of(rows, scale if chosen.shared else None)


def compared(chosen: Architecture, scale: int, weights: Path, beside: Path | None) -> Iterator[tuple[str, Upscaler]]:
    """The net, then what stands beside it on its card."""
    yield f"{chosen.name}-x{scale}", upscaler(trained(chosen.name, scale, weights))
    if beside is not None:
        name = STARTED_FROM.get(chosen.name, beside.stem)
        yield f"{name}-x{scale}", upscaler(trained(chosen.name, scale, beside))
        return
    other = STARTED_FROM.get(chosen.name, "espcn" if chosen.material == "clips" else "")
    if other in ARCHITECTURES:
        try:
            yield f"{other}-x{scale}", upscaler(trained(other, scale))
        except NotFoundError as absent:
            print(f"not beside it on the card: {absent}")


def upscaler(model: TrainedModel) -> TorchUpscaler:
    """A trained net, to be measured."""
    return TorchUpscaler(model.module(), model.architecture.spec(model.scale))


def read_stage(folder: Path) -> Progress:
    """What a stage's checkpoint tells of its progress; of a loop that keeps none there, its curve's points."""
    file = folder / CHECKPOINT
    kept = torch.load(file, weights_only=True) if file.is_file() else {}
    if "progress" in kept:
        return read_progress(json.loads(kept["progress"]))
    points = read_points(folder / "curve.csv")
    return Progress(step=points[-1][0], seconds=points[-1][1], points=points)


def as_stage(record: CardRecord, folder: Path) -> Progress:
    """The stages of a card as one, its curve beside it."""
    return Progress(
        step=sum(record.stage_steps),
        seconds=3600 * record.hours,
        first_losses=list(record.first_losses),
        points=read_points(folder / f"{record.name}.curve.csv"),
    )


def read_points(file: Path) -> list[tuple[int, float, float, float]]:
    """The points of a curve's file."""
    with file.open(newline="") as curve:
        rows = list(csv.DictReader(curve))
    return [(int(r["step"]), float(r["seconds"]), float(r["loss"]), float(r["psnr_db"])) for r in rows]


def steps_asked(folder: Path) -> int:
    """The steps that the stage's recipe asked for; without a recipe those it has done."""
    file = folder / CHECKPOINT
    kept = torch.load(file, weights_only=True) if file.is_file() else {}
    return int(json.loads(kept["recipe"])["steps"]) if "recipe" in kept else read_stage(folder).step


def joined(stages: list[Progress]) -> Progress:
    """One progress for all stages: steps, seconds and curve points counted on; first losses of the first."""
    whole = Progress(first_losses=stages[0].first_losses)
    for stage in stages:
        whole.points += [(whole.step + s, whole.seconds + t, loss, db) for s, t, loss, db in stage.points]
        whole.step += stage.step
        whole.seconds += stage.seconds
    return whole


def verdict(progress: Progress, steps: int, chosen: Architecture) -> str:
    """From the curve: how much the last half of the steps brought."""
    if progress.step < steps:
        return f"Yes: it was taken at step {progress.step} of {steps}, before its learning rate had come down."
    half = [db for step, _, _, db in progress.points if step <= steps // 2]
    if not half:
        return "Unknown: the curve has too few points."
    gain, where = progress.points[-1][3] - half[-1], "Vid4" if chosen.material == "clips" else "Set5"
    if chosen.name in ADVERSARIAL:
        return f"PSNR doesn't tell: the second half of the {steps} steps changed it by {gain:+.2f} dB on {where}."
    return f"The second half of the {steps} steps brought {gain:+.2f} dB on {where}; the curve lies beside this card."


if __name__ == "__main__":
    adopt()
