"""What was measured, as JSON: every benchmark has its section of one file, and the page is written from that."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from statistics import median
from typing import Any

from racing.clips import ROOT
from racing.process import FOREIGN_LIMIT, Cost

RECORD = ROOT / "docs" / "performance.json"


@dataclass(frozen=True)
class Lap:
    """One run of one contender; as ``Cost``, without what it said."""

    seconds: float
    cpu_seconds: float
    peak_rss_mib: float
    foreign_share: float

    @property
    def disturbed(self) -> bool:
        """Whether others took more of the machine than the limit."""
        return self.foreign_share > FOREIGN_LIMIT


def lap_of(cost: Cost) -> Lap:
    """The figures of a run, rounded to what they are worth."""
    return Lap(
        round(cost.seconds, 4), round(cost.cpu_seconds, 3), round(cost.peak_rss_mib, 1), round(cost.foreign_share, 4)
    )


@dataclass(frozen=True)
class Row:
    """A contender on a clip. ``absent``: why it did not run; ``note``: what it said of itself, as its engine."""

    clip: str
    contender: str
    system: str
    model: str
    frames: int
    laps: tuple[Lap, ...] = ()
    psnr_db: float | None = None
    result_bytes: int = 0
    note: str = ""
    absent: str = ""

    @property
    def fps(self) -> tuple[float, ...]:
        """Frames a second of each lap, the program's start and end with it."""
        return tuple(self.frames / lap.seconds for lap in self.laps)

    @property
    def median_fps(self) -> float:
        """Of the laps; 0 where there is none."""
        return median(self.fps) if self.laps else 0.0

    @property
    def cpu_ms(self) -> float:
        """CPU time a frame, the median."""
        return 1000 * median(lap.cpu_seconds for lap in self.laps) / self.frames

    @property
    def peak_rss_mib(self) -> float:
        """The most of all laps."""
        return max(lap.peak_rss_mib for lap in self.laps)

    @property
    def disturbed(self) -> int:
        """Laps that others disturbed."""
        return sum(lap.disturbed for lap in self.laps)


@dataclass(frozen=True)
class Ratio:
    """Frames a second of one row over another's, round by round."""

    ours: str
    peer: str
    clip: str
    values: tuple[float, ...]

    @property
    def least(self) -> float:
        """The worst round."""
        return min(self.values)

    @property
    def middle(self) -> float:
        """The median round."""
        return median(self.values)


def ratio(ours: Row, peer: Row) -> Ratio:
    """Of the rounds that both ran."""
    values = tuple(a / b for a, b in zip(ours.fps, peer.fps, strict=False))
    return Ratio(ours.contender, peer.contender, ours.clip, values)


def fastest(rows: Sequence[Row], clip: str, wanted: Callable[[Row], bool]) -> Row | None:
    """The fastest on a clip of those that ran; ``None`` where none did."""
    found = [row for row in rows if row.clip == clip and row.laps and wanted(row)]
    return max(found, key=lambda row: row.median_fps, default=None)


def row_from(data: dict[str, Any]) -> Row:
    """As ``asdict`` wrote it."""
    return Row(**{**data, "laps": tuple(Lap(**lap) for lap in data["laps"])})


@dataclass
class Record:
    """The file: sections by the benchmark's name."""

    file: Path
    sections: dict[str, Any] = field(default_factory=dict)

    def put(self, name: str, section: dict[str, Any]) -> None:
        """Replace a section, with the day, and write the file, whole or not at all."""
        day = datetime.now(timezone.utc).date().isoformat()
        self.file.parent.mkdir(parents=True, exist_ok=True)
        part = self.file.with_suffix(".part")
        part.write_text(as_text({**self.sections, name: {"day": day, **section}}))
        part.replace(self.file)
        self.sections.update(load(self.file).sections)  # as whoever reads the file will have it


def load(file: Path) -> Record:
    """What the file has; nothing where it isn't there."""
    return Record(file, json.loads(file.read_text()) if file.is_file() else {})


NUMBERS = re.compile(r"\[\s+((?:-?[\d.eE+-]+|null)(?:,\s+(?:-?[\d.eE+-]+|null))*)\s+\]")


def as_text(sections: dict[str, Any]) -> str:
    """JSON with a line for each value, but long lists of numbers in one.

    >>> print(as_text({"a": [1, 2.5, None]}))
    {
     "a": [1, 2.5, null]
    }
    <BLANKLINE>
    """
    spread = json.dumps(sections, indent=1, sort_keys=True)
    return NUMBERS.sub(lambda found: "[" + " ".join(found.group(1).split()) + "]", spread) + "\n"
