"""Measures upscalers on whole evaluation sets by the field's protocol (DESIGN.md section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from subpixel.models.evalsets import EvalClip, EvalImage, as_u8, read_clips
from subpixel.models.judges import Judge
from subpixel.quality.colour import luma
from subpixel.quality.metrics import psnr_db, ssim
from subpixel.quality.resize import upscale
from subpixel.spec import Colour

Plane = NDArray[np.float32]
Levels = NDArray[np.uint8]
Truth = NDArray[np.float64]


class Upscaler(Protocol):
    """What is measured: the LR frames of a clip, of a still image one, to as many results, in order.

    ``colour``: what it takes and gives, ``y``: ``[h, w]``, ``rgb``: ``[h, w, 3]``. ``exact``: from unrounded LR frames,
    ``None`` where it only has an 8-bit form.
    """

    colour: Colour

    def exact(self, frames: Sequence[Plane]) -> Iterable[Plane] | None: ...

    def eight_bit(self, frames: Sequence[Levels]) -> Iterable[Levels]: ...


class Bicubic:
    """The row beside every model's."""

    colour: Colour = "y"

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def exact(self, frames: Sequence[Plane]) -> Iterator[Plane]:
        return (np.asarray(upscale(lr, self.scale), dtype=np.float32) for lr in frames)

    def eight_bit(self, frames: Sequence[Levels]) -> Iterator[Levels]:
        return (as_u8(upscale(lr / 255.0, self.scale)) for lr in frames)


@dataclass(frozen=True)
class Score:
    """Of one image, or the mean of a set. ``psnr_db`` and ``ssim`` from unrounded LR, the ``u8`` ones from 8-bit LR.

    ``temporal_levels``: of a clip, how far the change from frame to frame is from the original's: the mean of
    ``|(sr[t] - sr[t-1]) - (hr[t] - hr[t-1])|`` in levels of 255. Flicker and swimming edges raise it. ``judged``:
    perceptual measures by name. Both from unrounded LR where there is such a result, else from 8-bit LR.
    """

    name: str
    psnr_db: float | None
    ssim: float | None
    psnr_u8_db: float | None
    ssim_u8: float | None
    temporal_levels: float | None = None
    judged: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class SetScore:
    """One row of a table: who, on which set, at which scale."""

    upscaler: str
    set_name: str
    scale: int
    mean: Score
    images: tuple[Score, ...]


@dataclass(frozen=True)
class Measures:
    """What is measured beside PSNR and SSIM from unrounded LR: the same from 8-bit LR, and by perceptual ``judges``."""

    eight_bit: bool = True
    judges: tuple[Judge, ...] = ()


def score_set(
    upscalers: dict[str, Upscaler], set_name: str, scale: int, clips: Iterable[EvalClip] | None = None,
    measures: Measures = Measures(),
) -> list[SetScore]:  # fmt: skip
    """A row for each upscaler, from one reading of the set. Clips count by their means, as the field has Vid4."""
    rows: dict[str, list[Score]] = {name: [] for name in upscalers}
    rgb = any(upscaler.colour == "rgb" for upscaler in upscalers.values())
    for clip in read_clips(set_name, scale, rgb) if clips is None else clips:
        for name, upscaler in upscalers.items():
            rows[name] += score_clip(upscaler, clip, scale, measures)
    return [SetScore(name, set_name, scale, mean_score(per_clip(s)), tuple(s)) for name, s in rows.items()]


def score_clip(upscaler: Upscaler, clip: EvalClip, scale: int, measures: Measures = Measures()) -> list[Score]:
    """One score a frame, ``scale`` pixels cropped at each border; results are rounded to 8 bit."""
    results = exact_results(upscaler, clip)
    if results is None:
        inexact = _scores(clip, eight_bit_results(upscaler, clip), scale, measures.judges)
        return [replace(s, psnr_db=None, ssim=None, psnr_u8_db=s.psnr_db, ssim_u8=s.ssim) for s in inexact]
    scores = list(_scores(clip, results, scale, measures.judges))
    if not measures.eight_bit:
        return scores
    inexact = _scores(clip, eight_bit_results(upscaler, clip), scale, ())
    return [replace(s, psnr_u8_db=u.psnr_db, ssim_u8=u.ssim) for s, u in zip(scores, inexact, strict=True)]


