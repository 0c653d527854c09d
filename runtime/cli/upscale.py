"""``subpixel upscale``: enlarge a picture or a video."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import FrameType
from typing import Any

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from subpixel.cli.console import Output, json_option, overwrite_option, quiet_option
from subpixel.engines.base import PRECISIONS
from subpixel.errors import BadInputError, PartialResultError
from subpixel.media.files import upscale_file
from subpixel.media.images import ImageReport
from subpixel.media.options import UpscaleOptions, parse_duration, parse_encoder_option, parse_time
from subpixel.media.receipt import VideoReport, describe
from subpixel.media.size import SizeWish, parse_size, parse_to

LINE_SECONDS = 5.0
EPILOG = """\b
Examples:
  subpixel upscale clip.mp4 clip-x3.mp4
  subpixel upscale old.mkv new.mkv --to 1080p --encoder libx265 --encoder-option crf=22
  subpixel upscale clip.mp4 look.mp4 --preview 3s --compare
  subpixel upscale clip.mp4 live.mp4 --fps 30
  subpixel upscale photo.png photo-x3.png
"""


def _option(*names: str, **settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(*names, **settings)


OPTIONS = (
    _option("--model", help="A shipped model (`subpixel models`) or a bundle's path; else the one that fits."),
    _option("--scale", type=click.IntRange(1), help="The factor; without --model the shipped one of that factor."),
    _option("--to", help="720p, 1080p, 4k ...: the shorter side's length; the model's result is resized to it."),
    _option("--size", help="WIDTHxHEIGHT of the result; the shape shown is kept."),
    _option("--compare", is_flag=True, help="Side by side: bicubic at the left, the model at the right."),
    _option("--start", metavar="TIME", help="Begin there, as 90s, 1m or 00:01:30; exact to the frame."),
    _option("--duration", metavar="TIME", help="Only so much."),
    _option("--preview", metavar="TIME", help="The same as --duration."),
    _option("--engine", help="onnxruntime, openvino, litert, tensorrt or bicubic; else the fastest that is trusted."),
    _option("--device", default="cpu", show_default=True, help="cpu, gpu, npu, cuda:0 ..."),
    _option("--fallback", type=click.Choice(["cpu"]), help="Allow the CPU where the device isn't there."),
    _option("--precision", type=click.Choice(PRECISIONS), default="auto", show_default=True, help="The arithmetic."),
    _option("--threads", type=click.IntRange(0), default=0, help="Of the model and of the codecs; 0: their choice."),
    _option("--no-tune", is_flag=True, help="Don't measure which variant is fastest here."),
    _option("--encoder", help="One of FFmpeg's video encoders; else libx264, or libvpx-vp9 for .webm."),
    _option("--encoder-option", "encoder_options", multiple=True, metavar="KEY=VALUE", help="Repeatable."),
    _option(
        "--deinterlace",
        type=click.Choice(["auto", "on", "off"]),
        default="auto",
        show_default=True,
        help="Interlaced frames to whole ones by bwdif: those that say they are, all, or none.",
    ),
    _option("--fps", type=float, help="Frames come at this pace and are given by their deadline, two frames later."),
    _option("--rung", "rungs", multiple=True, help="With --fps: a faster model to fall back to, beside bicubic."),
    _option("--drop-unsupported", is_flag=True, help="Leave out streams that OUT's container can't hold."),
    overwrite_option,
    json_option,
    quiet_option,
)


def _with_options(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(OPTIONS):
        command = option(command)
    return command


@click.command(epilog=EPILOG)
@click.argument("source", metavar="IN")
@click.argument("target", metavar="OUT")
@_with_options
def upscale(source: str, target: str, as_json: bool, quiet: bool, **given: Any) -> None:
    """Enlarge a picture or a video file IN to OUT.

    OUT's suffix says its format: .mp4 .m4v .mov .mkv .webm for videos. Sound, subtitles, chapters and tags are kept.
    """
    output = Output(as_json, quiet)
    options = _options(given)
    with interruptible_once(), progress_for(output, Path(source).name) as progress:
        report = upscale_file(Path(source), Path(target), options, progress=progress)
    for line in _lines(report):
        output.say(line)
    output.result(report)
    if isinstance(report, VideoReport) and report.lost:
        raise PartialResultError(f"{target} holds what could be decoded; {'; '.join(report.lost)}")


def _options(given: dict[str, Any]) -> UpscaleOptions:
    """The command line's words as values. Raises ``BadInputError``."""
    renamed = {
        key: given[key]
        for key in given
        if key not in ("to", "size", "start", "duration", "preview", "no_tune", "encoder_options")
    }
    return UpscaleOptions(
        size=_size(given["to"], given["size"]),
        start_seconds=parse_time(given["start"]) if given["start"] is not None else None,
        duration_seconds=_duration(given["duration"], given["preview"]),
        tune=not given["no_tune"],
        encoder_options=tuple(parse_encoder_option(text) for text in given["encoder_options"]),
        **renamed,
    )


