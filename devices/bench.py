"""Measures every usable variant of a bundle on every engine, then the whole job; a failure is a row with its reason."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from subpixel import __version__
from subpixel.bundle import Bundle
from subpixel.catalogue import bicubic_bundle, find_here
from subpixel.devices.child import ask
from subpixel.devices.detection import detect
from subpixel.devices.doctor import EngineReport, examine_engines
from subpixel.devices.ffmpeg import CLIP_FPS, make_clip
from subpixel.devices.figures import JobFigures, JobRequest, VariantFigures, VariantRequest
from subpixel.devices.resources import read_resources
from subpixel.engines.table import ENGINES
from subpixel.errors import SubpixelError
from subpixel.evidence import evidence_of, is_trusted
from subpixel.spec import Variant

VARIANT_SECONDS = 600.0  # building an engine on a small board takes minutes, once
JOB_SECONDS = 3600.0
LEAST_CLIP_PX = 16

Status = Literal["waiting", "running", "ok", "failed", "skipped"]


@dataclass(frozen=True)
class Machine:
    """Where the figures come from. ``load``: of the last minute before measuring; above 0 others were at work too."""

    board: str
    cpu: str
    flags: tuple[str, ...]
    arch: str
    os: str
    cores: int
    usable_cores: int
    memory_bytes: int | None
    python: str
    subpixel: str
    load: float | None


@dataclass(frozen=True)
class Proof:
    """What the bundle's evidence says of a variant. ``trusted``: it may be chosen without being asked for.

    ``engine``: which one was measured, and only for that one hold ``db``, the worst PSNR against the reference, and
    ``loss_db``, what is lost on the evaluation set.
    """

    trusted: bool
    engine: str = ""
    db: float | None = None
    loss_db: float | None = None


@dataclass(frozen=True)
class Case:
    """A variant on an engine and a device; ``reason``: why it can't be run here."""

    bundle: str
    variant: str
    precision: str
    engine: str
    device: str
    proof: Proof
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """A case and what came of it. ``remark``: what to know when reading the figures."""

    case: Case
    status: Status = "waiting"
    figures: VariantFigures | None = None
    reason: str = ""
    remark: str = ""


@dataclass(frozen=True)
class JobRow:
    """The whole job on the engine of a bundle's fastest trusted variant. ``clip``: what was enlarged, in words.

    ``variant``: the one that really ran, as the verb's receipt says.
    """

    bundle: str
    engine: str
    device: str
    variant: str
    clip: str
    status: Status = "waiting"
    figures: JobFigures | None = None
    reason: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Settings:
    """``width`` and ``height``: the LR frame; ``seconds``: for each variant, and of a clip made on the fly."""

    width: int = 640
    height: int = 360
    seconds: float = 2.0
    clip: Path | None = None


@dataclass(frozen=True)
class BenchReport:
    """Everything `subpixel bench` says; its JSON is this record."""

    machine: Machine
    settings: Settings
    rows: tuple[Row, ...]
    jobs: tuple[JobRow, ...] = ()


def describe_machine() -> Machine:
    """Board, CPU, cores, memory, versions."""
    found, resources = detect(), read_resources()
    system = found.system
    return Machine(
        board=found.name,
        cpu=system.cpu.name,
        flags=system.cpu.telling_flags,
        arch=system.arch,
        os=system.os,
        cores=resources.cores,
        usable_cores=resources.usable_cores,
        memory_bytes=resources.total_bytes,
        python=platform.python_version(),
        subpixel=__version__,
        load=round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    )


def plan(names: Sequence[str]) -> tuple[Case, ...]:
    """Every variant on every engine that takes it, for each bundle, and bicubic beside them.

    Raises ``NotFoundError`` or ``BundleError``.
    """
    bundles = [(name, find_here(name)) for name in names]
    engines = {report.name: report for report in examine_engines(detect().system)}
    baselines = {f"bicubic-x{b.spec.scale}": bicubic_bundle(b.spec.scale) for _, b in bundles}
    everything = dict([*bundles, *baselines.items()])
    return tuple(case for name, bundle in everything.items() for case in _cases(name, bundle, engines))


def _cases(name: str, bundle: Bundle, engines: dict[str, EngineReport]) -> Iterator[Case]:
    for row in ENGINES:
        for variant in (v for target in row.targets for v in bundle.manifest.variants if v.target == target):
            report = engines[row.name]
            case = Case(name, variant.id, variant.precision, row.name, "", proof_of(bundle, variant))
            if report.devices:
                yield from (replace(case, device=device) for device in report.devices)
            else:
                yield replace(case, reason=report.install or report.error or report.note or "no device")


