"""A video in closed segments, each through an encoder of its own, so that a killed job goes on where it was.

A segment is made of the source alone, from a fresh start of every part: of the decoder (from a key frame before it),
the deinterlacer and the model (given the frames around it that they look at) and the encoder. So it does not matter to
a segment in which run it is made, and the result of a job that was killed is that of one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path

import av

from subpixel import __version__
from subpixel.errors import BadInputError
from subpixel.media.assembling import assemble
from subpixel.media.cutting import places_before
from subpixel.media.deinterlace import Deinterlacer
from subpixel.media.enlarge import Preparer, Seen
from subpixel.media.options import UpscaleOptions
from subpixel.media.packet_log import PacketLog
from subpixel.media.pipeline import Clock, Pipeline
from subpixel.media.pixels import has_alpha
from subpixel.media.plan import Plan
from subpixel.media.probe import open_input
from subpixel.media.reader import Losses, Reader, SeekMissed
from subpixel.media.receipt import VideoReport
from subpixel.media.segment_encoder import SegmentEncoder
from subpixel.media.segments import JobFolder, Segment, describe_file
from subpixel.media.span import Span
from subpixel.media.video import (
    Done,
    Progress,
    enlarger_for,
    expected_frames,
    faults_told,
    needs_chroma_only,
    report_of,
    silent,
)  # fmt: skip
from subpixel.model import Model

FEWEST_FRAMES = 2
FIELDS_AROUND = 2  # frames on each side that bwdif looks at
# Options that don't change the result, or whose effect stands in the receipt.
NOT_OF_THE_RESULT = (
    "overwrite", "resume", "tune", "engine", "device", "fallback", "precision", "model", "scale", "fps", "rungs",
)  # fmt: skip


def run_resumable(plan: Plan, model: Model, progress: Progress = silent) -> VideoReport:
    """Do what was planned in segments, those that a killed run finished left out.

    Raises ``BadInputError`` for models and files that can't be cut so, and where the folder beside the result is of
    another job. The folder stays when the work is broken off, and goes when the result is complete.
    """
    _refuse_unfit(plan, model)
    assert isinstance(plan.target, Path)  # anything else was refused
    folder = JobFolder(plan.target)
    folder.begin(identity_of(plan, model))
    kept = folder.job.frames
    expected = expected_frames(plan)
    while not folder.job.is_complete:
        folder.add(_Attempt(plan, model, folder).made(progress, expected))
    losses, notes = (Losses(), ()) if folder.is_published else assemble(plan, folder)
    resumed = (f"resumed: {kept} frames were made by an earlier run",) if kept else ()
    report = report_of(plan, model, _done(plan, folder, losses, (*plan.notes, *resumed, *notes)))
    folder.remove()
    return report


def _refuse_unfit(plan: Plan, model: Model) -> None:
    if model.spec.states:
        raise BadInputError(
            f"--resume cuts a video in segments, and {model.spec.name} carries a state through all of it; leave "
            "--resume out, or take another model"
        )
    if not plan.source.video.has_times:
        raise BadInputError(f"--resume finds its place by the frames' times, and {plan.source.path} has none")
    if has_alpha(plan.encoding.pixel_format):
        raise BadInputError("--resume can't carry transparency from segment to segment; leave one of them out")


def identity_of(plan: Plan, model: Model) -> dict[str, str]:
    """What the result depends on, by the name it is known under."""
    source, receipt, coded = plan.source.path, model.receipt, plan.encoding
    assert isinstance(source, Path)
    named = {
        field.name: getattr(plan.options, field.name)
        for field in fields(UpscaleOptions)
        if field.name not in NOT_OF_THE_RESULT
    }
    return {
        "input": f"{source.name}, {describe_file(source)}, changed at {source.stat().st_mtime_ns} ns",
        "model": f"{model.spec.name} {model.spec.version}, sha256 {model.weights_sha256[:16] or 'none'}",
        "engine": f"{receipt.engine} {receipt.version} on {receipt.provider}, {receipt.precision}, {receipt.variant}",
        "encoding": f"{coded.name} {coded.pixel_format} {coded.size[0]}x{coded.size[1]} "
        + " ".join("=".join(option) for option in coded.options),
        **{f"--{name.removesuffix('_seconds').replace('_', '-')}": str(value) for name, value in named.items()},
        "version": f"subpixel {__version__}, libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))}",
    }


@dataclass(frozen=True)
class _Attempt:
    """At the first segment that is not finished."""

    plan: Plan
    model: Model
    folder: JobFolder

    def made(self, progress: Progress, expected: int | None) -> Segment:
        """The segment, its packets in the folder."""
        spec, before = self.model.spec, self.folder.job.frames
        around = FIELDS_AROUND if self._deinterlaces else 0
        first = self._first
        least = (spec.window + around) * 2 / self.plan.source.video.rate if spec.window + around > 1 else Fraction(0)
        span = Span(
            first * self.plan.source.video.time_base, self.plan.span.until, None, self.plan.span.shift,
            self._frames, spec.window - 1 - spec.lookahead + around, spec.lookahead + around,
        )  # fmt: skip

        def told(done: int) -> None:
            progress(before + done, expected)

        *seeks, beginning = self._places(first, least)
        for seek in seeks:
            with suppress(SeekMissed):
                return self._run(replace(span, seek=seek), first, told)
        return self._run(replace(span, seek=beginning), first, told)  # from the beginning nothing is missed

    def _places(self, first: int, least: Fraction) -> list[Fraction | None]:
        video = self.plan.source.video
        return list(places_before(video, first * video.time_base, least))

    @property
    def _first(self) -> int:
        """The pts of the segment's first frame."""
        video, done = self.plan.source.video, self.folder.job.segments
        if done:
            assert done[-1].following is not None
            return done[-1].following
        begins = self.plan.span.start if self.plan.span.start is not None else video.first_seconds
        return round(begins / video.time_base)

    @property
    def _frames(self) -> int:
        return max(round(self.plan.options.segment_seconds * self.plan.source.video.rate), FEWEST_FRAMES)

    @property
    def _deinterlaces(self) -> bool:
        mode = self.plan.options.deinterlace
        return mode == "on" or (mode == "auto" and self.plan.source.video.is_interlaced)

    def _run(self, span: Span, first: int, progress: Callable[[int], None]) -> Segment:
        plan, video, options = self.plan, self.plan.source.video, self.plan.options
        deinterlacer, enlarger = Deinterlacer(options.deinterlace, video.time_base), enlarger_for(self.model, plan)
        shown = first - span.ticks(video.time_base)
        started = time.perf_counter()
        with open_input(plan.source.path) as container, faults_told(plan), PacketLog(self.folder.fresh_log_path) as log:
            reader = Reader(container, video, frozenset(), span, options.threads)
            encoder = SegmentEncoder(log, plan.encoding, video, shown, self._frames)
            self.model.reset()
            only = needs_chroma_only(self.model, options)
            preparer = Preparer(video.tags, video.siting.name, plan.size, chroma_only=only)
            _, clock = Pipeline(reader, deinterlacer, preparer, enlarger, encoder, progress).run()
        self._refuse_lost_place(reader.losses, encoder.begins_at == shown)
        cuts = (number - reader.earlier for number in enlarger.seen.scene_cuts)
        return Segment(
            first, reader.next_ticks, encoder.count, log.sha256, encoder.extradata.hex(),
            time.perf_counter() - started, clock.decode, clock.chroma, clock.model, clock.encode,
            reader.losses.broken_frames, reader.losses.failed_decodes, min(deinterlacer.count, encoder.count),
            tuple(number for number in cuts if 0 <= number < encoder.count), reader.losses.fault,
        )  # fmt: skip

    def _refuse_lost_place(self, losses: Losses, is_found: bool) -> None:
        if losses.mended_times or not is_found:
            raise BadInputError(
                f"--resume finds its place by the frames' times, and in {self.plan.source.path} some are missing, run "
                "backwards or can't be found again; leave --resume out"
            )


def _done(plan: Plan, folder: JobFolder, losses: Losses, notes: tuple[str, ...]) -> Done:
    """All segments together, of whichever run."""
    done, clock = folder.job.segments, Clock()
    cuts, before = [], 0
    for part in done:
        clock.decode, clock.chroma = clock.decode + part.decode, clock.chroma + part.chroma
        clock.model, clock.encode = clock.model + part.model, clock.encode + part.encode
        losses.frames += part.frames
        losses.broken_frames += part.broken_frames
        losses.failed_decodes += part.failed_decodes
        losses.fault = losses.fault or part.fault
        cuts += [before + number for number in part.scene_cuts]
        before += part.frames
    seconds = sum(part.seconds for part in done)
    return Done(folder.job.frames, clock, seconds, losses, notes, Seen(tuple(cuts)), None)
