"""``subpixel bench``: times every usable variant and the whole job on this device."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from subpixel.catalogue import DEFAULT_MODEL
from subpixel.cli.console import Output, json_option, quiet_option
from subpixel.devices.bench import (
    BenchReport,
    JobRow,
    Machine,
    Row,
    Settings,
    describe_machine,
    measure,
    measure_jobs,
    plan,
)
from subpixel.engines.base import Receipt
from subpixel.errors import BadInputError, NotFoundError, PartialResultError

MIB = 1 << 20
GIB = 1 << 30
LEGEND = "cold, p50, p90: ms; MiB: peak; evidence: ✅ passed, (✅) passed on another engine, ❌ not passed"


@click.command()
@click.argument("bundles", nargs=-1, metavar="[BUNDLE]...")
@click.option("--size", default="640x360", show_default=True, metavar="WxH", help="Size of the frame to enlarge.")
@click.option("--seconds", default=2.0, show_default=True, metavar="N", help="How long each variant runs.")
@click.option("--clip", metavar="FILE", help="A clip for the whole job, instead of one made on the fly.")
@json_option
@quiet_option
def bench(bundles: tuple[str, ...], size: str, seconds: float, clip: str | None, as_json: bool, quiet: bool) -> None:
    """Time every usable variant of BUNDLE (default: the shipped model), then the whole job.

    Each variant runs in a process of its own: cold start (from starting Python to the first frame), p50 and p90 of a
    frame, frames a second, peak memory, what really ran. Variants whose evidence did not pass are measured and marked.
    Then decode, enlarge and encode of a clip, with the fastest that passed.

    \b
    Example:  subpixel bench
              subpixel bench espcn-x2 my-bundle/ --size 1280x720 --clip film.mp4
    """
    output = Output(as_json, quiet)
    settings = read_settings(size, seconds, clip)
    machine = describe_machine()
    output.say(machine_words(machine))
    cases = plan(bundles or (DEFAULT_MODEL,))
    console = output.console
    with Live(console=console, auto_refresh=False, transient=True) as live:
        rows = measure(cases, settings, lambda rows: live.update(tables(rows, ()), refresh=True))
        jobs = measure_jobs(rows, settings, lambda jobs: live.update(tables(rows, jobs), refresh=True))
    console.print(tables(rows, jobs))
    output.result(BenchReport(machine, settings, rows, jobs))
    if not any(row.status == "ok" for row in rows):
        raise PartialResultError("no variant could be measured; the reasons are in the table, `subpixel doctor` helps")


def read_settings(size: str, seconds: float, clip: str | None) -> Settings:
    """The options, checked. Raises ``BadInputError`` or ``NotFoundError``."""
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", size.strip().lower())
    if not found or 0 in (int(found[1]), int(found[2])):
        raise BadInputError(f"--size: found {size!r}, needed width x height such as 640x360")
    if not 0 < seconds <= 600:
        raise BadInputError(f"--seconds: found {seconds:g}, needed more than 0 and at most 600")
    if clip is not None and not Path(clip).is_file():
        raise NotFoundError(f"--clip: {clip}: no such file")
    return Settings(int(found[1]), int(found[2]), seconds, Path(clip) if clip else None)


def machine_words(machine: Machine) -> str:
    """One line that says where the figures come from."""
    memory = "?" if machine.memory_bytes is None else f"{machine.memory_bytes / GIB:.1f} GiB"
    load = "" if machine.load is None else f", load {machine.load:g} before measuring"
    return (
        f"{machine.board}: {machine.cpu or machine.arch}, {machine.usable_cores} of {machine.cores} cores, {memory}, "
        f"{machine.os}, Python {machine.python}, subpixel {machine.subpixel}{load}"
    )


def tables(rows: Sequence[Row], jobs: Sequence[JobRow]) -> RenderableType:
    """A table for each bundle, the jobs under them, then reasons and remarks in full."""
    parts: list[RenderableType] = []
    for bundle in dict.fromkeys(row.case.bundle for row in rows):
        parts += [Text(bundle, style="bold"), variant_table([row for row in rows if row.case.bundle == bundle])]
    parts.append(Text(LEGEND, style="dim"))
    if jobs:
        parts.append(job_table(jobs))
    return Group(*parts, *(Text(line) for line in remarks(rows, jobs)))


def remarks(rows: Sequence[Row], jobs: Sequence[JobRow]) -> Iterator[str]:
    """Reasons and remarks in full, each once with all that it holds for."""
    told = [(_whom(r), text) for r in rows for text in (r.reason, r.remark)]
    told += [(f"whole job of {j.bundle}", text) for j in jobs for text in (j.reason, j.remark)]
    for text in dict.fromkeys(text for _, text in told if text):
        yield f"{', '.join(dict.fromkeys(name for name, other in told if other == text))}: {text}"


def _whom(row: Row) -> str:
    """What is skipped is skipped for the whole engine."""
    return row.case.engine if row.status == "skipped" else f"{row.case.variant} on {row.case.engine}"


def variant_table(rows: Sequence[Row]) -> Table:
    """A line for each variant, engine and device."""
    table = Table(box=None, pad_edge=False)
    for name in ("variant", "engine"):
        table.add_column(name, no_wrap=True)
    table.add_column("what ran", overflow="fold", min_width=len("skipped"))
    for name in ("cold", "p50", "p90", "fps", "MiB", "dB"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(cell) for cell in _variant_cells(row)))
    return table


def _variant_cells(row: Row) -> list[str]:
    case, found = row.case, row.figures
    if found is None:
        return [case.variant, case.engine, row.status, *[""] * 5, _db(row), _trust(row)]
    times = [f"{found.cold_start_ms:.0f}", f"{found.p50_ms:.2f}", f"{found.p90_ms:.2f}", f"{found.fps:.1f}"]
    return [case.variant, case.engine, _ran(found.receipt), *times, _mib(found.peak_rss_bytes), _db(row), _trust(row)]


def _ran(receipt: Receipt) -> str:
    """Provider, precision and threads; a fallback is said."""
    threads = f" x{receipt.threads}" if receipt.threads else ""
    fallback = f", instead of {receipt.fallback.wanted}" if receipt.fallback else ""
    return f"{receipt.provider.removesuffix('ExecutionProvider')} {receipt.precision}{threads}{fallback}"


def _db(row: Row) -> str:
    """Lost on the evaluation set (with a sign) or, without that, PSNR against the reference; of this engine only."""
    proof = row.case.proof
    if proof.engine != row.case.engine:
        return ""
    if proof.loss_db is not None:
        return f"{-proof.loss_db:+.2f}"
    return "" if proof.db is None else f"{proof.db:.1f}"


def _trust(row: Row) -> str:
    proof = row.case.proof
    if not proof.trusted:
        return "❌"
    return "✅" if proof.engine in ("", row.case.engine) else "(✅)"


def _mib(size: int | None) -> str:
    return "" if size is None else f"{size / MIB:.0f}"


def job_table(jobs: Sequence[JobRow]) -> Table:
    """A line for each whole job."""
    names = ("whole job", "engine", "variant", "seconds", "frames", "fps", "MiB", "clip")
    table = Table(*names, box=None, pad_edge=False)
    for job in jobs:
        cells = (job.bundle, job.engine, job.variant, *_job_cells(job), job.clip)
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _job_cells(job: JobRow) -> list[str]:
    found = job.figures
    if found is None:
        return [job.status, "", "", ""]
    return [f"{found.seconds:.1f}", str(found.frames), f"{found.fps:.1f}", _mib(found.peak_rss_bytes)]
