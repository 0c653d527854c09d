"""``subpixel check``: every variant that this machine can run through the gates."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from subpixel.bundle import Bundle, save
from subpixel.catalogue import SHIPPED, find_here
from subpixel.checking import Checked, Line, check_variant, passed, with_checked, with_remarks
from subpixel.choice import Candidate
from subpixel.cli.console import Output, json_option, overwrite_option, quiet_option
from subpixel.cpu import machine
from subpixel.engines.base import Request
from subpixel.engines.table import engine_row
from subpixel.errors import BadInputError, OutputError, SubpixelError
from subpixel.gate_images import folder_frames
from subpixel.measuring import ImageSet, Reference, gate_set, onnx_reference, reference_by
from subpixel.quality.gate_measure import Plane
from subpixel.spec import ModelSpec, Variant

TRAINED = "subpixel.models.registry:trained"  # by its name: the runtime knows no torch
MARKS = {"passed": "✅", "failed": "❌", "not here": "–"}
FAMILIES = ("image", "video", "recurrent")
TABLE_COLUMNS = 110


@dataclass(frozen=True)
class Report:
    """The one object on stdout. ``written``: where the evidence went, ``None``: nowhere; ``path``: what was read."""

    bundle: str
    path: str | None
    reference: str
    machine: str
    sets: tuple[str, ...]
    lines: tuple[Line, ...]
    passed: bool
    written: str | None


@click.command()
@click.argument("bundle")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the bundle with its evidence there.")
@click.option("--variant", "ids", multiple=True, help="Only this variant; repeatable.")
@click.option("--data", type=click.Path(path_type=Path), help="A folder of images: int8 must pass on them too.")
@json_option
@quiet_option
@overwrite_option
def check(
    bundle: str, output: Path | None, ids: tuple[str, ...], data: Path | None,
    as_json: bool, quiet: bool, overwrite: bool,
) -> int:  # fmt: skip
    """Measure every variant of BUNDLE that this machine can run against the gates.

    The evidence goes into BUNDLE, or into a copy (-o); for a bundle that can't be written it is only printed.
    Exit code 1: a gate failed.

    \b
    Example:  subpixel check espcn-x3
              subpixel check mine.spx --data Set5 -o checked.spx
    """
    out = Output(as_json, quiet)
    source = find_here(bundle)
    place = place_for(source, output, overwrite)
    reference = reference_of(source)
    sets = image_sets(source.spec, data)
    checked = list(each(source, ids, reference, sets, out))
    lines = with_remarks([line for one in checked for line in one.lines])
    written = keep(with_checked(source, checked), place, out)
    report = Report(
        source.spec.name, None if source.path is None else str(source.path), reference.name, machine(),
        tuple(images.name for images in sets), lines, passed(lines), written,
    )  # fmt: skip
    show(report, out)
    out.result(report)
    return 0 if report.passed else 1


def place_for(bundle: Bundle, output: Path | None, overwrite: bool) -> Path | None:
    """Where the evidence is written: the copy, the bundle itself, or ``None``. Raises ``OutputError`` beforehand."""
    if output is not None:
        if output.exists() and not overwrite:
            raise OutputError(f"{output} exists; choose another name or pass --overwrite")
        return output
    return bundle.path if bundle.path is not None and is_writable(bundle.path) else None


def is_writable(path: Path) -> bool:
    """Whether a bundle may be changed where it lies: not one of the package's, nor one marked as read-only."""
    marked = not path.stat().st_mode & 0o222
    return SHIPPED not in path.parents and not marked and os.access(path, os.W_OK)


def image_sets(model: ModelSpec, data: Path | None) -> tuple[ImageSet, ...]:
    """The gate set, and the user's folder."""
    own = () if data is None else (ImageSet(data.name, folder_frames(data, model.scale, model.colour)),)
    return (gate_set(model.scale, model.colour), *own)


def each(
    bundle: Bundle, ids: Sequence[str], reference: Reference, sets: Sequence[ImageSet], out: Output
) -> Iterator[Checked]:
    """The variants one by one, with a line of progress."""
    variants = chosen(bundle, ids)
    with out.progress_console.status("") as status:
        for at, variant in enumerate(variants, 1):
            status.update(f"{variant.id} ({at} of {len(variants)})")
            yield check_variant(bundle, variant, reference, sets)


