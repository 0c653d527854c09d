"""What was to be reached, and what was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from racing.record import Ratio, Row, fastest, ratio, row_from

FAST, EDGE, ESPCN = "edge-fast-x3", "edge-x3", "espcn-x3"


@dataclass(frozen=True)
class Goal:
    """``found`` in ``unit``, ``None``: not measured; ``more``: whether more is better."""

    what: str
    to_land: float
    goal: float
    more: bool
    found: float | None
    unit: str = ""
    detail: str = ""

    @property
    def state(self) -> str:
        """In a word."""
        if self.found is None:
            return "not measured"
        if self._reaches(self.goal):
            return "goal"
        return "to land" if self._reaches(self.to_land) else "missed"

    def _reaches(self, limit: float) -> bool:
        assert self.found is not None
        return self.found >= limit if self.more else self.found <= limit

    def line(self) -> str:
        """A row of the page's table."""
        found = "–" if self.found is None else f"{self.found:.3g}{self.unit}"
        sign = "≥" if self.more else "≤"
        return (
            f"| {self.what} | {sign} {self.to_land:g}{self.unit} | {self.goal:g}{self.unit} | {found} | "
            f"{self.state} | {self.detail} |"
        )


@dataclass(frozen=True)
class Wanted:
    """A ratio of frames a second, of one of ours to the fastest of some others."""

    what: str
    clip: str
    model: str
    peer: Callable[[Row], bool]
    to_land: float
    goal: float


def _by(system: str, model: str | None = None) -> Callable[[Row], bool]:
    return lambda row: row.system == system and model in (None, row.model)


RATIOS = (
    Wanted("`edge-fast`, moving clip, against FFmpeg-Lanczos", "moving", FAST, _by("ffmpeg"), 0.7, 0.8),
    Wanted("`edge-fast`, moving clip, against vs-mlrt running ESPCN", "moving", FAST, _by("vs-mlrt", ESPCN), 1.6, 2),
    Wanted("`edge`, moving clip, against FFmpeg-Lanczos", "moving", EDGE, _by("ffmpeg"), 0.55, 0.65),
    Wanted("`edge`, moving clip, against vs-mlrt running it too", "moving", EDGE, _by("vs-mlrt", EDGE), 1.1, 1.3),
    Wanted("ESPCN, moving clip, against vs-mlrt's best", "moving", ESPCN, _by("vs-mlrt", ESPCN), 1.05, 1.2),
    Wanted("ESPCN, moving clip, against the plain loop", "moving", ESPCN, _by("plain"), 2.1, 2.5),
    Wanted("ESPCN, moving clip, against dnn_superres", "moving", ESPCN, _by("dnn_superres"), 3.4, 4),
    Wanted("`edge-fast`, mostly still clip, against FFmpeg-Lanczos", "still", FAST, _by("ffmpeg"), 0.8, 0.9),
)


def ratio_of(wanted: Wanted, rows: Sequence[Row]) -> Ratio | None:
    """``None`` where one side did not run."""
    ours = fastest(rows, wanted.clip, lambda row: row.system == "subpixel" and row.model == wanted.model)
    peer = fastest(rows, wanted.clip, wanted.peer)
    return ratio(ours, peer) if ours and peer else None


def ratio_goals(rows: Sequence[Row]) -> Iterator[Goal]:
    """The median round counts; the worst is said."""
    for wanted in RATIOS:
        found = ratio_of(wanted, rows)
        detail = f"{found.least:.2f} in the worst of {len(found.values)} rounds; {found.peer}" if found else ""
        yield Goal(wanted.what, wanted.to_land, wanted.goal, True, found.middle if found else None, "", detail)


def beyond_ffmpeg_mib(rows: Sequence[Row]) -> tuple[float, str] | None:
    """Memory of our greatest peak on the moving clip less FFmpeg's own, and whose it is."""
    ours = [row for row in rows if row.clip == "moving" and row.system == "subpixel" and row.laps]
    ffmpeg = fastest(rows, "moving", _by("ffmpeg"))
    if not ours or ffmpeg is None:
        return None
    most = max(ours, key=lambda row: row.peak_rss_mib)
    return most.peak_rss_mib - ffmpeg.peak_rss_mib, most.contender


def goals(sections: Mapping[str, Any]) -> list[Goal]:
    """All of them, from whatever was measured."""
    rows = [row_from(one) for one in sections["video"]["rows"]] if "video" in sections else []
    memory = beyond_ffmpeg_mib(rows)
    share = sections["shares"]["groups"].get("Python and copies", 0.0) if "shares" in sections else None
    growth = sections["length"]["growth"] if "length" in sections else None
    start = sections["startup"]["median"]["total"] if "startup" in sections else None
    return [
        *ratio_goals(rows),
        Goal("Python and copies, share of CPU time", 5, 2, False, None if share is None else 100 * share, " %"),
        Goal("peak memory at 1080p out, beyond FFmpeg's own", 150, 100, False, *_memory(memory)),
        Goal("its growth from frame 500 to 10,000", 2, 2, False, None if growth is None else 100 * growth, " %"),
        Goal("`import subpixel` + open + first frame, tuned before", 0.5, 0.3, False, start, " s"),
    ]


def _memory(found: tuple[float, str] | None) -> tuple[float | None, str, str]:
    return (None, " MiB", "") if found is None else (found[0], " MiB", found[1])