def _size(to: str | None, size: str | None) -> SizeWish | None:
    if to is not None and size is not None:
        raise BadInputError("--to and --size both say how large the result shall be; give one of them")
    if to is not None:
        return parse_to(to)
    return parse_size(size) if size is not None else None


def _duration(duration: str | None, preview: str | None) -> Fraction | None:
    if duration is not None and preview is not None:
        raise BadInputError("--preview is another word for --duration; give one of them")
    if duration is not None:
        return parse_duration(duration)
    return parse_duration(preview, "--preview") if preview is not None else None


def _lines(report: ImageReport | VideoReport) -> Iterator[str]:
    if isinstance(report, VideoReport):
        yield from report.lines()
        return
    width, height = report.target_size
    before = "x".join(map(str, report.source_size))
    yield f"{report.target}: {width}x{height} {report.target_mode}, from {before}"
    yield f"  model     {describe(report.receipt)}"
    yield f"  ms        read {report.read_ms:.0f}, model {report.model_ms:.0f}, write {report.write_ms:.0f}"
    for word, names in (("kept", report.kept), ("left out", report.dropped), ("note", report.notes)):
        for name in names:
            yield f"  {word:<9} {name}"


@contextmanager
def interruptible_once() -> Iterator[None]:
    """Ctrl-C and SIGTERM stop the work; what comes after the first is ignored, for the cleaning up is under way."""
    signals = (signal.SIGINT, signal.SIGTERM)
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(each, stop) for each in signals]
    try:
        yield
    finally:
        if not stopped:
            for each, handler in zip(signals, before, strict=True):
                signal.signal(each, handler)


@contextmanager
def progress_for(output: Output, name: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar with frames a second and the time left on a terminal, a line now and then elsewhere, nothing when quiet."""
    if output.quiet:
        yield lambda done, expected: None
    elif sys.stderr.isatty():
        with _bar(output) as progress:
            task = progress.add_task(name, total=None, fps="")
            started = time.perf_counter()

            def show(done: int, expected: int | None) -> None:
                fps = done / max(time.perf_counter() - started, 1e-6)
                progress.update(task, completed=done, total=expected, fps=f"{fps:.1f} frames/s")

            yield show
    else:
        yield Lines(output).show


def _bar(output: Output) -> Progress:
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[fps]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    return Progress(*columns, console=output.progress_console, transient=True)


class Lines:
    """Progress for logs: one line every few seconds, on stderr."""

    def __init__(self, output: Output) -> None:
        self._console = output.progress_console
        self._started = self._last = time.perf_counter()

    def show(self, done: int, expected: int | None) -> None:
        """Say how far the work is, unless that was said just now."""
        now = time.perf_counter()
        if now - self._last < LINE_SECONDS:
            return
        self._last = now
        fps = done / (now - self._started)
        left = f", {(expected - done) / fps:.0f} s left" if expected and expected >= done else ""
        of = f" of {expected}" if expected else ""
        self._console.print(f"{done}{of} frames, {fps:.1f} frames/s{left}", markup=False)