def chosen(bundle: Bundle, ids: Sequence[str]) -> list[Variant]:
    """The variants of these ids, all without any. Raises ``BundleError`` or, for a procedure, ``BadInputError``."""
    if bundle.spec.family not in FAMILIES:
        raise BadInputError(
            f"{bundle.spec.name} is of the family {bundle.spec.family}; the gates are for trained models"
        )
    return [bundle.manifest.variant(id) for id in ids] or list(bundle.manifest.variants)


def reference_of(bundle: Bundle) -> Reference:
    """Torch where it is installed and the registry has the weights that the bundle was made from, else its ONNX."""
    if bundle.spec.family not in FAMILIES:
        raise BadInputError(f"{bundle.spec.name} is a built-in procedure: there is nothing to compare it with")
    net = torch_net(bundle)
    if net is not None:
        return net
    row = engine_row("onnxruntime")
    return onnx_reference(Candidate(row, bundle, bundle.reference, Request(precision="fp32")))


def torch_net(bundle: Bundle) -> Reference | None:
    """The net that the bundle came from, as a function; ``None`` where torch or just these weights aren't here."""
    origin = bundle.manifest.provenance
    if origin.architecture is None or origin.weights_sha256 is None:
        return None
    try:
        torch = importlib.import_module("torch")
        module, _, name = TRAINED.partition(":")
        trained = getattr(importlib.import_module(module), name)(origin.architecture, bundle.spec.scale)
    except (ImportError, SubpixelError):
        return None
    if trained.weights_sha256 != origin.weights_sha256:
        return None
    return reference_by(_Stepping(torch, trained.module(), bundle.spec), bundle.spec, f"torch {torch.__version__}")


class _Stepping:
    """A torch net frame by frame, its states kept."""

    def __init__(self, torch: Any, net: Any, model: ModelSpec) -> None:
        self._torch, self._net, self._model = torch, net, model
        self._states: tuple[Any, ...] = ()

    def __call__(self, planes: Plane, starts_clip: bool) -> Plane:
        with self._torch.inference_mode():
            if starts_clip:
                size = planes.shape[1:]
                self._states = tuple(self._torch.zeros(1, s.channels, *size) for s in self._model.states)
            found = self._net(self._torch.from_numpy(np.ascontiguousarray(planes))[None], *self._states)
            sr, *states = found if self._model.states else (found,)
        self._states = tuple(states)
        result: Plane = sr[0].numpy()
        return result


def keep(bundle: Bundle, place: Path | None, out: Output) -> str | None:
    """Write it, if there is a place."""
    if place is None:
        out.say("the evidence is printed only: this bundle stays as it is (-o COPY writes one that has it)")
        return None
    return str(save(bundle, place, overwrite=True).path)


def show(report: Report, out: Output) -> None:
    """The table, and under it what failed and what could not run, in words."""
    if out.as_json:
        return
    print_table(report.lines, out)
    for line in report.lines:
        if line.reason or line.remark:
            out.say(f"{line.variant} {MARKS[line.status]} {'; '.join(filter(None, (line.reason, line.remark)))}")
    out.say(f"Reference: {report.reference}. Measured on {', '.join(report.sets)}; {report.machine}")
    if report.written:
        out.say(f"evidence written to {report.written}")


def print_table(lines: Sequence[Line], out: Output) -> None:
    """Whole, also where the output is no terminal and has no width."""
    console = out.console
    console.width = max(console.width, TABLE_COLUMNS)
    console.print(table(lines))


def table(lines: Sequence[Line]) -> Table:
    """One line a variant and arithmetic."""
    result = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    titles = ("variant", "ran in", "size", "max abs", "dB", "dB lost", "bias", "ms here", "")
    for title in titles:
        left = title in ("variant", "ran in", "")
        result.add_column(title, justify="left" if left else "right", no_wrap=True)
    for line in lines:
        result.add_row(*cells(line))
    return result


def cells(line: Line) -> tuple[Text | str, ...]:
    """The texts of one line; an en dash where nothing was measured."""
    ran = "–" if line.ms is None else line.precision
    mark = MARKS[line.status] + (" not faster" if line.remark else "")
    figures = (
        (line.max_abs, ".2g"),
        (line.psnr_db, ".1f"),
        (line.loss_db, ".3f"),
        (line.bias_levels, "+.2f"),
        (line.ms, ".1f"),
    )
    max_abs, *numbers = ("–" if value is None else format(value, form) for value, form in figures)
    unit = " levels" if line.max_abs is not None and line.in_levels else ""
    return (Text(line.variant), ran, f"{line.size_bytes / 1000:.0f} kB", max_abs + unit, *numbers, mark)
