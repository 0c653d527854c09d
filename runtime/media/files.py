"""One entrance for every media file: pictures and videos are told apart by what they hold."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path

from subpixel.catalogue import shipped_names
from subpixel.errors import BadInputError
from subpixel.media.containers import CONTAINERS
from subpixel.media.images_kinds import ImageOptions, ImageReport, is_image
from subpixel.media.opened import OpenModels
from subpixel.media.options import VIDEO_OPTIONS, UpscaleOptions
from subpixel.media.outlets import Target, target_of
from subpixel.media.plan import check_paths, make_plan
from subpixel.media.probe import probe
from subpixel.media.receipt import VideoReport
from subpixel.media.sources import Feed, Source, source_of
from subpixel.media.video import Progress, run_plan, silent
from subpixel.model import Model

FAST_FAMILIES = ("edge-fast", "edge")
VIDEO_SUFFIXES = tuple(suffix for container in CONTAINERS for suffix in container.suffixes)


def upscale_file(
    source: str | Path,
    target: str | Path,
    options: UpscaleOptions | None = None,
    *,
    model: Model | None = None,
    progress: Progress = silent,
    stop: threading.Event | None = None,
) -> ImageReport | VideoReport:
    """Enlarge a picture or a video; what ``source`` holds decides. ``target``'s suffix says the format of the result.

    ``source`` may also be ``-`` (standard input), ``camera:0``, or a URL, and ``target`` ``-`` (standard output) or
    ``null:``. Such a source is read until it ends or ``stop`` is set; what came until then is finished and kept.
    ``model``: one that is open already, else ``options`` say which to open. ``target`` appears when it is complete.
    ``progress`` is called with the frames done and those expected (``None``: not known).

    Raises ``NotFoundError``, ``BadInputError`` or ``OutputError`` before any work is done for what can't be served, and
    what ``subpixel.open`` raises. A damaged video is worked on as far as it goes: look at the report's ``lost``.

    >>> from fractions import Fraction
    >>> from subpixel.media import UpscaleOptions, upscale_file
    >>> report = upscale_file("clip.mp4", "clip-x3.mp4", UpscaleOptions(duration_seconds=Fraction(3)))  # doctest: +SKIP
    >>> report.target_size  # doctest: +SKIP
    (1920, 1080)
    """
    with OpenModels(model) as models:
        return upscale_with(models, source, target, options or UpscaleOptions(), progress, stop)


def upscale_with(
    models: OpenModels,
    source: str | Path,
    target: str | Path,
    options: UpscaleOptions,
    progress: Progress = silent,
    stop: threading.Event | None = None,
) -> ImageReport | VideoReport:
    """The same by models that stay open for more files."""
    given = source_of(source, options.input_format, options.input_options, stop)
    wanted = target_of(target, options.output_format)
    if isinstance(given, Path) and _is_still(given, Path(target)):
        return _upscale_still(given, Path(target), options, models)
    check_paths(given, wanted, options)
    with given if isinstance(given, Feed) else nullcontext():
        return _upscale_video(models, given, wanted, options, progress)


def _upscale_video(
    models: OpenModels, source: Source, target: Target, options: UpscaleOptions, progress: Progress
) -> VideoReport:
    info = probe(source, options.decoder)
    model = models.fitting(options, info.video.size, streams=0 if options.fps is None else 1)
    plan = make_plan(source, target, model.scale, options, info)
    if options.resume:
        from subpixel.media.resume import run_resumable  # with its segments and logs, which other jobs don't need

        return run_resumable(plan, model, progress)
    if options.fps is None:
        return run_plan(plan, model, progress)
    names = options.rungs or shipped_rungs(model)
    return run_plan(plan, model, progress, [models.named(name, options, info.video.size) for name in names])


def _is_still(source: Path, target: Path) -> bool:
    """A GIF whose result is called a video is one."""
    if not is_image(source):
        return False
    with source.open("rb") as file:
        return not (file.read(4) == b"GIF8" and target.suffix.lower() in VIDEO_SUFFIXES)


def _upscale_still(source: Path, target: Path, options: UpscaleOptions, models: OpenModels) -> ImageReport:
    from subpixel.media import images  # with Pillow, which videos don't need

    if target.suffix.lower() in VIDEO_SUFFIXES:
        raise BadInputError(f"{source} is a picture, {target.name} would be a video; give it a picture's suffix")
    for name in VIDEO_OPTIONS:
        if getattr(options, name):
            option = name.removesuffix("_seconds").replace("_", "-")
            raise BadInputError(f"--{option} is for videos, and {source} is a picture; leave it out")
    images.check_paths(source, target, options.overwrite)
    size = images.image_size(source)
    wanted = options.size.resolve(*size) if options.size else None
    model = models.fitting(options, size)
    return images.upscale_image(model, source, target, ImageOptions(wanted, options.compare, options.overwrite))


def shipped_rungs(model: Model) -> list[str]:
    """Our own fast nets of the model's factor, where they are shipped."""
    found = (f"{family}-x{model.scale}" for family in FAST_FAMILIES)
    return [name for name in found if name in shipped_names() and name != model.spec.name]
