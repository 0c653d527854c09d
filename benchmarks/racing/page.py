"""``docs/performance.md`` from its record: nothing on it is edited by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from racing.goals import goals, ratio_goals
from racing.machine import line
from racing.record import RECORD, Record, Row, row_from

HEAD = """\
<!-- Written by the scripts in benchmarks/. Don't edit: the next run writes it again. -->
# What it costs

Frames a second of the whole job: decode 640x360, enlarge to 1920x1080, encode with libx264 veryfast crf 20, copy the
sound; the program's start and end are in it. All contenders run in turn, round by round; the ratios are of the same
round. CPU time is user and system of all processes; memory is their greatest sum at one moment (shared pages count in
each). dB: PSNR of the result's luma, encoding and all, against the original that the clip was reduced from. † marks
figures with runs that other processes disturbed: they took more than 3 % of the machine.

    python benchmarks/video.py --setup    # the other programs, once
    python benchmarks/video.py            # this table
    python benchmarks/startup.py; python benchmarks/shares.py; python benchmarks/scaling.py; python benchmarks/live.py
"""
README = RECORD.parents[1] / "README.md"
BEGIN, END = "<!-- written by benchmarks/ from docs/performance.json -->", "<!-- end of what benchmarks/ wrote -->"
RACE, SCALING, LIVE = "performance.webp", "performance-scaling.webp", "performance-live.webp"


def render(record: Record) -> None:
    """Write the page beside the record, and the plots of what was measured."""
    from racing.plots import draw

    draw(record.sections, record.file.parent)
    record.file.with_suffix(".md").write_text(page(record.sections))
    if record.file == RECORD:
        README.write_text(with_goal_table(README.read_text(), record.sections))


def with_goal_table(text: str, sections: Mapping[str, Any]) -> str:
    """A text whose table between the marks is ``goal_table``'s now."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"no {BEGIN} ... {END} in it")
    return "\n".join([before + begin, *goal_table(sections), end + after])


def page(sections: Mapping[str, Any]) -> str:
    """The Markdown."""
    parts = [HEAD, "## What was to be reached\n", *goal_table(sections)]
    for name, written in PARTS.items():
        if name in sections:
            parts += ["", *written(sections[name])]
    return "\n".join(parts) + "\n"


def goal_table(sections: Mapping[str, Any]) -> Iterator[str]:
    """Every figure that was asked for; ratios are medians."""
    yield "| | to land | goal | here | reached | |"
    yield "|---|---|---|---|---|---|"
    yield from (goal.line() for goal in goals(sections))


def headline(rows: Sequence[Row]) -> Iterator[str]:
    """The ratios, for a terminal."""
    for goal in ratio_goals(rows):
        if goal.found is not None:
            limits = f"to land {goal.to_land:g}, goal {goal.goal:g}"
            yield f"{goal.what}: {goal.found:.2f} ({limits}): {goal.state}; {goal.detail}"


def table(rows: Sequence[Row]) -> Iterator[str]:
    """One table a clip, the fastest first; those that did not run at the end, with the reason."""
    for clip in dict.fromkeys(row.clip for row in rows):
        yield f"\n### {clip}\n"
        yield "| | frames/s, median (min) | of FFmpeg's | CPU ms a frame | peak MiB | dB | |"
        yield "|---|---|---|---|---|---|---|"
        here = sorted((row for row in rows if row.clip == clip), key=lambda row: -row.median_fps)
        ffmpeg = next((row for row in here if row.system == "ffmpeg" and row.laps), None)
        yield from (_table_row(row, ffmpeg) for row in here)


def _table_row(row: Row, ffmpeg: Row | None) -> str:
    if not row.laps:
        return f"| {row.contender} | – | | | | | {row.absent} |"
    share = f"{row.median_fps / ffmpeg.median_fps:.2f}" if ffmpeg else ""
    db = "" if row.psnr_db is None else f"{row.psnr_db:.2f}"
    mark = f" †{row.disturbed}/{len(row.laps)}" if row.disturbed else ""
    return (
        f"| {row.contender} | {row.median_fps:.1f} ({min(row.fps):.1f}){mark} | {share} | {row.cpu_ms:.1f} | "
        f"{row.peak_rss_mib:.0f} | {db} | {'; '.join(filter(None, (row.note, row.absent)))} |"
    )


def measured_on(section: Mapping[str, Any]) -> str:
    """The line that stands under every heading."""
    others = ", ".join(f"{name} {value}" for name, value in section.get("peers", {}).items())
    return f"{section['day']}, on {line(section['machine'])}{f'; {others}' if others else ''}.\n"


def _race(section: Mapping[str, Any]) -> Iterator[str]:
    plan = section["plan"]
    yield "## Against others\n"
    yield measured_on(section)
    yield f"{plan['frames']} frames, {plan['rounds']} rounds.\n\n![frames a second]({RACE})"
    yield from table([row_from(one) for one in section["rows"]])


def _shares(section: Mapping[str, Any]) -> Iterator[str]:
    yield "## Where the time goes\n"
    yield measured_on(section)
    yield f"`perf` on `{section['model']}`, the moving clip, after its start; shares of all CPU time.\n"
    yield "| | share |\n|---|---|"
    yield from (f"| {name} | {share:.1%} |" for name, share in _by_share(section["groups"]))
    yield "\n| library | share |\n|---|---|"
    yield from (f"| `{name}` | {share:.1%} |" for name, share in _by_share(section["libraries"]))
    yield from _jobs(section.get("jobs", ()))


