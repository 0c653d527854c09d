"""``subpixel upscale``: enlarge pictures and videos."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import click

from subpixel.cli.console import Output
from subpixel.cli.memory import give_frames_back
from subpixel.cli.progress import interruptible_once, progress_for
from subpixel.cli.upscale_options import options_of, with_options
from subpixel.errors import BadInputError, PartialResultError
from subpixel.media.batch import FileResult, Job, find_jobs, upscale_files
from subpixel.media.files import upscale_file
from subpixel.media.images_kinds import ImageReport
from subpixel.media.options import UpscaleOptions
from subpixel.media.outlets import PIPE
from subpixel.media.receipt import VideoReport, describe
from subpixel.media.sources import source_of
from subpixel.media.video import Progress

EPILOG = """\b
Examples:
  subpixel upscale clip.mp4 clip-x3.mp4
  subpixel upscale old.mkv new.mkv --to 1080p --encoder libx265 --encoder-option crf=22
  subpixel upscale clip.mp4 look.mp4 --start 1m --duration 3s --compare
  subpixel upscale clip.mp4 live.mp4 --fps 30
  subpixel upscale photo.png photo-x3.png
  subpixel upscale photos/ film.mp4 -o large/ --skip-existing
"""


@click.command(epilog=EPILOG)
@click.argument("names", metavar="IN... OUT", nargs=-1, required=True)
@with_options
def upscale(
    names: tuple[str, ...], as_json: bool, quiet: bool, output_folder: str | None, skip_existing: bool, **given: Any
) -> None:
    """Enlarge a picture or a video file IN to OUT, or many files and folders into the folder OUT.

    OUT's suffix says its format: .mp4 .m4v .mov .mkv .webm for videos. Sound, subtitles, chapters and tags are kept.
    In a folder every result has its input's name.
    """
    give_frames_back()
    is_piped = names[-1] == PIPE and output_folder is None
    if is_piped and as_json:
        raise BadInputError("--json speaks on standard output, where the video goes; name a file, or leave --json out")
    output, options = Output(as_json, quiet, is_piped), options_of(given)
    sources, target = places(names, output_folder)
    if target is not None:
        if skip_existing:
            raise BadInputError("--skip-existing is for many files; name a folder for the results with -o")
        _one(sources[0], target, options, output)
    else:
        _many([Path(source) for source in sources], Path(output_folder or names[-1]), options, skip_existing, output)


def places(names: Sequence[str], folder: str | None) -> tuple[tuple[str, ...], str | None]:
    """The inputs, and the one result's name, ``None`` where results go into a folder. Raises ``BadInputError``.

    The last name is a folder when there are several inputs, or one that is a folder, when it ends with a slash, and
    when it is a folder already, as with ``cp``.
    """
    if folder is not None:
        return tuple(names), None
    if len(names) == 1:
        raise BadInputError(f"{names[0]}: where to? name the result, or a folder for it with -o")
    *sources, target = names
    is_called_folder = target.endswith("/") or Path(target).is_dir()
    is_folder = len(sources) > 1 or Path(sources[0]).is_dir() or is_called_folder
    if is_folder and Path(target).suffix and not is_called_folder:
        raise BadInputError(f"{target} would hold several results; name a folder for them with -o")
    return tuple(sources), None if is_folder else target


def _one(source: str, target: str, options: UpscaleOptions, output: Output) -> None:
    is_live = not isinstance(source_of(source, options.input_format, options.input_options), Path)
    stop = threading.Event() if is_live else None
    with interruptible_once(stop), progress_for(output, source if is_live else Path(source).name) as progress:
        try:
            report = upscale_file(source, target, options, progress=progress, stop=stop)
        except KeyboardInterrupt:
            if options.resume:
                output.progress_console.print(
                    f"{target}.part/ keeps what is finished; the same command goes on from there"
                )
            raise
    if stop is not None and stop.is_set():
        output.say(f"stopped; {target} is complete up to there")
    for line in _lines(report):
        output.say(line)
    output.result(report)
    if isinstance(report, VideoReport) and report.lost:
        raise PartialResultError(f"{target} holds what could be decoded; {'; '.join(report.lost)}")


def _many(sources: Sequence[Path], folder: Path, options: UpscaleOptions, skip_existing: bool, output: Output) -> None:
    jobs = find_jobs(sources, folder)
    results: list[FileResult] = []
    with interruptible_once():
        for result in upscale_files(
            jobs, options, skip_existing=skip_existing, progress=partial(_counted, output, len(jobs))
        ):
            results.append(result)
            _tell(result, output)
    output.result(results)
    _refuse_unfinished(results)


def _counted(output: Output, total: int, number: int, job: Job) -> AbstractContextManager[Progress]:
    name = f"{number + 1} of {total}: {job.source.name}"
    if not sys.stderr.isatty():
        output.progress_console.print(name, markup=False)
    return progress_for(output, name)


def _tell(result: FileResult, output: Output) -> None:
    """One file's end, for people."""
    if result.report is not None:
        for line in _lines(result.report):
            output.say(line)
    elif result.skipped:
        output.say(f"{result.target}: there already, skipped")
    else:
        output.say(f"{result.source}: FAILED, {result.error}")


def _refuse_unfinished(results: Sequence[FileResult]) -> None:
    """Raises ``PartialResultError`` naming the files of which something is missing."""
    unfinished = [result for result in results if not result.is_whole]
    if unfinished:
        said = "; ".join(result.error or f"{result.target} holds what could be decoded" for result in unfinished)
        raise PartialResultError(f"{len(unfinished)} of {len(results)} files are not whole: {said}")


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
