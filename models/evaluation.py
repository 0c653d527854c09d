"""Measures upscalers on whole evaluation sets by the field's protocol (DESIGN.md section 5)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from subpixel.models.evalsets import EvalImage, read_set
from subpixel.quality.metrics import psnr_db, ssim
from subpixel.quality.resize import upscale

Plane = NDArray[np.float32]


class Upscaler(Protocol):
    """What is measured. ``exact``: from an unrounded LR plane, ``None`` where it only has an 8-bit form."""

    def exact(self, lr: Plane) -> Plane | None: ...

    def eight_bit(self, lr: NDArray[np.uint8]) -> NDArray[np.uint8]: ...


class Bicubic:
    """The row beside every model's."""

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def exact(self, lr: Plane) -> Plane:
        return np.asarray(upscale(lr, self.scale), dtype=np.float32)

    def eight_bit(self, lr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        levels = np.rint(upscale(lr.astype(np.float32), self.scale))
        return np.asarray(np.clip(levels, 0, 255), dtype=np.uint8)


@dataclass(frozen=True)
class Score:
    """Of one image, or the mean of a set. ``psnr_db`` and ``ssim`` from unrounded LR, the others from 8-bit LR."""

    name: str
    psnr_db: float | None
    ssim: float | None
    psnr_u8_db: float
    ssim_u8: float


@dataclass(frozen=True)
class SetScore:
    """One row of a table: who, on which set, at which scale."""

    upscaler: str
    set_name: str
    scale: int
    mean: Score
    images: tuple[Score, ...]


def score_image(upscaler: Upscaler, image: EvalImage, scale: int) -> Score:
    """PSNR and SSIM of one image, ``scale`` pixels cropped at each border; results are rounded to 8 bit."""
    exact = upscaler.exact(image.lr.astype(np.float32))
    eight_bit = upscaler.eight_bit(image.lr_u8) / 255.0
    figures: tuple[float | None, float | None] = (None, None)
    if exact is not None:
        result = np.rint(np.clip(exact.astype(np.float64), 0, 1) * 255) / 255
        figures = psnr_db(result, image.hr, scale), ssim(result, image.hr, scale)
    return Score(image.name, *figures, psnr_db(eight_bit, image.hr, scale), ssim(eight_bit, image.hr, scale))


def score_set(
    upscalers: dict[str, Upscaler], set_name: str, scale: int, images: Iterable[EvalImage] | None = None
) -> list[SetScore]:
    """A row for each upscaler, from one reading of the set. Clips count by their means, as the field has Vid4."""
    rows: dict[str, list[Score]] = {name: [] for name in upscalers}
    for image in read_set(set_name, scale) if images is None else images:
        for name, upscaler in upscalers.items():
            rows[name].append(score_image(upscaler, image, scale))
    return [SetScore(name, set_name, scale, mean_score(per_clip(s)), tuple(s)) for name, s in rows.items()]


def per_clip(scores: list[Score]) -> list[Score]:
    """Frames of one clip (``calendar 000`` ...) become one score; images stay as they are."""
    groups = groupby(scores, key=lambda s: s.name.rpartition(" ")[0] if s.name[-3:].isdigit() and " " in s.name else s)
    return [mean_score(list(group)) for _, group in groups]


def mean_score(scores: list[Score]) -> Score:
    """The average of each figure; ``None`` where any is missing."""
    return Score(
        "mean",
        _mean([s.psnr_db for s in scores]),
        _mean([s.ssim for s in scores]),
        float(np.mean([s.psnr_u8_db for s in scores])),
        float(np.mean([s.ssim_u8 for s in scores])),
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if len(known) == len(values) else None
