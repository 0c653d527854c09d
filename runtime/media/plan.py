"""Everything that is decided, and refused, before the first frame is worked on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from subpixel import catalogue
from subpixel.errors import BadInputError, NotFoundError
from subpixel.media.containers import Container
from subpixel.media.cutting import make_span
from subpixel.media.encoder import EncoderWish, Encoding, choose_encoding
from subpixel.media.memory import refuse_too_large
from subpixel.media.options import UpscaleOptions
from subpixel.media.outlets import Target, container_for
from subpixel.media.pixels import bits_of, subsampling
from subpixel.media.places import check_target
from subpixel.media.probe import MediaInfo, VideoInfo, open_input, probe
from subpixel.media.segments import is_finished
from subpixel.media.sources import Feed, Source
from subpixel.media.span import WHOLE, Span
from subpixel.media.streams import Fate, plan_fates

SHIPPED_FACTORS = (2, 3, 4)
SAME_SHAPE = 0.005  # a shape that differs by less came from rounding, and the sample aspect is left alone


@dataclass(frozen=True)
class Plan:
    """``size``: of the enlarged picture, ``encoding.size`` of the coded frame (both halves of a comparison)."""

    source: MediaInfo
    target: Target
    container: Container
    size: tuple[int, int]
    encoding: Encoding
    fates: tuple[Fate, ...]
    options: UpscaleOptions
    span: Span = WHOLE

    @property
    def kept(self) -> frozenset[int]:
        """The numbers of the streams whose packets are taken over."""
        return frozenset(fate.stream.index for fate in self.fates if fate.action in ("copy", "convert"))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is assumed and converted."""
        return tuple(_notes(self))


def check_paths(source: Source, target: Target, options: UpscaleOptions) -> Container:
    """What can be refused without looking into the file. Raises ``OutputError``, ``NotFoundError``."""
    if isinstance(source, Path) and not source.exists():
        raise NotFoundError(f"{source}: no such file")
    container = container_for(target, options.output_format)
    if isinstance(target, Path):
        check_target(source, target, options.overwrite or (options.resume and is_finished(target)))
    _refuse_once(source, target, options)
    return container


def _refuse_once(source: Source, target: Target, options: UpscaleOptions) -> None:
    """What needs files that can be gone back in."""
    if isinstance(source, Path) and (isinstance(target, Path) or not options.resume):
        return
    for option, is_given in (("--start", options.start_seconds is not None), ("--resume", options.resume)):
        if is_given:
            raise BadInputError(f"{option} needs files, and {source} or {target} passes by only once; leave it out")


def make_plan(
    source: Source, target: Target, scale: int, options: UpscaleOptions, info: MediaInfo | None = None
) -> Plan:
    """Plan the work for a model of this factor. Raises ``BadInputError`` and its children."""
    container = check_paths(source, target, options)
    info = info or probe(source, options.decoder)
    video = info.video
    size = result_size(video, scale, options)
    enlarged = video.size[0] * scale, video.size[1] * scale
    refuse_too_large(_coded(size, video, options), enlarged, 1 if bits_of(video.working_format) == 8 else 2)
    encoding = choose_encoding(_encoder_wish(video, size, options), container)
    with open_input(source) as opened:
        fates = plan_fates(opened, info.streams, video.index, container, options.drop_unsupported)
    if isinstance(source, Feed):
        fates = tuple(f if f.action != "attach" or not f.stream.is_picture else _passed_by(f) for f in fates)
    return Plan(info, target, container, size, encoding, fates, options, make_span(info, options))


def _passed_by(fate: Fate) -> Fate:
    return replace(fate, action="drop", becomes="", why="a stream's cover passes by before it is known")


def result_size(video: VideoInfo, scale: int, options: UpscaleOptions) -> tuple[int, int]:
    """Width and height of the enlarged picture. Raises ``BadInputError``."""
    width, height = video.size
    return options.size.resolve(width, height, even=True) if options.size else (width * scale, height * scale)


def _coded(size: tuple[int, int], video: VideoInfo, options: UpscaleOptions) -> tuple[int, int]:
    if not options.compare:
        return size
    step = subsampling(video.working_format)[0]
    return 2 * max(size[0] // step * step, 1), size[1]


def _encoder_wish(video: VideoInfo, size: tuple[int, int], options: UpscaleOptions) -> EncoderWish:
    return EncoderWish(
        video.working_format, _coded(size, video, options), video.time_base, video.rate, sample_aspect(video, size),
        video.tags, video.siting.name, options.encoder, options.encoder_options, options.threads,
        repeatable=options.resume,
    )  # fmt: skip


def sample_aspect(video: VideoInfo, size: tuple[int, int]) -> Fraction | None:
    """The samples' aspect that keeps the picture's shape when width and height don't grow alike."""
    width, height = video.size
    stretch = Fraction(size[1] * width, size[0] * height)
    if abs(stretch - 1) < SAME_SHAPE:
        return video.aspect
    return ((video.aspect or 1) * stretch).limit_denominator(10_000)


def choose_model(options: UpscaleOptions, size: tuple[int, int]) -> str:
    """The model's name: as asked, else the shipped one whose factor fits the result best.

    ``size``: of the input. Raises ``BadInputError`` when ``--scale`` asks for a factor that there isn't.
    """
    family = catalogue.DEFAULT_MODEL.rpartition("-x")[0]
    if options.model is not None:
        return options.model
    if options.scale is not None:
        return f"{family}-x{options.scale}"
    if options.size is None:
        return catalogue.DEFAULT_MODEL
    wanted = options.size.resolve(*size)
    factor = max(wanted[0] / size[0], wanted[1] / size[1])
    fitting = [s for s in SHIPPED_FACTORS if f"{family}-x{s}" in catalogue.shipped_names()]
    large_enough = [s for s in fitting if s >= factor] or fitting[-1:]
    return f"{family}-x{large_enough[0]}" if large_enough else catalogue.DEFAULT_MODEL


def check_scale(name: str, scale: int, options: UpscaleOptions) -> None:
    """Raises ``BadInputError`` when the model's factor isn't the one asked for."""
    if options.scale not in (None, scale):
        raise BadInputError(
            f"--scale {options.scale}: {name} enlarges {scale} times; leave --scale out, or name another model "
            f"(`subpixel models` lists them), or ask for a size with --to or --size"
        )


def _notes(plan: Plan) -> list[str]:
    video, notes = plan.source.video, []
    notes.append(f"colours {video.tags}, {video.pixel_format}; {video.siting}")
    if video.size[0] * plan.size[1] != video.size[1] * plan.size[0] or plan.options.size:
        notes.append(f"the model's result was resized to {plan.size[0]}x{plan.size[1]} (Lanczos)")
    if plan.encoding.aspect != video.aspect:
        notes.append(f"the shape shown is kept: sample aspect {plan.encoding.aspect}")
    if video.rotation:
        notes.append(f"rotation by {video.rotation} degrees is kept as a tag")
    if video.tags.is_hdr:
        notes.append("HDR: the tags are kept; the model was trained on standard range")
    if video.hdr:
        notes.append(f"HDR side data left out: {', '.join(video.hdr)}")
    if plan.options.start_seconds:
        notes.append(f"begins with the frame at {float(plan.span.shift):.3f} s, whose time is now zero")
    if plan.options.compare:
        notes.append("a comparison: bicubic at the left, the model at the right")
    if plan.container.format in ("matroska", "webm") and (1000 % video.time_base.denominator):
        notes.append("Matroska's clock is milliseconds: times are rounded to it")
    return [*notes, *plan.encoding.notes]
