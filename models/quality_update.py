"""``subpixel evaluate --all``: measure what has changed, then write the records, the pictures and the page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from subpixel.cli.console import Output
from subpixel.models.quality import (
    SELF_TRAINED_RECORD,
    Records,
    System,
    card_rows,
    measured,
    read_records,
    stale,
    systems,
    work,
    write_records,
)
from subpixel.models.quality_grid import SCALE, crops, draw
from subpixel.models.quality_page import page
from subpixel.models.zssr_record import Record as SelfTrained
from subpixel.records import from_json

SAMPLES = Path("samples")
PICTURES = {
    "fig": "A fig (CC-BY-4.0, Trevor “Freespace”).",
    "seeding": "Seeds (CC0, Clemens Engelhardt).",
    "picos": "Rock and snow (CC-BY-4.0, Aitzol Berasategi).",
    "stream": "Frame 40 of a moving clip, video systems saw its neighbours (CC-BY-4.0, Aitzol Berasategi).",
    "bunny": "Frame 60 of a moving clip, the same (CC-BY-3.0, © Blender Foundation).",
}


@dataclass(frozen=True)
class Summary:
    """What a run did."""

    page: str
    measured: int
    waiting: int


def update(out: Path, only: str | None, sets: tuple[str, ...], measure: bool, output: Output) -> Summary:
    """Bring the page at ``out`` up to date; ``only``: one system's rows and no pictures; ``measure``: else just write.

    Rows are kept as they are measured, so that an interrupted run goes on where it stopped.
    """
    file, known = out.with_suffix(".json"), systems()
    records = from_cards(read_records(file), known)
    write_records(records, file)
    done = 0
    if measure:
        todo = work(records, [s for s in known if only in (None, s.name)], sets)
        for grown in _measured(records, todo, output):
            records, done = grown, done + 1
            write_records(records, file)
            write_page(out, records, known)
        if only is None and records.pictured != (keys := tuple(s.key for s in shown(known))):
            draw_pictures(out, known, output)
            records = replace(records, pictured=keys)
            write_records(records, file)
    write_page(out, records, known)
    waiting = sum(stale(records, s, name) for s in known for name in s.sets)
    return Summary(str(out), done, waiting)


def from_cards(records: Records, known: Sequence[System]) -> Records:
    """With what the cards have of the committed weights, where it isn't there already."""
    by_key = {(s.name, s.scale): s for s in known}
    for row in card_rows(known):
        system = by_key[row.system, row.scale]
        if not system.sha256 or stale(records, system, row.set_name):
            records = records.plus(row)
    return records


def _measured(records: Records, todo: Sequence[tuple[str, int, list[System]]], output: Output) -> Iterator[Records]:
    """The records with one row more each time."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=output.progress_console, disable=output.quiet) as bar:
        task = bar.add_task("measuring", total=sum(len(group) for *_, group in todo))
        for name, scale, group in todo:
            bar.update(task, description=f"{name} x{scale}")
            for row in measured(name, scale, group):
                records = records.plus(row)
                bar.advance(task)
                bar.console.print(f"{row.system}-x{row.scale} {row.set_name}: {row.psnr_db:.2f} dB", highlight=False)
                yield records


def draw_pictures(out: Path, known: Sequence[System], output: Output) -> None:
    """Every crop by all systems that are there."""
    for crop in crops(SAMPLES):
        with output.progress_console.status(f"drawing {crop.name}"):
            draw(crop, shown(known), picture(out, crop.name))


def shown(known: Sequence[System]) -> list[System]:
    """The systems of a picture."""
    return [system for system in known if system.scale == SCALE and system.sha256]


def picture(out: Path, name: str) -> Path:
    """``docs/quality-fig.webp`` beside ``docs/quality.md``."""
    return out.with_name(f"{out.stem}-{name}.webp")


def write_page(out: Path, records: Records, known: Sequence[System]) -> None:
    """The page, from the records and what lies beside it."""
    out.write_text(rendered(out, records, known))


def rendered(out: Path, records: Records, known: Sequence[System]) -> str:
    """The page's text as it should be."""
    found = [(picture(out, name), text) for name, text in PICTURES.items() if picture(out, name).is_file()]
    return page(records, known, self_trained(), [(file.name, text) for file, text in found])


def self_trained() -> SelfTrained | None:
    """ZSSR's record, where it is committed."""
    if not SELF_TRAINED_RECORD.is_file():
        return None
    return from_json(SelfTrained, json.loads(SELF_TRAINED_RECORD.read_text()))