def exact_results(upscaler: Upscaler, clip: EvalClip) -> Iterator[Truth] | None:
    """Y of every result from unrounded LR, on 8-bit levels in [0, 1]; ``None`` for an upscaler of 8-bit frames only."""
    frames = [_given(upscaler, image).astype(np.float32) for image in clip.frames]
    results = upscaler.exact(frames)
    if results is None:
        return None
    pairs = zip(results, clip.frames, strict=True)
    return (_luma(np.rint(np.clip(r.astype(np.float64), 0, 1) * 255) / 255, image) for r, image in pairs)


def eight_bit_results(upscaler: Upscaler, clip: EvalClip) -> Iterator[Truth]:
    """Y of every result from 8-bit LR, on 8-bit levels in [0, 1]."""
    results = upscaler.eight_bit([as_u8(_given(upscaler, image)) for image in clip.frames])
    return (_luma(r / 255.0, image) for r, image in zip(results, clip.frames, strict=True))


def _given(upscaler: Upscaler, image: EvalImage) -> Truth:
    if upscaler.colour == "y":
        return image.lr
    if image.lr_rgb is None:
        raise ValueError(f"{image.name} was read without RGB, which an RGB upscaler takes")
    return image.lr_rgb


def _luma(result: Truth, image: EvalImage) -> Truth:
    """What is compared: Y on 8-bit levels; of a grey image the mean of the three channels, for its HR is no Y."""
    if result.ndim == 2:
        return result
    plane = result.mean(axis=2) if image.grey else luma(result)
    return np.asarray(np.rint(plane * 255) / 255)


def _scores(clip: EvalClip, results: Iterable[Truth], scale: int, judges: Sequence[Judge]) -> Iterator[Score]:
    """From the frames of a clip, each compared with its HR; figures of the 8-bit form are not in them."""
    before: tuple[Truth, Truth] | None = None
    for result, image in zip(results, clip.frames, strict=True):
        change = None if before is None else temporal_levels(before, (result, image.hr), scale)
        judged = {judge.name: judge(result, image.hr, scale) for judge in judges}
        figures = psnr_db(result, image.hr, scale), ssim(result, image.hr, scale)
        yield Score(image.name, *figures, None, None, change, judged)
        before = result, image.hr


def temporal_levels(before: tuple[Truth, Truth], now: tuple[Truth, Truth], border: int) -> float:
    """Of (result, HR) at two times: how the result's change differs from HR's, mean absolute levels of 255."""
    fault = (now[0] - before[0]) - (now[1] - before[1])
    return float(np.abs(fault[border : fault.shape[0] - border, border : fault.shape[1] - border]).mean() * 255)


def per_clip(scores: list[Score]) -> list[Score]:
    """Frames of one clip (``calendar 000`` ...) become one score; images stay as they are."""
    groups = groupby(scores, key=lambda s: s.name.rpartition(" ")[0] if s.name[-3:].isdigit() and " " in s.name else s)
    return [mean_score(list(group)) for _, group in groups]


def mean_score(scores: list[Score]) -> Score:
    """The average of each figure; ``None`` where any is missing, but for a clip's first frame, which has no change."""
    changes = [s.temporal_levels for s in scores if s.temporal_levels is not None]
    return Score(
        "mean",
        _mean([s.psnr_db for s in scores]),
        _mean([s.ssim for s in scores]),
        _mean([s.psnr_u8_db for s in scores]),
        _mean([s.ssim_u8 for s in scores]),
        float(np.mean(changes)) if changes else None,
        {name: float(np.mean([s.judged[name] for s in scores])) for name in scores[0].judged},
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None
