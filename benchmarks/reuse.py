#!/usr/bin/env python
"""What reuse between frames saves, and what a tolerance costs: quality lost against time saved.

    python benchmarks/reuse.py measure      # reads $SUBPIXEL_DATA; writes docs/reuse.json, its page and its plot
    python benchmarks/reuse.py show         # docs/reuse.md and the plot again from the record

Clips are reduced three times by the project's bicubic, rounded to 8 bit, and, in the group `compressed`, coded by x264
as a small video would be. For every frame the whole-frame run and all settings take turns; time is CPU time of one
thread (user and system), comparing and copying counted, so that other processes matter little.
"""

from __future__ import annotations

import json
import platform
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import av
import click
import numpy as np
import onnxruntime as ort
from av.codec.context import Flags2
from matplotlib.figure import Figure
from numpy.typing import NDArray

import subpixel
from subpixel.media.vectors import Vectors
from subpixel.models.evalsets import as_u8, clip_lumas, data_folder, degraded, set_folder
from subpixel.moves import Shift
from subpixel.quality.metrics import psnr_db
from subpixel.quality.resize import crop_to_multiple, downscale
from subpixel.reuse import DEFAULT_LEVELS, Reusing
from subpixel.tune import cpu_model

SCALE, MODEL, ENGINE = 3, "espcn-x3", "onnxruntime"
SETTINGS = (
    (0.0, False, False), (1.0, False, False), (2.0, False, False), (4.0, False, False),
    (0.0, True, False), (2.0, True, False),
)  # fmt: skip
HINTED = ((0.0, True, True), (2.0, True, True))  # of clips that were coded
CAMERA = (
    "sample/street_640x360.mp4", "train/video/sam2_02_cups.mp4", "train/video/sam2_05_default_juggle.mp4",
    "train/video/sof-vsr_ntia_Aspen_960x540.mp4", "train/video/intel_bottle-detection_640x360.mp4",
)  # fmt: skip
CODER = {"crf": "23", "preset": "veryfast"}
ROOT = Path(__file__).parents[1]
RECORD = ROOT / "docs" / "reuse.json"

METHOD = """
{model} by {engine} fp32, one thread; {on}. Clips reduced three times by bicubic and rounded to 8 bit (*reduced*), the
same coded by x264 crf 23 (*compressed*), and text typed and scrolled on a screen. *Lost*: dB of Y against the original,
less than whole frames reach (of screens: than 100 dB against whole frames); *saved*: of the CPU time, comparing too;
up to five per cent of it are noise. *Motion*: content that moved by whole pixels is looked for too; *vectors*: also
where the decoder of a coded clip says. 8-bit frames have no half levels: a tolerance below 1 is 0. A cell may differ by
an eighth of the tolerance on average.
"""

Luma = NDArray[np.uint8]
Setting = tuple[float, bool, bool]


@dataclass(frozen=True)
class Clip:
    """``frames``: LR, 8 bit; ``truth``: their originals in [0, 1], none for what was never larger.

    ``hints``: the shifts that each frame's decoder gives, for what was coded.
    """

    name: str
    group: str
    frames: list[Luma]
    truth: list[NDArray[np.float32]] | None
    hints: list[Sequence[Shift]] | None = None

    @property
    def settings(self) -> tuple[Setting, ...]:
        """What is measured of it."""
        return SETTINGS if self.hints is None else (*SETTINGS, *HINTED)


@dataclass(frozen=True)
class Run:
    """One clip with one setting. dB: means over the frames, against the original, else against whole frames (capped).

    ``lost_db``: the mean less than whole frames; ``worst_db``: the frame that lost most; ``cpu_ms``: of a frame.
    """

    clip: str
    group: str
    tolerance: float
    motion: bool
    frames: int
    whole_db: float
    lost_db: float
    worst_db: float
    whole_cpu_ms: float
    cpu_ms: float
    reused: float
    vectors: bool = False

    @property
    def saved(self) -> float:
        """The share of the CPU time that is gone."""
        return 1 - self.cpu_ms / self.whole_cpu_ms


