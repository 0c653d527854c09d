"""Every variant of a bundle that this machine can run, through the gates; and what goes into the evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from subpixel.bundle import Bundle
from subpixel.choice import Candidate
from subpixel.cpu import machine
from subpixel.engines.base import Precision, Request
from subpixel.engines.table import ENGINES, EngineRow
from subpixel.errors import EngineError
from subpixel.evidence import Evidence, evidence_of, with_evidence
from subpixel.measuring import ImageSet, Reference, Run, measure
from subpixel.quality.gates import Verdict, all_passed
from subpixel.spec import Variant

Status = Literal["passed", "failed", "not here"]


@dataclass(frozen=True)
class Line:
    """One variant on one engine. ``precision``: what really ran; the figures are ``None`` where it didn't run here.

    ``max_abs``: of full scale, ``in_levels`` for the u8 kind; ``psnr_db``: worst image against the reference;
    ``loss_db``: mean over the gate set; ``bias_levels``: of the worst image; ``ms``: one 640x360 frame, measured here.
    ``reason``: why it failed or did not run; ``remark``: ``not faster here, not chosen``.
    """

    variant: str
    engine: str
    precision: str
    status: Status
    size_bytes: int
    in_levels: bool = False
    max_abs: float | None = None
    psnr_db: float | None = None
    loss_db: float | None = None
    bias_levels: float | None = None
    ms: float | None = None
    verdicts: tuple[Verdict, ...] = ()
    reason: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Checked:
    """One variant: its lines (a second one for another arithmetic that the engine takes by itself), its evidence."""

    lines: tuple[Line, ...]
    evidence: Evidence | None


def check_variant(bundle: Bundle, variant: Variant, reference: Reference, sets: Sequence[ImageSet]) -> Checked:
    """Measure one variant on the engine it was made for.

    Where it can't run here the evidence is ``None``, and the line says why and what is known of it.
    """
    row = row_for(bundle, variant)
    try:
        runs = list(_runs(row, bundle, variant, reference, sets))
    except EngineError as fault:
        return Checked((_absent(bundle, variant, row, str(fault)),), None)
    return checked_from(variant, runs, reference)


def checked_from(variant: Variant, runs: Sequence[Run], reference: Reference) -> Checked:
    """The lines and the evidence of what was measured."""
    return Checked(tuple(_line(variant, run) for run in runs), evidence_from(variant, runs, reference))


def row_for(bundle: Bundle, variant: Variant) -> EngineRow:
    """The engine that the variant was made for."""
    return next(row for row in ENGINES if row.targets[0] == variant.target)


def _runs(
    row: EngineRow, bundle: Bundle, variant: Variant, reference: Reference, sets: Sequence[ImageSet]
) -> Iterator[Run]:
    """In the variant's own precision and, where the library by itself takes another, in that one too."""
    own = measure(Candidate(row, bundle, variant, _request(row, "auto")), reference, sets)
    if own.receipt.precision != variant.precision:
        yield measure(Candidate(row, bundle, variant, _request(row, _precision(variant))), reference, sets)
    yield own


def _request(row: EngineRow, precision: Precision) -> Request:
    return Request(device="gpu" if row.name == "tensorrt" else "cpu", precision=precision)


def _precision(variant: Variant) -> Precision:
    known: dict[str, Precision] = {"fp32": "fp32", "fp16": "fp16", "bf16": "bf16", "int8": "int8"}
    return known.get(variant.precision, "auto")


def _line(variant: Variant, run: Run) -> Line:
    failed = [str(verdict) for verdict in run.verdicts if not verdict]
    return Line(
        variant=variant.id,
        engine=run.receipt.engine,
        precision=run.receipt.precision,
        status="failed" if failed else "passed",
        size_bytes=size_bytes(variant),
        in_levels=variant.kind == "u8",
        max_abs=run.max_abs,
        psnr_db=run.psnr_db,
        loss_db=run.loss_db,
        bias_levels=run.bias_levels,
        ms=run.ms,
        verdicts=run.verdicts,
        reason="; ".join(failed),
    )


def _absent(bundle: Bundle, variant: Variant, row: EngineRow, reason: str) -> Line:
    """What the bundle's evidence says of a variant that can't be run here; figures that fail there fail here too."""
    known = evidence_of(bundle, variant)
    status: Status = "not here"
    if known is None:
        told = "nothing is known of it"
    else:
        failed = [str(verdict) for verdict in known.verdicts if not verdict]
        status = "failed" if failed else "not here"
        told = "; ".join([f"{known.status} elsewhere" if known.status == "run" else known.status, *failed])
    return Line(
        variant.id, row.name, variant.precision, status, size_bytes(variant),
        verdicts=known.verdicts if known else (), reason=f"{told}; not run here: {reason}",
    )  # fmt: skip


def size_bytes(variant: Variant) -> int:
    """All files of a variant."""
    return sum(record.size_bytes for record in variant.files)


def evidence_from(variant: Variant, runs: Sequence[Run], reference: Reference) -> Evidence:
    """One record a variant; the verdicts of the engine's own choice of arithmetic are told from the first run's."""
    first = runs[0].receipt
    return Evidence(
        variant=variant.id,
        sha256=variant.file.sha256,
        verdicts=tuple(verdict for run in runs for verdict in _marked(run, run is not runs[0])),
        engine=first.engine,
        engine_version=first.version,
        machine=machine(),
        reference=reference.name,
        figures={name: value for run in runs for name, value in _figures(run, run is not runs[0])},
        notes=tuple(note for run in runs for note in _notes(run)),
    )


def _marked(run: Run, is_own_choice: bool) -> Iterator[Verdict]:
    choice = f"{run.receipt.precision}, the engine's own choice"
    for verdict in run.verdicts:
        gate = verdict.gate.removesuffix(f" in {run.receipt.precision}")
        yield replace(verdict, gate=f"{gate} in {choice}") if is_own_choice else verdict


def _figures(run: Run, is_own_choice: bool) -> Iterator[tuple[str, float]]:
    mark = f"{run.receipt.precision} " if is_own_choice else ""
    for name, value in run.figures.items():
        yield f"{mark}{name}", value


def _notes(run: Run) -> Iterator[str]:
    yield from run.notes
    if run.receipt.detail:
        yield f"{run.receipt.precision}: {run.receipt.detail}"


def with_remarks(lines: Sequence[Line]) -> tuple[Line, ...]:
    """Each int8 line that isn't faster here than its engine's fastest other one is marked; it is kept, not chosen."""
    return tuple(replace(line, remark=_remark(line, lines)) for line in lines)


def _remark(line: Line, lines: Sequence[Line]) -> str:
    others = [other.ms for other in lines
              if other.engine == line.engine and other.precision != "int8" and other.ms is not None]  # fmt: skip
    if line.precision != "int8" or line.ms is None or not others or line.ms < min(others):
        return ""
    return f"not faster here ({line.ms:.1f} ms, {min(others):.1f} without int8), not chosen"


def with_checked(bundle: Bundle, checked: Sequence[Checked]) -> Bundle:
    """The bundle with the evidence of everything that ran."""
    for one in checked:
        if one.evidence is not None:
            bundle = with_evidence(bundle, one.evidence)
    return bundle


def passed(lines: Sequence[Line]) -> bool:
    """True when something was measured and nothing failed."""
    return any(line.status == "passed" for line in lines) and all(line.status != "failed" for line in lines)


def trusted_int8(lines: Sequence[Line]) -> bool:
    """Whether an int8 variant passed all its gates here."""
    return any(line.precision == "int8" and all_passed(line.verdicts) for line in lines)
