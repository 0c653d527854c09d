"""``subpixel evaluate``: one model on sets, or everything there is for the page of figures."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table

import subpixel
from subpixel.catalogue import find
from subpixel.choice import Wish, candidates
from subpixel.cli.console import Output, json_option, quiet_option
from subpixel.errors import BadInputError
from subpixel.models.evaluation import Bicubic, Measures, Score, SetScore, Upscaler, score_set
from subpixel.models.judges import JUDGES
from subpixel.models.quality import systems
from subpixel.models.quality_update import update
from subpixel.models.registry import trained
from subpixel.models.upscalers import BundleUpscaler, TorchUpscaler


@click.command()
@click.argument("model", required=False)
@click.option("--set", "sets", multiple=True,
              help="set5, set14, b100, urban100, vid4 or a folder; repeatable [set5; vid4 for video].")  # fmt: skip
@click.option("--engine", help="An engine of the runtime, or `torch` for the trained net itself.")
@click.option("--variant", help="One variant of the bundle by its id, passed or not.")
@click.option("--precision", type=click.Choice(["auto", "fp32", "fp16", "bf16", "int8"]), default="fp32",
              show_default=True, help="The arithmetic of the engine.")  # fmt: skip
@click.option("--weights", type=Path, help="With --engine torch: these weights instead of the committed ones.")
@click.option("--judges", is_flag=True, help="Perceptual measures too: HaarPSI and MDSI.")
@click.option("--each", is_flag=True, help="Every image, not only the means.")
@click.option("--all", "everything", is_flag=True,
              help="Every system on every set: measures what has changed and writes the page of figures. "
              "With MODEL (espcn) and --set only those rows.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("docs/quality.md"), show_default=True,
              help="With --all: the page; its records and pictures lie beside it.")  # fmt: skip
@click.option("--render", is_flag=True, help="With --all: only write the page again, from its records.")
@json_option
@quiet_option
def evaluate(model: str | None, sets: tuple[str, ...], engine: str | None, variant: str | None, precision: str,
             weights: Path | None, judges: bool, each: bool, everything: bool, out: Path, render: bool,
             as_json: bool, quiet: bool) -> None:  # fmt: skip
    """Measure MODEL (a name or a bundle) by the field's protocol, with bicubic's row beside it.

    \b
    Example:  subpixel evaluate espcn-x3 --set set5 --set set14
              subpixel evaluate --all
    """
    output = Output(as_json, quiet)
    if everything:
        _everything(model, sets, out, render, output)
        return
    if model is None:
        raise BadInputError("no MODEL named; `subpixel models` lists them, --all measures all of them")
    upscaler, label, scale, is_video = _upscaler(model, engine, variant, precision, weights)
    measures = Measures(judges=JUDGES if judges else ())
    rows = [
        row
        for name in sets or (("vid4",) if is_video else ("set5",))
        for row in score_set({"bicubic": Bicubic(scale), label: upscaler}, name, scale, measures=measures)
    ]
    output.console.print(_table(rows, each))
    output.result(rows)


def _everything(only: str | None, sets: tuple[str, ...], out: Path, render: bool, output: Output) -> None:
    known = {system.name for system in systems()}
    if only is not None and only not in known:
        raise BadInputError(f"--all {only}: no such system; there are: {', '.join(sorted(known))}")
    if not out.parent.is_dir():
        raise BadInputError(f"--out {out}: {out.parent} is no folder")
    summary = update(out, only, tuple(name.lower() for name in sets), not render, output)
    output.say(f"{summary.page}: {summary.measured} rows measured, {summary.waiting} waiting")
    output.result(summary)


def _upscaler(
    model: str, engine: str | None, variant: str | None, precision: str, weights: Path | None
) -> tuple[Upscaler, str, int, bool]:
    """What is measured, its name in the table, its scale, and whether it needs more than one frame."""
    if engine == "torch" or weights is not None:
        chosen = trained(model, weights=weights)
        spec = chosen.architecture.spec(chosen.scale)
        return TorchUpscaler(chosen.module(), spec), f"{chosen.name} (torch)", chosen.scale, spec.takes_windows
    bundle = find(model)
    wish = Wish(engine=engine, precision=precision, variant=variant)  # type: ignore[arg-type]
    opened = subpixel.Model(candidates(bundle, wish)[0], wish)
    ran, spec = opened.receipt, opened.spec
    label = f"{spec.name} ({ran.engine} {ran.precision}, {ran.variant})"
    return BundleUpscaler(opened), label, opened.scale, spec.takes_windows


def _table(rows: list[SetScore], each: bool) -> Table:
    table = Table(title="Y channel; PSNR in dB / SSIM")
    for column in ("model", "set", "scale", "unrounded LR", "8-bit LR, 8-bit result", *_more(rows[0].mean)):
        table.add_column(column)
    for row in rows:
        for score in (*(row.images if each else ()), row.mean):
            name = row.upscaler if score.name == "mean" else f"  {score.name}"
            figures = _pair(score.psnr_db, score.ssim), _pair(score.psnr_u8_db, score.ssim_u8)
            table.add_row(name, row.set_name, f"x{row.scale}", *figures, *_more(score).values())
    return table


def _pair(db: float | None, ssim: float | None) -> str:
    return "-" if db is None or ssim is None else f"{db:.2f} / {ssim:.4f}"


def _more(score: Score) -> dict[str, str]:
    """Columns that only some evaluations have: perceptual measures, and of clips the fault of the change in time."""
    found = {judge.title: f"{score.judged[judge.name]:.4f}" for judge in JUDGES if judge.name in score.judged}
    if score.temporal_levels is not None:
        found["change in time, levels off"] = f"{score.temporal_levels:.3f}"
    return found
