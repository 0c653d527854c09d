"""The plots of the page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from racing.page import LIVE, RACE, SCALING
from racing.record import row_from

COLOURS = {"subpixel": "tab:orange", "ffmpeg": "tab:green"}


def draw(sections: Mapping[str, Any], folder: Path) -> None:
    """Those whose figures are there."""
    if "video" in sections:
        _save(_race(sections["video"]), folder / RACE)
    if "sizes" in sections or "length" in sections:
        _save(_scaling(sections), folder / SCALING)
    if "live" in sections:
        _save(_live(sections["live"]), folder / LIVE)


def _save(figure: Figure, file: Path) -> None:
    figure.tight_layout()
    figure.savefig(file, dpi=100)


def _race(section: Mapping[str, Any]) -> Figure:
    rows = [row for one in section["rows"] if (row := row_from(one)).laps]
    clips = list(dict.fromkeys(row.clip for row in rows)) or ["-"]
    counts = [max(1, sum(row.clip == clip for row in rows)) for clip in clips]
    figure = Figure(figsize=(8, 1 + 0.3 * sum(counts) + 0.6 * len(clips)))
    all_axes = figure.subplots(len(clips), 1, squeeze=False, gridspec_kw={"height_ratios": counts})[:, 0]
    for clip, axes in zip(clips, all_axes, strict=True):
        here = sorted((row for row in rows if row.clip == clip), key=lambda row: row.median_fps)
        colours = [COLOURS.get(row.system, "tab:grey") for row in here]
        spread = [[row.median_fps - min(row.fps) for row in here], [max(row.fps) - row.median_fps for row in here]]
        axes.barh([row.contender for row in here], [row.median_fps for row in here], color=colours, xerr=spread)
        axes.set_title(clip, loc="left", size=10)
        axes.tick_params(labelsize=8)
    all_axes[-1].set_xlabel("frames a second, 640x360 to 1920x1080, whole job (median; least and most)")
    return figure


def _scaling(sections: Mapping[str, Any]) -> Figure:
    figure = Figure(figsize=(10, 4))
    left, right = figure.subplots(1, 2)
    if "sizes" in sections:
        sizes = sections["sizes"]["sizes"]
        pixels = [one["width"] * one["height"] / 1e6 for one in sizes]
        left.loglog(pixels, [one["fps"] for one in sizes], "o-", color="tab:orange")
        left.set_ylabel("frames a second", color="tab:orange")
        memory = left.twinx()
        memory.plot(pixels, [one["peak_rss_mib"] for one in sizes], "s--", color="tab:blue")
        memory.set_ylabel("peak MiB", color="tab:blue")
    left.set_xlabel("megapixels in")
    if "length" in sections:
        right.plot(sections["length"]["frames"], sections["length"]["rss_mib"], color="tab:blue")
        right.set_ylim(bottom=0)
    right.set_xlabel("frame")
    right.set_ylabel("memory held, MiB")
    return figure


def _live(section: Mapping[str, Any]) -> Figure:
    streams = section["streams"]
    figure = Figure(figsize=(10, 3.4 * max(1, len(streams))))
    for one, axes in zip(streams, figure.subplots(max(1, len(streams)), 1, squeeze=False)[:, 0], strict=False):
        _live_axes(axes, one, section["fps"])
    return figure


def _live_axes(axes: Axes, one: Mapping[str, Any], fps: float) -> None:
    for start, end in one["load"]:
        axes.axvspan(start, end, color="tab:red", alpha=0.15)
    axes.plot(one["at_seconds"], one["latency_ms"], ".", ms=2, color="tab:blue")
    axes.axhline(2000 / fps, color="tab:red", lw=0.8)
    axes.set_ylabel("latency, ms", color="tab:blue")
    axes.set_title(f"{one['model']}: shaded, where another process takes one core", loc="left", size=9)
    axes.set_xlabel("seconds")
    rungs = axes.twinx()
    rungs.step(one["at_seconds"], one["rung"], where="post", color="tab:orange", lw=1)
    rungs.set_yticks(range(len(one["rungs"])), one["rungs"])
    rungs.set_ylim(-0.5, len(one["rungs"]) - 0.5)