JOBS_TEXT = """
Whole jobs of 120 frames, start and end in them: CPU milliseconds a frame. What misses its goal above does so for these:
the encoder's part is the same for everybody, and what is left to a short job on a still clip is the start of Python and
its libraries beside a net that has to run on most frames, for noise changes a few cells everywhere and each wants its
surroundings. An eighth of the whole ESPCN job was its first tanh; in int8 that is a clamp now, trained for it.
"""


def _jobs(jobs: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Whole jobs of the race beside each other."""
    if not jobs:
        return
    yield JOBS_TEXT
    yield "| | " + " | ".join(f"{job['clip']}: {job['name']}" for job in jobs) + " |"
    yield "|---" * (len(jobs) + 1) + "|"
    for name, _ in _by_share(jobs[0]["cpu_ms"]):
        yield f"| {name} | " + " | ".join(f"{job['cpu_ms'].get(name, 0.0):.1f}" for job in jobs) + " |"
    yield "| **all** | " + " | ".join(f"**{sum(job['cpu_ms'].values()):.1f}**" for job in jobs) + " |"


def _by_share(shares: Mapping[str, float]) -> list[tuple[str, float]]:
    return sorted(shares.items(), key=lambda item: -item[1])


def _startup(section: Mapping[str, Any]) -> Iterator[str]:
    yield "## From nothing to the first frame\n"
    yield measured_on(section)
    yield f"`{section['model']}`, 640x360, tuned before; {section['runs']} fresh processes; seconds.\n"
    yield "| | min | median |\n|---|---|---|"
    yield from (
        f"| {part} | {section['min'][part]:.3f} | {section['median'][part]:.3f} |" for part in section["median"]
    )


def _sizes(section: Mapping[str, Any]) -> Iterator[str]:
    yield "## Against the size of the frames\n"
    yield measured_on(section)
    yield f"`{section['model']}`, {section['frames']} frames.\n\n![frames a second and memory]({SCALING})\n"
    yield "| in | out | frames/s | megapixels out a second | CPU ms a frame | peak MiB |\n|---|---|---|---|---|---|"
    for one in section["sizes"]:
        width, height, scale = one["width"], one["height"], section["scale"]
        rate = one["fps"] * width * height * scale**2 / 1e6
        mark = " †" if one["disturbed"] else ""
        yield (
            f"| {width}x{height} | {scale * width}x{scale * height} | {one['fps']:.1f}{mark} | {rate:.0f} | "
            f"{one['cpu_ms']:.1f} | {one['peak_rss_mib']:.0f} |"
        )


def _length(section: Mapping[str, Any]) -> Iterator[str]:
    yield "## Against the length of the clip\n"
    yield measured_on(section)
    yield (
        f"`{section['model']}`, {section['width']}x{section['height']} in, {section['frames'][-1]:,} frames at "
        f"{section['fps']:.1f} frames/s{' †' if section['disturbed'] else ''}; the most memory held so far, MiB: "
        f"{section['growth']:+.1%} from frame {section['from_frame']:,}.\n"
    )
    yield "| frame | MiB |\n|---|---|"
    yield from (f"| {frame:,} | {mib:.0f} |" for frame, mib in section["shown"])


def _whole_jobs(section: Mapping[str, Any]) -> Iterator[str]:
    yield "## Against the length of the job\n"
    yield measured_on(section)
    yield (
        f"`{section['model']}` and FFmpeg's Lanczos on the first frames of the still clip, the start and the end of "
        f"the programs with it; median of {section['rounds']} in turn. The longer a clip, the less the start counts.\n"
    )
    yield "| frames | seconds | FFmpeg's seconds | of FFmpeg's speed |\n|---|---|---|---|"
    for one in section["jobs"]:
        mine, theirs = one["seconds"], one["ffmpeg_seconds"]
        yield f"| {one['frames']:,} | {mine:.2f} | {theirs:.2f} | {theirs / mine:.2f} |"


def _live(section: Mapping[str, Any]) -> Iterator[str]:
    yield "## Live\n"
    yield measured_on(section)
    yield (
        f"{section['seconds']:g} s at {section['fps']:g} frames/s, 640x360 to 1920x1080, encoded too; another process "
        "takes one core for random stretches. Each frame is due two periods after it came. *Back*: from the end of a "
        f"stretch until the usual rung is held again.\n\n![latency and rung]({LIVE})\n"
    )
    yield "| model | in time | late | dropped | p50 / p95 / p99 ms | rungs | back, s: median, longest |"
    yield "|---|---|---|---|---|---|---|"
    yield from map(_live_row, section["streams"])


def _live_row(one: Mapping[str, Any]) -> str:
    rungs = ", ".join(f"{name} {share:.0%}" for name, share in one["shares"].items() if share)
    back = "–" if one["back_median"] is None else f"{one['back_median']:.1f}, {one['back_longest']:.1f}"
    spread = " / ".join(f"{one[name]:.0f}" for name in ("p50_ms", "p95_ms", "p99_ms"))
    mark = " †" if one["disturbed"] else ""
    kept = f"{one['in_time']:.1%}{mark} | {one['late']} | {one['dropped']}"
    return f"| {one['model']} | {kept} | {spread} | {rungs} | {back}, {one['not_back']} times not |"


PARTS = {
    "video": _race, "shares": _shares, "startup": _startup, "sizes": _sizes, "length": _length, "jobs": _whole_jobs,
    "live": _live,
}  # fmt: skip


def plots_of(folder: Path) -> list[Path]:
    """Where the plots lie."""
    return [folder / name for name in (RACE, SCALING, LIVE)]
