"""``subpixel demo``: the sample clip made larger, and one picture that shows the difference."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from PIL import Image

import subpixel
from subpixel.catalogue import DEFAULT_MODEL
from subpixel.cli.before_after import Rgb, composed, frame_of, panels, save_picture
from subpixel.cli.console import Output, json_option, overwrite_option, quiet_option
from subpixel.cli.progress import progress_for
from subpixel.errors import NotFoundError, OutputError, PartialResultError
from subpixel.media.files import upscale_file
from subpixel.media.options import UpscaleOptions
from subpixel.media.receipt import VideoReport

CLIP = Path("samples") / "stream_640x360.mp4"
FRAME = 40
ORIGINAL = Path("samples") / f"stream_frame{FRAME}_1920x1080.webp"
PICTURE = "before-after.webp"


@dataclass(frozen=True)
class Sample:
    """A clip to show, and what its frame 40 was before it was reduced, where that is known."""

    clip: Path
    original: Path | None = None


@dataclass(frozen=True)
class Shown:
    """A panel of the picture; ``psnr_db``: luma of the whole frame against the original."""

    name: str
    psnr_db: float | None


@dataclass(frozen=True)
class DemoReport:
    """The one object on stdout."""

    video: VideoReport
    picture: str
    panels: tuple[Shown, ...]


@click.command()
@click.argument("clip", required=False, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", "folder", default="demo-output", show_default=True, type=click.Path(path_type=Path),
    help="The folder that is written to.",
)  # fmt: skip
@click.option("--model", default=DEFAULT_MODEL, show_default=True, help="A shipped model's name, or a bundle's path.")
@json_option
@quiet_option
@overwrite_option
def demo(clip: Path | None, folder: Path, model: str, as_json: bool, quiet: bool, overwrite: bool) -> None:
    """Enlarge the sample clip (or CLIP), and make a picture of one frame before and after.

    The samples are in the repository, not in the package: run it there, or name a clip of your own.

    \b
    Example:  subpixel demo
              subpixel demo holiday.mp4 -o holiday --model espcn-x2
    """
    out = Output(as_json, quiet)
    report = run_demo(sample(clip), folder, model, overwrite, out)
    for line in _lines(report):
        out.say(line)
    out.result(report)
    if report.video.lost:
        raise PartialResultError(f"{report.video.target} holds what could be decoded; {'; '.join(report.video.lost)}")


def sample(clip: Path | None) -> Sample:
    """The clip asked for, else the repository's. Raises ``NotFoundError``."""
    if clip is not None:
        return Sample(clip)
    for folder in (Path(), *Path(__file__).resolve().parents):
        if (folder / CLIP).is_file():
            original = folder / ORIGINAL
            return Sample(folder / CLIP, original if original.is_file() else None)
    raise NotFoundError(
        f"found no {CLIP.as_posix()}: the samples are in the repository, not in the package; "
        "run `subpixel demo` there, or name a clip: subpixel demo CLIP"
    )


def run_demo(shown: Sample, folder: Path, model: str, overwrite: bool, out: Output) -> DemoReport:
    """Write the video and the picture. Raises what ``upscale_file`` raises, ``OutputError`` for the picture."""
    picture = folder / PICTURE
    if picture.exists() and not overwrite:
        raise OutputError(f"{picture} exists; choose another folder (-o) or pass --overwrite")
    lr = frame_of(shown.clip, FRAME)
    with subpixel.open(model, tune=True, frame_size=lr.shape[:2]) as opened:
        target = folder / result_name(shown.clip, lr, opened.scale)
        _make_folder(folder)
        with progress_for(out, shown.clip.name) as progress:
            report = upscale_file(
                shown.clip, target, UpscaleOptions(overwrite=overwrite), model=opened, progress=progress
            )
        made = panels(opened, lr, _read(shown.original))
    assert isinstance(report, VideoReport)  # a picture is refused for its result's suffix
    save_picture(composed(made), picture)
    return DemoReport(report, str(picture), tuple(Shown(panel.name, panel.psnr_db) for panel in made))


def result_name(clip: Path, lr: Rgb, scale: int) -> str:
    """``stream_640x360.mp4`` three times as large is ``stream_1920x1080.mp4``."""
    height, width = lr.shape[0] * scale, lr.shape[1] * scale
    return f"{re.sub(r'_[0-9]+x[0-9]+$', '', clip.stem)}_{width}x{height}.mp4"


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise OutputError(f"{folder} can't be made ({fault.strerror}); choose another with -o") from fault


def _read(original: Path | None) -> Rgb | None:
    if original is None:
        return None
    with Image.open(original) as image:
        return np.asarray(image.convert("RGB"))


def _lines(report: DemoReport) -> Iterator[str]:
    yield from report.video.lines()
    yield f"{report.picture}: {', '.join(_figure(panel) for panel in report.panels)}"


def _figure(panel: Shown) -> str:
    return panel.name if panel.psnr_db is None else f"{panel.name} {panel.psnr_db:.2f} dB"
