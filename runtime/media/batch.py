"""Many files: which there are, what their results are called, and one after the other through the same open model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from subpixel.errors import BadInputError, NotFoundError, OutputError, SubpixelError
from subpixel.media.containers import CONTAINERS
from subpixel.media.files import upscale_with
from subpixel.media.images_kinds import FORMATS, ImageReport, is_image
from subpixel.media.opened import OpenModels
from subpixel.media.options import VIDEO_OPTIONS, UpscaleOptions
from subpixel.media.receipt import VideoReport
from subpixel.media.video import Progress, silent
from subpixel.model import Model

VIDEOS_WRITTEN = tuple(suffix for container in CONTAINERS for suffix in container.suffixes)
VIDEOS_READ = (
    *VIDEOS_WRITTEN, ".avi", ".ts", ".m2ts", ".mts", ".mpg", ".mpeg", ".vob", ".wmv", ".flv", ".3gp", ".ogv", ".nut",
)  # fmt: skip
PICTURES_WRITTEN = tuple(suffix for form in FORMATS for suffix in form.suffixes)
PICTURES_READ = (*PICTURES_WRITTEN, ".gif")
MOST_NAMED = 3


@dataclass(frozen=True)
class Job:
    """One file and its result."""

    source: Path
    target: Path


@dataclass(frozen=True)
class FileResult:
    """What became of one file: a report, or ``error`` in words, or neither for one that was ``skipped``."""

    source: str
    target: str
    report: ImageReport | VideoReport | None = None
    error: str = ""
    skipped: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether nothing is missing."""
        return not self.error and not (isinstance(self.report, VideoReport) and self.report.lost)


def find_jobs(sources: Sequence[Path], folder: Path) -> tuple[Job, ...]:
    """The files named, and all pictures and videos in the folders named, with the names of their results.

    Names are kept, below ``folder`` as they are below the folder they come from; a file that can't be written as what
    it is becomes ``.mkv`` or ``.png``. Raises ``NotFoundError``, or ``BadInputError`` for a folder with nothing in it
    and two files whose results would have one name.
    """
    jobs: dict[Path, Job] = {}
    for source in sources:
        for file, name in _files(source, folder):
            job = Job(file, folder / name.with_suffix(_suffix(file)))
            other = jobs.setdefault(job.target, job)
            if other is not job and not other.source.samefile(file):
                raise BadInputError(f"{other.source} and {file} would both become {job.target}; rename one of them")
    return tuple(jobs.values())


def _files(source: Path, folder: Path) -> Iterator[tuple[Path, Path]]:
    """Each file, and its name below where it was looked for."""
    if not source.exists():
        raise NotFoundError(f"{source}: no such file or folder")
    if not source.is_dir():
        yield source, Path(source.name)
        return
    found = list(_walked(source, Path(os.path.realpath(folder))))
    if not found:
        raise BadInputError(f"{source}: no pictures or videos in this folder; looked for {' '.join(PICTURES_READ)} "
                            f"{' '.join(VIDEOS_READ)}")  # fmt: skip
    for file in found:
        yield file, file.relative_to(source)


def _walked(source: Path, left_out: Path) -> Iterator[Path]:
    """In the order of their names; nothing hidden, no unfinished work, and not the results themselves."""
    for top, folders, names in os.walk(source):
        folders[:] = sorted(
            name for name in folders
            if not name.startswith(".") and not name.endswith(".part") and Path(os.path.realpath(top), name) != left_out
        )  # fmt: skip
        for name in sorted(names):
            if not name.startswith(".") and Path(name).suffix.lower() in PICTURES_READ + VIDEOS_READ:
                yield Path(top, name)


def _suffix(file: Path) -> str:
    suffix = file.suffix
    if suffix.lower() in PICTURES_WRITTEN + VIDEOS_WRITTEN:
        return suffix
    return ".png" if suffix.lower() in PICTURES_READ or is_image(file) else ".mkv"


def refuse_existing(jobs: Sequence[Job], overwrite: bool, skip_existing: bool) -> None:
    """Raises ``OutputError`` before any work where a result is there already or is one of the inputs."""
    sources = {os.path.realpath(job.source) for job in jobs}
    for job in jobs:
        if os.path.realpath(job.target) in sources:
            raise OutputError(f"{job.target} is one of the inputs; choose another folder")
    there = [str(job.target) for job in jobs if job.target.exists()]
    if there and not (overwrite or skip_existing):
        more = f" and {len(there) - MOST_NAMED} more" if len(there) > MOST_NAMED else ""
        raise OutputError(
            f"{', '.join(there[:MOST_NAMED])}{more}: there already; choose another folder, or pass --skip-existing or "
            "--overwrite"
        )


def upscale_files(
    jobs: Sequence[Job],
    options: UpscaleOptions | None = None,
    *,
    model: Model | None = None,
    skip_existing: bool = False,
    progress: Callable[[int, Job], AbstractContextManager[Progress]] = lambda number, job: nullcontext(silent),
) -> Iterator[FileResult]:
    """Enlarge one after the other, by models that are opened once; what fails is told in its result and left behind.

    ``progress`` is asked, with the file's number from 0, for what is told of its frames.
    Raises ``OutputError`` before any work where a result exists, unless it may be replaced or shall be skipped.
    """
    options = options or UpscaleOptions()
    refuse_existing(jobs, options.overwrite, skip_existing)
    with OpenModels(model) as models:
        for number, job in enumerate(jobs):
            if skip_existing and job.target.exists():
                yield FileResult(str(job.source), str(job.target), skipped=True)
            else:
                with progress(number, job) as told:
                    result = _done(models, job, options, told)
                yield result


def _done(models: OpenModels, job: Job, options: UpscaleOptions, progress: Progress) -> FileResult:
    names = str(job.source), str(job.target)
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        fitting = _without_videos(options) if job.target.suffix.lower() in PICTURES_WRITTEN else options
        return FileResult(*names, upscale_with(models, job.source, job.target, fitting, progress))
    except (SubpixelError, OSError) as fault:
        return FileResult(*names, error=str(fault))
    except MemoryError:
        return FileResult(*names, error="not enough memory for it")


def _without_videos(options: UpscaleOptions) -> UpscaleOptions:
    """What is asked of the videos among the files does not keep the pictures from being made."""
    plain = UpscaleOptions()
    return replace(options, rungs=(), **{name: getattr(plain, name) for name in VIDEO_OPTIONS})
