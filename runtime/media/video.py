"""Enlarge a video file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from numpy.typing import NDArray

from subpixel.errors import BadInputError
from subpixel.governor import Timeliness
from subpixel.media.deinterlace import Deinterlacer
from subpixel.media.enlarge import Enlarger, LumaEnlarger, Preparer, Seen
from subpixel.media.enlarge_abreast import AbreastEnlarger, TurnsEnlarger
from subpixel.media.live import LiveEnlarger, in_order, refuse_unfit
from subpixel.media.luma import LumaCode
from subpixel.media.options import UpscaleOptions
from subpixel.media.outlets import place_of
from subpixel.media.pipeline import Clock, Pipeline
from subpixel.media.pixels import bits_of, is_rgb
from subpixel.media.plan import Plan, make_plan
from subpixel.media.probe import is_picture, open_input, probe
from subpixel.media.reader import Losses, Reader
from subpixel.media.receipt import StageTimes, VideoReport
from subpixel.media.sources import Feed
from subpixel.media.span import Span
from subpixel.media.streams import content_tags
from subpixel.media.writer import Writer
from subpixel.model import Model
from subpixel.reuse import Reusing, can_reuse

Progress = Callable[[int, int | None], None]


def silent(done: int, expected: int | None) -> None:
    """No progress."""


def upscale_video(
    model: Model, source: Path, target: Path, options: UpscaleOptions | None = None, progress: Progress = silent
) -> VideoReport:
    """Enlarge a video with an open model; ``target`` appears when it is complete.

    ``progress`` is called with the frames done and those expected, if that is known. A damaged file is worked on as far
    as it goes, and the report says what is lost. Raises ``BadInputError`` and its children before any work is done,
    ``OutputError`` when the result can't be written; nothing is left behind then.
    """
    return run_plan(make_plan(source, target, model.scale, options or UpscaleOptions()), model, progress)


def run_plan(plan: Plan, model: Model, progress: Progress = silent, below: Sequence[Model] = ()) -> VideoReport:
    """Do what was planned. ``below``: with ``fps``, faster models for frames that ``model`` would be late with."""
    video, options = plan.source.video, plan.options
    writer = Writer(place_of(plan.target), plan.container, plan.encoding, video)
    deinterlacer = Deinterlacer(options.deinterlace, video.time_base)
    enlarger = enlarger_for(model, plan) if options.fps is None else live_enlarger((*below, model), plan, options.fps)
    with open_input(plan.source.path) as container:
        feed = plan.source.path if isinstance(plan.source.path, Feed) else None
        vectors = reuses(model, options)
        reader = Reader(container, video, plan.kept, plan.span, options.threads, feed, vectors)
        expected = expected_frames(plan)
        with faults_told(plan), left_clean(writer):
            writer.open(container, plan.fates, plan.span)
            started = time.perf_counter()
            model.reset()
            count, clock = Pipeline(
                reader,
                deinterlacer,
                Preparer(video.tags, video.siting.name, plan.size, needs_chroma_only(model, options), vectors),
                enlarger,
                writer,
                lambda done: progress(done, expected),
                enlarger.pace.wait if isinstance(enlarger, LiveEnlarger) else None,
            ).run()
            seconds = time.perf_counter() - started
            notes = (*_chosen(model), *plan.notes, *findings(plan, reader, deinterlacer.count, writer.path))
            writer.publish()
    in_time = enlarger.kept if isinstance(enlarger, LiveEnlarger) else None
    return report_of(plan, model, Done(count, clock, seconds, reader.losses, notes, enlarger.seen, in_time))


def enlarger_for(model: Model, plan: Plan) -> Enlarger:
    """The way through the model: one frame of luma, several, or all colours; what most don't need is imported here."""
    video, compare = plan.source.video, plan.options.compare
    if model.spec.colour == "rgb":
        from subpixel.media.enlarge_rgb import Coding, RgbEnlarger

        return RgbEnlarger(model, Coding(video.working_format, video.tags, video.siting.name), compare)
    luma = LumaEnlarger(model, video.working_format, video.tags, compare)
    if model.spec.takes_windows:
        from subpixel.media.enlarge_windows import WindowEnlarger

        return WindowEnlarger(model, luma)
    streams, tolerance = model.receipt.streams, plan.options.reuse_tolerance
    if not reuses(model, plan.options):
        return luma if streams == 1 else AbreastEnlarger(luma, streams)
    reuse = Reusing(model, tolerance)
    reusing = LumaEnlarger(reuse, video.working_format, video.tags, compare)
    return reusing if streams == 1 else TurnsEnlarger(luma, streams, reusing, reuse.forecast, tolerance)