def proof_of(bundle: Bundle, variant: Variant) -> Proof:
    """The evidence of a variant in short."""
    trusted, evidence = is_trusted(bundle, variant), evidence_of(bundle, variant)
    if evidence is None:
        return Proof(trusted)
    psnr = [figure for name, figure in evidence.figures.items() if name.endswith("psnr_db")]
    loss = [verdict.figure for verdict in evidence.verdicts if "loss" in verdict.gate and verdict.unit == "dB"]
    return Proof(trusted, evidence.engine, min(psnr, default=None), max(loss, default=None))


def measure(cases: Sequence[Case], settings: Settings, show: Callable[[tuple[Row, ...]], None]) -> tuple[Row, ...]:
    """One case after the other, each in a fresh process; ``show`` is given all rows after every change."""
    rows = [Row(case, "skipped", reason=case.reason) if case.reason else Row(case) for case in cases]
    for at, case in enumerate(cases):
        if not case.reason:
            rows[at] = replace(rows[at], status="running")
            show(tuple(rows))
            rows[at] = measure_case(case, settings)
        show(tuple(rows))
    return tuple(rows)


def measure_case(case: Case, settings: Settings) -> Row:
    """Cold start, times and memory of one variant."""
    request = VariantRequest(
        case.bundle, case.variant, case.engine, case.device, settings.width, settings.height, settings.seconds
    )
    answer = ask("variant", request, VariantFigures, VARIANT_SECONDS + settings.seconds)
    remark = _in_process_remark(answer.in_process)
    if answer.figures is None:
        return Row(case, "failed", reason=answer.fault, remark=remark)
    return Row(case, "ok", answer.figures, remark=remark)


def _in_process_remark(reason: str) -> str:
    if not reason:
        return ""
    return f"measured in this process ({reason}): its memory is the whole program's, its cold start without Python's"


def measure_jobs(
    rows: Sequence[Row], settings: Settings, show: Callable[[tuple[JobRow, ...]], None]
) -> tuple[JobRow, ...]:
    """The whole job for each bundle with a trusted variant that ran; bicubic's only where there is no other."""
    jobs: list[JobRow] = []
    with tempfile.TemporaryDirectory(prefix="subpixel-bench-") as folder:
        for best in fastest_trusted(rows):
            job = JobRow(best.case.bundle, best.case.engine, best.case.device, best.case.variant, "", "running")
            show((*jobs, job))
            jobs.append(_job(job, best.case.precision, settings, Path(folder)))
            show(tuple(jobs))
    return tuple(jobs)


def fastest_trusted(rows: Sequence[Row]) -> list[Row]:
    """The fastest row of each bundle among those that ran and whose evidence passed."""
    best: dict[str, Row] = {}
    for row in rows:
        if row.figures is None or not row.case.proof.trusted:
            continue
        other = best.get(row.case.bundle)
        if other is None or other.figures is None or row.figures.p50_ms < other.figures.p50_ms:
            best[row.case.bundle] = row
    asked = [row for row in best.values() if row.case.engine != "bicubic"]
    return asked or list(best.values())


def _job(job: JobRow, precision: str, settings: Settings, folder: Path) -> JobRow:
    try:
        clip, words = _clip(settings, folder)
    except SubpixelError as fault:
        return replace(job, status="failed", reason=str(fault))
    request = JobRequest(
        job.bundle, job.engine, job.device, str(clip), str(folder / "out.mkv"), precision if precision == "int8" else ""
    )
    answer = ask("job", request, JobFigures, JOB_SECONDS)
    found = replace(job, clip=words, remark=_in_process_remark(answer.in_process))
    if answer.figures is None:
        return replace(found, status="failed", reason=answer.fault)
    receipt = answer.figures.upscale.get("receipt") or {}
    return replace(found, status="ok", figures=answer.figures, variant=receipt.get("variant") or job.variant)


def _clip(settings: Settings, folder: Path) -> tuple[Path, str]:
    """The user's clip, or one made here at the nearest even size not above the asked one."""
    if settings.clip is not None:
        return settings.clip, settings.clip.name
    width, height = (max(LEAST_CLIP_PX, side - side % 2) for side in (settings.width, settings.height))
    file = folder / "pattern.mp4"
    if not file.exists():
        make_clip(file, width, height, settings.seconds)
    return file, f"made here: {width}x{height}, {CLIP_FPS} fps, {settings.seconds:g} s, a moving pattern, no sound"