@click.group()
def reuse() -> None:
    """Measure reuse between frames."""


@reuse.command()
@click.option("--frames", default=24, show_default=True, help="Of each clip.")
def measure(frames: int) -> None:
    """Run every clip with every setting and write the record, the page and the plot."""
    runs: list[Run] = []
    with subpixel.open(MODEL, engine=ENGINE, precision="fp32", threads=1) as model:
        for clip in clips(frames):
            runs += measured(model, clip)
            print(
                f"{clip.group} {clip.name}: "
                + ", ".join(f"{r.lost_db:.3f} dB {r.saved:.0%}" for r in runs[-len(clip.settings) :]),
                flush=True,
            )
    machine = {"cpu": cpu_model(), "onnxruntime": ort.__version__, "python": platform.python_version()}
    record = {
        "machine": machine,
        "model": MODEL,
        "engine": ENGINE,
        "coder": CODER,
        "runs": [asdict(run) for run in runs],
    }
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    written()


def clips(count: int) -> Iterator[Clip]:
    """Vid4 and camera clips, each as reduced and as coded, and a screen."""
    for path in sorted(set_folder("vid4").glob("*.mkv")):
        chosen = [degraded(path.stem, plane, SCALE) for plane in islice(clip_lumas(path), count)]
        yield from both(path.stem, [frame.lr_u8 for frame in chosen], [frame.hr.astype(np.float32) for frame in chosen])
    for name in CAMERA:
        truth = [crop_to_multiple(plane / np.float32(255), SCALE) for plane in lumas(data_folder() / name, count)]
        yield from both(Path(name).stem, [as_u8(downscale(plane.astype(np.float64), SCALE)) for plane in truth], truth)
    yield Clip("typing", "screen", list(islice(screen(), count)), None)
    page = next(screen(360 + 4 * count))
    yield Clip("scrolling", "screen", [page[4 * at : 4 * at + 360] for at in range(count)], None)
    frames, hints = coded(list(panes(count)))
    yield Clip("two pages, coded", "screen", frames, None, hints)


def both(name: str, frames: list[Luma], truth: list[NDArray[np.float32]]) -> Iterator[Clip]:
    """As reduced, and as a coder leaves it."""
    yield Clip(name, "reduced", frames, truth)
    decoded, hints = coded(frames)
    yield Clip(name, "compressed", decoded, truth, hints)


def lumas(path: Path, count: int) -> Iterator[Luma]:
    """Y of a file's first frames, as it is stored."""
    with av.open(str(path)) as container:
        for frame in islice(container.decode(video=0), count):
            yield luma_of(frame)


def luma_of(frame: Any) -> Luma:
    plane = frame.planes[0]
    rows: Luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    return rows.copy()


def coded(frames: list[Luma]) -> tuple[list[Luma], list[Sequence[Shift]]]:
    """Through x264 and back, in memory, and what vectors say; one more row or column where a side is odd."""
    height, width = frames[0].shape
    coder, decoder = av.CodecContext.create("libx264", "w"), av.CodecContext.create("h264", "r")
    decoder.flags2 |= Flags2.export_mvs
    coder.width, coder.height, coder.pix_fmt, coder.framerate = width + width % 2, height + height % 2, "yuv420p", 25
    coder.time_base, coder.options = coder.framerate**-1, CODER
    packets = [packet for at, frame in enumerate(frames) for packet in coder.encode(as_video(frame, at, coder))]
    packets += coder.encode(None)
    decoded = [frame for packet in packets for frame in decoder.decode(packet)] + decoder.decode(None)
    vectors = Vectors()
    hints = [vectors.hints(frame)() for frame in decoded]
    return [np.ascontiguousarray(luma_of(frame)[:height, :width]) for frame in decoded], hints


def as_video(luma: Luma, at: int, coder: Any) -> Any:
    """A grey frame."""
    frame = av.VideoFrame(coder.width, coder.height, "yuv420p")
    padded = np.pad(luma, ((0, coder.height - luma.shape[0]), (0, coder.width - luma.shape[1])), mode="edge")
    for index, plane in enumerate(frame.planes):
        rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        rows[:] = 128 if index else padded
    frame.pts = at
    return frame


