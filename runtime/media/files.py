"""One entrance for every media file: pictures and videos are told apart by what they hold."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import subpixel
from subpixel.catalogue import shipped_names
from subpixel.errors import BadInputError
from subpixel.media import images
from subpixel.media.containers import CONTAINERS
from subpixel.media.images import ImageOptions, ImageReport, image_size, is_image, upscale_image
from subpixel.media.options import UpscaleOptions
from subpixel.media.plan import check_paths, check_scale, choose_model, make_plan
from subpixel.media.probe import probe
from subpixel.media.receipt import VideoReport
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
) -> ImageReport | VideoReport:
    """Enlarge a picture or a video; what ``source`` holds decides. ``target``'s suffix says the format of the result.

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
    source, target, options = Path(source), Path(target), options or UpscaleOptions()
    if _is_still(source, target):
        return _upscale_still(source, target, options, model)
    check_paths(source, target, options.overwrite)
    info = probe(source)
    with _Opened(model, options, info.video.size) as opened:
        plan = make_plan(source, target, opened.scale, options, info)
        if options.fps is None:
            return run_plan(plan, opened, progress)
        with ExitStack() as stack:
            width, height = info.video.size
            names = options.rungs or shipped_rungs(opened)
            below = [stack.enter_context(_opened(name, options, (height, width))) for name in names]
            return run_plan(plan, opened, progress, below)


def _is_still(source: Path, target: Path) -> bool:
    """A GIF whose result is called a video is one."""
    if not is_image(source):
        return False
    with source.open("rb") as file:
        return not (file.read(4) == b"GIF8" and target.suffix.lower() in VIDEO_SUFFIXES)


def _upscale_still(source: Path, target: Path, options: UpscaleOptions, model: Model | None) -> ImageReport:
    if target.suffix.lower() in VIDEO_SUFFIXES:
        raise BadInputError(f"{source} is a picture, {target.name} would be a video; give it a picture's suffix")
    for name in ("start_seconds", "duration_seconds", "encoder", "fps"):
        if getattr(options, name) is not None:
            raise BadInputError(f"--{name.partition('_')[0]} is for videos, and {source} is a picture; leave it out")
    images.check_paths(source, target, options.overwrite)
    size = image_size(source)
    wanted = options.size.resolve(*size) if options.size else None
    with _Opened(model, options, size) as opened:
        return upscale_image(opened, source, target, ImageOptions(wanted, options.compare, options.overwrite))


def shipped_rungs(model: Model) -> list[str]:
    """Our own fast nets of the model's factor, where they are shipped."""
    found = (f"{family}-x{model.scale}" for family in FAST_FAMILIES)
    return [name for name in found if name in shipped_names() and name != model.spec.name]


def _opened(name: str, options: UpscaleOptions, frame_size: tuple[int, int]) -> Model:
    return subpixel.open(
        name, engine=options.engine, device=options.device, precision=options.precision, threads=options.threads,
        fallback=options.fallback, tune=options.tune, frame_size=frame_size,
    )  # fmt: skip


class _Opened:
    """The caller's model, which stays open, or one opened for this file alone. ``size``: the input's width, height."""

    def __init__(self, model: Model | None, options: UpscaleOptions, size: tuple[int, int]) -> None:
        self._given, self._options, self._size = model, options, size
        self._model: Model | None = None

    def __enter__(self) -> Model:
        if self._given is not None:
            return self._given
        options, (width, height) = self._options, self._size
        name = choose_model(options, self._size)
        self._model = _opened(name, options, (height, width))
        check_scale(name, self._model.scale, options)
        return self._model

    def __exit__(self, *fault: object) -> None:
        if self._model is not None:
            self._model.close()