def needs_chroma_only(model: Model, options: UpscaleOptions) -> bool:
    """Whether nothing is seen of a bicubic luma: no comparison, no rung that is bicubic."""
    return model.spec.colour == "y" and options.fps is None and not options.compare


def reuses(model: Model, options: UpscaleOptions) -> bool:
    """Whether what did not change keeps its result.

    Not for frames at a deadline: a model that is fast on still frames would be late with the next change. Nor in jobs
    that can be taken up again: what is reused hangs on times, and every run shall give the same frames.
    """
    return options.reuse and options.fps is None and not options.resume and can_reuse(model)


def live_enlarger(models: Sequence[Model], plan: Plan, fps: float) -> LiveEnlarger:
    """Bicubic and these models in turns, the fastest first. Raises ``BadInputError`` for models that can't be rungs."""
    refuse_unfit(models)
    video, (width, height) = plan.source.video, plan.source.video.size
    rungs = [
        (model.spec.name, expected, LumaEnlarger(model, video.working_format, video.tags))
        for model, expected in in_order(models, (height, width))
    ]
    return LiveEnlarger(rungs, fps)


@dataclass(frozen=True)
class Done:
    """What the work itself told. ``seconds``: by the clock."""

    frames: int
    clock: Clock
    seconds: float
    losses: Losses
    notes: tuple[str, ...]
    seen: Seen
    deadline: Timeliness | None


@contextmanager
def left_clean(writer: Writer) -> Iterator[None]:
    """Whatever happens, no unfinished file stays."""
    try:
        yield
    finally:
        writer.abort()


@contextmanager
def faults_told(plan: Plan) -> Iterator[None]:
    """What FFmpeg refuses in the middle of the work, and a lack of memory, in words."""
    try:
        yield
    except FFmpegError as fault:
        raise BadInputError(f"{plan.source.path}: FFmpeg gave up on it: {fault.strerror or fault}") from fault
    except MemoryError as fault:
        size = "x".join(map(str, plan.encoding.size))
        raise BadInputError(f"not enough memory for frames of {size}; ask for a smaller result") from fault


