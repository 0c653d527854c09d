#!/usr/bin/env python
"""The whole job, ours against the others: decode, enlarge 640x360 to 1920x1080, encode with sound; in turn, same clips.

    python benchmarks/video.py --setup    # the other programs, once, into .cache/peers
    python benchmarks/video.py            # all of it: about 15 minutes on a quiet machine, writes docs/performance.*
    python benchmarks/video.py --quick    # does everything run? 20 frames, one round, nothing written

Every round runs all contenders one after the other, so a disturbance meets all. A run during which other processes took
more than 3 % of the machine is repeated; what stays disturbed is marked. Figures are of the whole process, its start
too; ratios are taken round by round.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
from racing import clips
from racing.contenders import MODELS, Contender, field_of
from racing.machine import line, machine
from racing.page import headline, render, table
from racing.peers import Peers
from racing.process import RunError, least_disturbed, run
from racing.quality import against_originals
from racing.record import RECORD, Lap, Row, lap_of, load

from subpixel.catalogue import DEFAULT_MODEL

WORK = clips.ROOT / ".cache" / "benchmarks"
QUICK_FRAMES = 20


@dataclass(frozen=True)
class Plan:
    """``repeats``: of a disturbed run, at most."""

    frames: int
    rounds: int
    repeats: int


@click.command()
@click.option("--setup", "set_up", is_flag=True, help="Install the other programs and stop.")
@click.option("--quick", is_flag=True, help=f"{QUICK_FRAMES} frames, one round, nothing repeated or written.")
@click.option("--only", multiple=True, help="Only contenders whose name has this in it; repeatable.")
@click.option("--clip", "wanted_clips", multiple=True, help="moving, still, screen, noisy; repeatable [all].")
@click.option("--model", "models", multiple=True, help="A bundle to race with; repeatable [those of the issue].")
@click.option("--frames", default=120, show_default=True, help="Of each clip.")
@click.option("--rounds", default=3, show_default=True, help="Of everybody.")
@click.option("--repeats", default=3, show_default=True, help="Of a disturbed run, at most.")
@click.option("--json", "as_json", is_flag=True, help="The rows on stdout; all else on stderr.")
@click.option("--record", type=Path, default=RECORD, show_default="docs/performance.json", help="Where figures go.")
def race(
    set_up: bool, quick: bool, only: tuple[str, ...], wanted_clips: tuple[str, ...], models: tuple[str, ...],
    frames: int, rounds: int, repeats: int, as_json: bool, record: Path,
) -> None:  # fmt: skip
    """Race, print, and write the record and its page."""
    if set_up:
        Peers().set_up()
        return
    plan = Plan(QUICK_FRAMES, 1, 0) if quick else Plan(frames, rounds, repeats)
    peers = Peers()
    with tempfile.TemporaryDirectory(prefix="race-") as work:
        everybody = chosen(field_of(models or _models(), peers, Path(work)), only)
        rows = [row for clip in made_clips(wanted_clips, plan) for row in raced(clip, everybody, plan, Path(work))]
    section = {"machine": machine(), "peers": peers.versions(), "plan": asdict(plan), "rows": [*map(asdict, rows)]}
    report = [line(machine()), *table(rows), "", *headline(rows)]
    print("\n".join(report), file=sys.stderr if as_json else sys.stdout)
    if as_json:
        print(json.dumps(section))
    if not quick:
        kept = load(record)
        kept.put("video", section)
        render(kept)


def _models() -> tuple[str, ...]:
    return MODELS if DEFAULT_MODEL in MODELS else (*MODELS, DEFAULT_MODEL)


def chosen(everybody: Sequence[Contender], only: Sequence[str]) -> list[Contender]:
    """Those whose name has one of the words; all without words."""
    return [one for one in everybody if not only or any(word in one.name for word in only)]


def made_clips(wanted: Sequence[str], plan: Plan) -> Iterator[clips.Clip]:
    """One after the other; those that can't be made are said."""
    for recipe in clips.available():
        if wanted and recipe.name not in wanted:
            continue
        if recipe.absent:
            say(f"{recipe.name}: skipped, {recipe.absent}")
            continue
        say(f"{recipe.name}: {recipe.source}, {plan.frames} frames")
        yield clips.made(recipe, WORK / "clips", plan.frames)


def raced(clip: clips.Clip, everybody: Sequence[Contender], plan: Plan, work: Path) -> list[Row]:
    """All rounds on one clip."""
    runners = [one for one in everybody if clip.name in one.clips]
    rows = {one.name: Row(clip.name, one.name, one.system, one.model, clip.frames, absent=one.absent)
            for one in runners}  # fmt: skip
    for number in range(plan.rounds):
        for one in runners:
            row = rows[one.name]
            if not row.absent and number < (one.rounds or plan.rounds):
                rows[one.name] = after_a_lap(row, one, clip, plan, work)
                _say_lap(rows[one.name], number)
    return list(rows.values())


def after_a_lap(row: Row, one: Contender, clip: clips.Clip, plan: Plan, work: Path) -> Row:
    """The row with one more lap; the first one is also looked at. A failure ends the contender's race."""
    target = work / "result.mp4"
    try:
        if one.warm_up and not row.laps:
            run(one.command(clip, target), one.environment)
        cost = least_disturbed(lambda: run(one.command(clip, target), one.environment), plan.repeats)
        row = replace(row, laps=(*row.laps, lap_of(cost)))
        if len(row.laps) > 1:
            return row
        db = against_originals(target, clip) if one.judged else None
        return replace(row, psnr_db=db, result_bytes=target.stat().st_size, note=note_of(one, cost.output))
    except (RunError, ValueError) as fault:
        return replace(row, absent=f"failed: {fault}")


def note_of(one: Contender, output: str) -> str:
    """Which engine and arithmetic ours chose, from its receipt."""
    if one.system != "subpixel":
        return ""
    receipt = json.loads(output)["receipt"]
    return f"{receipt['engine']} {receipt['precision']}"


def _say_lap(row: Row, number: int) -> None:
    if row.absent:
        say(f"  {row.contender}: {row.absent}")
        return
    lap: Lap = row.laps[-1]
    mark = f", DISTURBED ({lap.foreign_share:.0%} by others)" if lap.disturbed else ""
    say(f"  {number + 1}: {row.contender}: {row.fps[-1]:.1f} frames/s, {lap.cpu_seconds:.1f} CPU s, "
        f"{lap.peak_rss_mib:.0f} MiB{mark}")  # fmt: skip


def say(text: str) -> None:
    """Progress goes to stderr."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    race()
