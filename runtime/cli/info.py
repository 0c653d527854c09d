"""``subpixel info`` and ``subpixel models``: what there is, and what is known of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import click
from rich import box
from rich.table import Table
from rich.text import Text

from subpixel.catalogue import find, find_here, procedure_names, shipped_names
from subpixel.cli.console import Output, json_option, quiet_option
from subpixel.cli.describe import FAILED, PASSED, BundleFacts, describe

MARKS = {PASSED: "✅", FAILED: "❌"}
RIGHT = ("scale", "parameters", "MACs/pixel", "reads", "size", "Set5 dB", "Vid4 dB")


@dataclass(frozen=True)
class ModelLine:
    """One model of `subpixel models --json`. ``radius_px``: how far an LR pixel reaches, ``None``: unbounded.

    ``macs_per_pixel``: multiply-accumulates for an output pixel. ``receptive_px``: side of the square of LR pixels that
    an output pixel depends on. ``set5_db``, ``vid4_db``: PSNR of Y from unrounded LR.
    """

    name: str
    scale: int
    family: str
    path: str | None
    parameters: int | None
    radius_px: int | None
    size_bytes: int
    passed_targets: tuple[str, ...]
    set5_db: float | None
    vid4_db: float | None = None
    macs_per_pixel: float | None = None
    receptive_px: int | None = None


@dataclass(frozen=True)
class ModelList:
    """The one object on stdout."""

    models: tuple[ModelLine, ...]


@click.command()
@click.argument("name_or_bundle")
@json_option
@quiet_option
def info(name_or_bundle: str, as_json: bool, quiet: bool) -> None:
    """Show what a bundle holds: contract, variants with their verdicts, origin, licence.

    NAME_OR_BUNDLE is a shipped name, a bundle folder or an .spx file; every hash is checked on the way.

    \b
    Example:  subpixel info espcn-x3
              subpixel info espcn-x3 --json
    """
    output = Output(as_json, quiet)
    facts = describe(find_here(name_or_bundle))
    if not as_json:
        for part in (contract_table(facts), variant_table(facts)):
            output.console.print(part)
        for line in (*gate_lines(facts), "", f"Licence: {facts.licence or 'not said'}"):
            output.say(line)
    output.result(facts)


@click.command()
@json_option
@quiet_option
def models(as_json: bool, quiet: bool) -> None:
    """List the models that come with the package, and the classical methods.

    \b
    Example:  subpixel models
              subpixel models --json
    """
    output = Output(as_json, quiet)
    bundles = [find(name) for name in (*shipped_names(), *procedure_names())]
    lines = tuple(_line(describe(bundle)) for bundle in bundles)
    if not as_json:
        output.console.print(model_table(lines))
    output.result(ModelList(lines))


def _line(facts: BundleFacts) -> ModelLine:
    spec = facts.contract
    return ModelLine(
        name=facts.name,
        scale=spec.scale,
        family=spec.family,
        path=facts.path,
        parameters=facts.parameters,
        radius_px=spec.radius_px,
        size_bytes=facts.size_bytes,
        passed_targets=facts.passed_targets,
        set5_db=facts.set5_db,
        vid4_db=facts.db("vid4"),
        macs_per_pixel=facts.macs_per_pixel,
        receptive_px=None if spec.radius_px is None else 2 * spec.radius_px + 1,
    )


def model_table(lines: tuple[ModelLine, ...]) -> Table:
    """A line a model; ``reads``: its receptive field in LR pixels."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("model", "scale", "family", *RIGHT[1:], "passed on"):
        table.add_column(title, justify="right" if title in RIGHT else "left")
    for line in lines:
        table.add_row(
            Text(line.name),
            f"x{line.scale}",
            line.family,
            number(line.parameters),
            number(None if line.macs_per_pixel is None else round(line.macs_per_pixel)),
            "all" if line.receptive_px is None else f"{line.receptive_px}x{line.receptive_px}",
            size(line.size_bytes) if line.path else "built in",
            _db(line.set5_db),
            _db(line.vid4_db),
            Text(", ".join(line.passed_targets) or "–"),
        )
    return table


def _db(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def contract_table(facts: BundleFacts) -> Table:
    """What holds for every variant, a line a fact. What a bundle says is shown as text, never as markup."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _contract(facts):
        table.add_row(name, Text(value))
    return table


def _contract(facts: BundleFacts) -> Iterator[tuple[str, str]]:
    spec, origin = facts.contract, facts.provenance
    yield "model", f"{facts.name} (version {spec.version}), {spec.family}, x{spec.scale}"
    yield "path", facts.path or "built in"
    yield "size", f"{size(facts.size_bytes)}, {number(facts.parameters)} parameters"
    yield "works on", "luma (Y of BT.601, studio swing)" if spec.colour == "y" else "RGB"
    yield "receptive field", _field(spec.radius_px)
    if spec.size_multiple > 1:
        yield "frame size", f"multiples of {spec.size_multiple}"
    if spec.window > 1:
        yield "window", f"{spec.window} frames"
    if facts.macs_per_pixel is not None:
        yield "cost", f"{number(round(facts.macs_per_pixel))} multiply-accumulates for an output pixel"
    for title, value in (("Set5", facts.set5_db), ("Vid4", facts.db("vid4"))):
        if value is not None:
            yield title, f"{value:.2f} dB"
    yield "origin", ", ".join(filter(None, (origin.source, origin.created_by))) or "not said"
    if origin.weights_sha256:
        yield "weights", f"sha256 {origin.weights_sha256}"


def variant_table(facts: BundleFacts) -> Table:
    """A line a variant."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("variant", "kind", "input", "frame", "size", "opened by", "verdict"):
        whole = title in ("variant", "size", "verdict")
        table.add_column(title, justify="right" if title == "size" else "left", no_wrap=whole, overflow="fold")
    for variant in facts.variants:
        table.add_row(
            Text(variant.id),
            variant.kind,
            Text(f"{variant.inputs[0].dtype} {variant.inputs[0].axes}"),
            "any" if variant.shapes is None else f"{variant.shapes[1]}x{variant.shapes[0]}",
            size(variant.size_bytes),
            ", ".join(variant.engines) or "none",
            Text(f"{MARKS.get(variant.status, '–')} {variant.status}"),
        )
    return table


def gate_lines(facts: BundleFacts) -> Iterator[str]:
    """Every verdict in words, under its variant."""
    for variant in facts.variants:
        if variant.verdicts or variant.notes:
            yield f"{variant.id}, measured by {variant.measured_by or 'somebody unnamed'}:"
        for line in (*variant.verdicts, *variant.notes):
            yield f"  {line}"


def _field(radius_px: int | None) -> str:
    if radius_px is None:
        return "unbounded: whole frames only, never tiles"
    return f"{radius_px} pixels of the input around each"


def number(count: int | None) -> str:
    """1234 as ``1,234``; unknown as a dash."""
    return "–" if count is None else f"{count:,}"


def size(size_bytes: int) -> str:
    """Bytes in the unit that suits."""
    for unit, factor in (("MB", 1_000_000), ("kB", 1_000)):
        if size_bytes >= factor:
            return f"{size_bytes / factor:.1f} {unit}"
    return f"{size_bytes} B"