def expected_frames(plan: Plan) -> int | None:
    """How many there will be, as far as the head of the file and the times tell."""
    video, span = plan.source.video, plan.span
    expected, begins = video.expected_frames, span.start or video.first_seconds
    if expected is not None:
        expected = max(expected - round((begins - video.first_seconds) * video.rate), 1)
    if span.until is None:
        return expected
    shown = -(-(span.until - begins).numerator * video.rate // (span.until - begins).denominator)
    return int(min(shown, expected or shown))


def _chosen(model: Model) -> Iterator[str]:
    if model.reason:
        yield f"engine: {model.reason}"


def findings(plan: Plan, reader: Reader, deinterlaced: int, fresh: Path | None) -> Iterator[str]:
    """What only the work itself, and a look into the new file, can tell."""
    video, losses = plan.source.video, reader.losses
    if deinterlaced:
        yield f"{deinterlaced} interlaced frames deinterlaced by bwdif, one for one"
    elif video.is_interlaced:
        yield "the video is interlaced and was taken as it is (--deinterlace off)"
    if losses.mended_times:
        yield f"{losses.mended_times} frame times were missing or ran backwards and were mended"
    if fresh is not None and isinstance(plan.source.path, Path):
        yield from _compared(plan, reader.container, fresh)


def _compared(plan: Plan, before: InputContainer, fresh: Path) -> Iterator[str]:
    """Differences between the old file's head and the new one's."""
    with open_input(fresh) as after:
        lost = sorted(_keys(before.metadata) - _keys(after.metadata))
        if lost:
            yield f"tags that .{fresh.suffix.lstrip('.')} can't hold: {', '.join(lost)}"
        old = before.streams[plan.source.video.index]
        new = next(stream for stream in after.streams.video if not is_picture(stream))
        if plan.span.shift:
            return
        if old.start_time is not None and new.start_time is not None and old.time_base and new.time_base:
            shift = new.start_time * new.time_base - old.start_time * old.time_base
            if abs(shift) > Fraction(1, 1000):
                yield f"all streams begin {float(shift) * 1000:.0f} ms later: the new file can't hold times below zero"


def _keys(metadata: dict[str, str]) -> set[str]:
    return {key.lower() for key in content_tags(metadata)}


def report_of(plan: Plan, model: Model, done: Done) -> VideoReport:
    """The receipt."""
    per_frame, clock = 1000 / max(done.frames, 1), done.clock
    video = plan.source.video
    return VideoReport(
        source=str(plan.source.path),
        target=str(plan.target),
        model=model.spec.name,
        scale=model.scale,
        source_size=video.size,
        target_size=plan.encoding.size,
        frames_in=done.losses.frames,
        frames_out=done.frames,
        encoder=plan.encoding.name,
        pixel_format=plan.encoding.pixel_format,
        receipt=model.receipts[-1] if _runs_as_float(plan, model) else model.receipt,
        seconds=done.seconds,
        stage_ms=StageTimes(
            clock.decode * per_frame, clock.chroma * per_frame, clock.model * per_frame, clock.encode * per_frame
        ),
        streams=plan.fates,
        notes=done.notes,
        lost=done.losses.lines(plan.source, wanted_of(plan, done.losses)),
        window=model.spec.window,
        latency_frames=model.spec.lookahead,
        scene_cuts=done.seen.scene_cuts,
        state_resets=done.seen.state_resets,
        deadline=done.deadline,
        reused=done.seen.reused,
    )


def wanted_of(plan: Plan, losses: Losses) -> Span:
    """What was planned; of a feed that was stopped, what had come until then."""
    path = plan.source.path
    return replace(plan.span, until=losses.end) if isinstance(path, Feed) and path.stop.is_set() else plan.span


def _runs_as_float(plan: Plan, model: Model) -> bool:
    """Then the engine that was opened beside an 8-bit one, if there is one, did the work."""
    video = plan.source.video
    if model.spec.colour == "rgb":
        return bits_of(video.working_format) > 8
    return is_rgb(video.working_format) or not LumaCode(bits_of(video.working_format), video.tags.is_full).is_direct


def read_frames(path: str | Path) -> Iterator[NDArray[np.uint8]]:
    """The frames of a video as RGB ``[H, W, 3]`` uint8, in order; for ``Model.upscale_video``.

    Colours are converted by the stream's own matrix, range and chroma siting.
    Raises ``NotFoundError`` or ``BadInputError``.

    >>> import subpixel
    >>> from subpixel.media import read_frames
    >>> model = subpixel.open("espcn-x3")  # doctest: +SKIP
    >>> for frame in model.upscale_video(read_frames("clip.mp4")):  # doctest: +SKIP
    ...     print(frame.shape)
    """
    path = Path(path)
    info = probe(path).video
    preparer = Preparer(info.tags, info.siting.name, info.size)
    with open_input(path) as container:
        for item in Reader(container, info, frozenset()).items():
            if isinstance(item, av.VideoFrame):
                yield preparer.rgb(item)
