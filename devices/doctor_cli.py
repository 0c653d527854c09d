"""``subpixel doctor``: says what this device can run, and what is missing."""

from __future__ import annotations

from collections.abc import Iterator

import click
from rich.table import Table
from rich.text import Text

from subpixel.cli.console import Output, json_option, quiet_option
from subpixel.devices.doctor import DoctorReport, EngineReport, examine

GIB = 1 << 30


@click.command()
@json_option
@quiet_option
def doctor(as_json: bool, quiet: bool) -> None:
    """Say what this device can run, and what is missing.

    Each engine is asked in a process of its own what it would really run on; nothing is downloaded or installed.

    \b
    Example:  subpixel doctor
              subpixel doctor --json
    """
    output = Output(as_json, quiet)
    report = examine()
    console = output.console
    console.print(facts_table(report))
    console.print(engine_table(report.engines))
    for hint in report.hints:
        output.say(f"- {hint}")
    output.result(report)


def facts_table(report: DoctorReport) -> Table:
    """The machine, a line a fact."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in _facts(report):
        table.add_row(name, Text(value))
    return table


def _facts(report: DoctorReport) -> Iterator[tuple[str, str]]:
    system, resources, ffmpeg = report.system, report.resources, report.ffmpeg
    yield "board", report.board_name
    yield "system", ", ".join(filter(None, (system.os, system.kernel, system.arch)))
    yield "CPU", ", ".join(filter(None, (system.cpu.name, " ".join(system.cpu.telling_flags))))
    yield "cores", f"{resources.usable_cores} usable of {resources.cores}"
    yield "memory", f"{gib(resources.available_bytes)} free of {gib(resources.total_bytes)}{_limit(report)}"
    if system.l4t or system.jetpack:
        yield "JetPack", " ".join(filter(None, (system.jetpack, system.l4t and f"(L4T {system.l4t})")))
    if system.nvidia_driver:
        yield "NVIDIA driver", system.nvidia_driver
    yield "Python", report.python
    yield "subpixel", report.subpixel
    yield "FFmpeg", ffmpeg.error or f"{ffmpeg.ffmpeg} (PyAV {ffmpeg.pyav})"
    yield "encoders built in", ", ".join(ffmpeg.encoders) or "none of the known ones"
    yield "cache", f"{report.cache.path}{'' if report.cache.writable else ' (not writable)'}"


def _limit(report: DoctorReport) -> str:
    limit = report.resources.limit_bytes
    return "" if limit is None else f", limited to {gib(limit)} by a control group"


def gib(size: int | None) -> str:
    """Bytes for people."""
    return "?" if size is None else f"{size / GIB:.1f} GiB"


def engine_table(engines: tuple[EngineReport, ...]) -> Table:
    """What each engine is, runs on, or lacks."""
    table = Table("engine", "version", "runs on", "remark", box=None, pad_edge=False)
    for engine in engines:
        runs_on = ", ".join(engine.devices) or ("nothing here" if engine.installed else "not installed")
        remark = engine.error or engine.install or engine.note
        table.add_row(engine.name, engine.version or "-", runs_on, Text(remark))  # Text: `[...]` is no markup here
    return table