def screen(height: int = 360, width: int = 640) -> Iterator[Luma]:
    """Text that is typed, and a pointer; noise stands for the rest, which nobody looks at twice."""
    rng = np.random.default_rng(0)
    desk, letters = (rng.integers(16, 236, (height, width), dtype=np.uint8) for _ in range(2))
    at = 0
    while True:
        at += 1
        line, column = 40 + 16 * (at // 40), 30 + 12 * (at % 40)
        desk[line : line + 14, column : column + 10] = letters[line : line + 14, column : column + 10]
        shown = desk.copy()
        shown[200 + at : 216 + at, 300 + 3 * at : 310 + 3 * at] = 235
        yield shown


def panes(count: int, height: int = 360, width: int = 640) -> Iterator[Luma]:
    """Two pages of grey marks beside each other, one scrolling up and one down."""
    rng = np.random.default_rng(0)
    pages = []
    for _ in range(2):
        page = np.full((height + 10 * count, width // 2), 235, np.uint8)
        for top in range(0, len(page), 12):
            for left in range(2, width // 2 - 8, 9):
                page[top : top + rng.integers(3, 10), left : left + rng.integers(2, 8)] = rng.integers(16, 200)
        pages.append(page)
    for at in range(count):
        up, down = 4 * at, 6 * (count - at)
        yield np.hstack([pages[0][up : up + height], pages[1][down : down + height]])


@dataclass
class Tally:
    """What adds up over a clip's frames."""

    cpu_s: float
    db: list[float]


def measured(model: subpixel.Model, clip: Clip) -> list[Run]:
    """All settings and the whole frames in turns, frame by frame."""
    ways: dict[Setting | None, Callable[[Luma, int], Luma]] = {None: lambda frame, _: model.upscale_luma(frame)}
    keepers = {setting: Reusing(model, *setting[:2], time.process_time) for setting in clip.settings}
    ways |= {setting: way_of(keeper, clip.hints if setting[2] else None) for setting, keeper in keepers.items()}
    tallies = {way: Tally(0.0, []) for way in ways}
    for _ in range(2):
        model.upscale_luma(clip.frames[0])
    for at, frame in enumerate(clip.frames):
        whole: Luma | None = None
        for way, enlarge in ways.items():
            started = time.process_time()
            larger = enlarge(frame, at)
            tallies[way].cpu_s += time.process_time() - started
            whole = larger if whole is None else whole
            truth = clip.truth[at] if clip.truth else whole / np.float32(255)
            tallies[way].db.append(min(psnr_db(larger / np.float32(255), truth, SCALE), 100.0))
    plain = tallies[None]
    return [run_of(clip, setting, tallies[setting], plain, keepers[setting].reused.share) for setting in clip.settings]


def way_of(keeper: Reusing, hints: list[Sequence[Shift]] | None) -> Callable[[Luma, int], Luma]:
    """A frame of that number, with what is known of it."""
    return lambda frame, at: keeper.upscale_luma(frame, lambda: hints[at] if hints else ())


def run_of(clip: Clip, setting: Setting, tally: Tally, plain: Tally, reused: float) -> Run:
    """One row."""
    count, lost = len(clip.frames), np.array(plain.db) - np.array(tally.db)
    return Run(
        clip.name, clip.group, *setting[:2], count, float(np.mean(plain.db)), float(lost.mean()), float(lost.max()),
        1000 * plain.cpu_s / count, 1000 * tally.cpu_s / count, reused, setting[2],
    )  # fmt: skip


@reuse.command()
def show() -> None:
    """Write the page and the plot again from the record."""
    written()


def written() -> None:
    """docs/reuse.md and docs/reuse.webp."""
    record = json.loads(RECORD.read_text())
    runs = [Run(**one) for one in record["runs"]]
    RECORD.with_suffix(".md").write_text("\n".join(page(record, runs)) + "\n")
    draw(runs, RECORD.with_suffix(".webp"))


def page(record: dict[str, Any], runs: list[Run]) -> Iterator[str]:
    """Markdown."""
    machine = ", ".join(f"{key} {value}" for key, value in record["machine"].items())
    yield from (
        "<!-- Written by `benchmarks/reuse.py`. Don't edit: the next run writes it again. -->",
        "# Reuse between frames: what it saves and what it costs",
        "",
        *textwrap.wrap(METHOD.format(**record, on=machine), 118),
        "",
        f"The default is {DEFAULT_LEVELS:g} levels with motion: less than 0.02 dB are lost on every clip.",
        "",
        "![dB lost against CPU time saved](reuse.webp)",
        "",
    )
    yield "| group | tolerance, levels | mean lost, dB | clip that lost most, dB | worst frame, dB | saved | reused |"
    yield "|---|---|---|---|---|---|---|"
    for group in dict.fromkeys(run.group for run in runs):
        for setting in dict.fromkeys(setting_of(run) for run in runs if run.group == group):
            yield summary(group, setting, [run for run in runs if (run.group, *setting_of(run)) == (group, *setting)])
    settings = list(dict.fromkeys(setting_of(run) for run in runs))
    yield from ("", "## Every clip", "", "dB lost and time saved with each tolerance.", "")
    yield f"| clip | group | frames | whole, ms | whole, dB | {' | '.join(map(named, settings))} |"
    yield "|---" * (5 + len(settings)) + "|"
    for key in dict.fromkeys((run.clip, run.group) for run in runs):
        own = {setting_of(run): run for run in runs if (run.clip, run.group) == key}
        cells = " | ".join(f"{own[s].lost_db:.3f} dB, {own[s].saved:.0%}" if s in own else "" for s in settings)
        one = next(iter(own.values()))
        yield f"| {key[0]} | {key[1]} | {one.frames} | {one.whole_cpu_ms:.1f} | {one.whole_db:.2f} | {cells} |"


def setting_of(run: Run) -> Setting:
    """The tolerance, whether motion was looked for, and whether by vectors too."""
    return run.tolerance, run.motion, run.vectors


def named(setting: Setting) -> str:
    """``2, motion``."""
    return f"{setting[0]:g}{', motion' if setting[1] else ''}{' and vectors' if setting[2] else ''}"


def summary(group: str, setting: Setting, runs: Iterable[Run]) -> str:
    """One row: means over the clips of a group, time as the ratio of the sums."""
    found = list(runs)
    saved = 1 - sum(run.cpu_ms for run in found) / sum(run.whole_cpu_ms for run in found)
    mean, lost = np.mean([run.lost_db for run in found]), max(found, key=lambda run: run.lost_db)
    return (
        f"| {group} | {named(setting)} | {mean:.3f} | {lost.lost_db:.3f} ({lost.clip}) | "
        f"{max(run.worst_db for run in found):.3f} | {saved:.0%} | {np.mean([run.reused for run in found]):.0%} |"
    )


def draw(runs: list[Run], file: Path) -> None:
    """A line for each clip through its tolerances."""
    figure = Figure(figsize=(11, 5))
    groups = [group for group in dict.fromkeys(run.group for run in runs) if group != "screen"]
    for axes, group in zip(figure.subplots(1, len(groups), sharey=True), groups, strict=True):
        for clip in dict.fromkeys(run.clip for run in runs if run.group == group):
            own = [run for run in runs if (run.clip, run.group, run.motion) == (clip, group, False)]
            axes.plot([100 * run.saved for run in own], [run.lost_db for run in own], "o-", label=clip, markersize=3)
        axes.axhline(0.02, color="black", linestyle=":", linewidth=1)
        axes.set_yscale("symlog", linthresh=0.02)
        axes.set_xlabel("CPU time saved, %")
        axes.set_title(f"{group}: tolerance 0, 1, 2, 4")
        axes.legend(fontsize=7)
    figure.axes[0].set_ylabel("dB lost against the original")
    figure.tight_layout()
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    reuse()
