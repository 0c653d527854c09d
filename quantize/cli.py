"""The verb ``quantize``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from subpixel.bundle import Bundle, save
from subpixel.catalogue import find_here
from subpixel.checking import Line
from subpixel.cli.check import image_sets, is_writable, print_table, reference_of
from subpixel.cli.console import Output, json_option, overwrite_option, quiet_option
from subpixel.errors import BadInputError, OutputError
from subpixel.quantize.calibration import calibration
from subpixel.quantize.driver import METHODS, Attempt, Method, Options, attempts, best
from subpixel.quantize.targets import QUANTISERS


@dataclass(frozen=True)
class Tried:
    """One recipe of one target; ``kept``: it is the one in the bundle."""

    target: str
    recipe: str
    passed: bool
    kept: bool
    status: str
    lines: tuple[Line, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """The one object on stdout. ``passed``: every target has a variant that passed its gate."""

    bundle: str
    path: str
    reference: str
    tried: tuple[Tried, ...]
    passed: bool


@click.command()
@click.argument("bundle")
@click.option(
    "--for", "targets", multiple=True, required=True, type=click.Choice(list(QUANTISERS)), help="An engine; repeatable."
)
@click.option(
    "--calibration", "source", required=True, type=click.Path(path_type=Path),
    help="Real frames as the model will get them: a folder of images, or a clip.",
)  # fmt: skip
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write there; else into BUNDLE itself.")
@click.option(
    "--method", type=click.Choice(METHODS), default="auto", show_default=True,
    help="plain: the engine's own tool; calibrated: weights rounded so that results stay; qat: trained after that; "
    "auto: calibrated, recipe by recipe until one passes.",
)  # fmt: skip
@click.option("--recipe", help="Only this recipe of the target (integer, inputs, dynamic).")
@click.option(
    "--from", "start", help="A bundle of another net for the same work, easier to round: it is rounded, and judged as "
    "BUNDLE's all the same.",
)  # fmt: skip
@click.option("--keep-float", default="", help="Layers to leave in float: first, last, names; comma-separated.")
@click.option("--steps", default=1500, show_default=True, type=click.IntRange(1), help="Of training, for qat.")
@click.option("--seed", default=0, show_default=True, help="For drawing frames and for training.")
@click.option("--data", type=click.Path(path_type=Path), help="A folder of images: int8 must pass on them too.")
@json_option
@quiet_option
@overwrite_option
def quantize(
    bundle: str, targets: tuple[str, ...], source: Path, output: Path | None, method: Method, recipe: str | None,
    start: str | None, keep_float: str, steps: int, seed: int, data: Path | None, as_json: bool, quiet: bool,
    overwrite: bool,
) -> int:  # fmt: skip
    """Add int8 variants to BUNDLE, each through the gate; what fails is kept with its figures, never chosen.

    Exit code 1: a target has no variant that passed.

    \b
    Example:  subpixel quantize espcn-x3 --for openvino --calibration samples/bunny_424x240.mp4 -o mine.spx
    """
    out = Output(as_json, quiet)
    given, other = find_here(bundle), find_here(start) if start else None
    place = place_for(given, output, overwrite)
    options = Options(method, tuple(filter(None, keep_float.split(","))), recipe, seed, steps)
    reference, sets = reference_of(given), image_sets(given.spec, data)
    used = calibration(source, given.spec.scale, seed)
    result, tried = given, []
    for target in dict.fromkeys(targets):
        with out.progress_console.status(f"{target}: reading") as status:
            found = list(attempts(result, target, used, options, reference, sets, status.update, other))
        result = best(found).bundle
        tried += records(target, found)
    written = save(result, place, overwrite=True)
    report = Report(result.spec.name, str(written.path), reference.name, tuple(tried), _passed(tried))
    show(report, out)
    out.result(report)
    return 0 if report.passed else 1


def place_for(bundle: Bundle, output: Path | None, overwrite: bool) -> Path:
    """Where the result goes. Raises ``OutputError`` or ``BadInputError`` before the work."""
    if output is not None:
        if output.exists() and not overwrite and (bundle.path is None or not output.samefile(bundle.path)):
            raise OutputError(f"{output} exists; choose another name or pass --overwrite")
        return output
    if bundle.path is None or not is_writable(bundle.path):
        raise BadInputError(f"{bundle.spec.name} stays as it is where it lies; name a copy with -o FILE")
    return bundle.path


def records(target: str, found: Sequence[Attempt]) -> list[Tried]:
    """A line of the report for each attempt."""
    kept = best(found)
    return [
        Tried(target, one.name, one.passed, one is kept, one.evidence.status, one.checked.lines, one.evidence.notes)
        for one in found
    ]


def _passed(tried: Sequence[Tried]) -> bool:
    return all(one.passed for one in tried if one.kept)


def show(report: Report, out: Output) -> None:
    """The table of what was tried, what failed and why."""
    if out.as_json:
        return
    print_table([line for one in report.tried for line in one.lines], out)
    for one in report.tried:
        verdict = "kept" if one.kept and one.passed else "kept as failed" if one.kept else "not kept"
        out.say(f"{one.target}: {one.recipe}: {verdict}")
        for line in one.lines:
            if line.reason:
                out.say(f"  {line.reason}")
        if one.status != "run":
            out.say(f"  {one.notes[1]}")
    out.say(f"Reference: {report.reference}. Wrote {report.path}")
