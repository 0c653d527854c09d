"""Measures the gates of DESIGN.md section 5. Engines come as functions, so that nothing here knows a library.

``Upscale`` takes one luma plane ``[h, w]``, float32 in [0, 1] (levels of 8 bit / 255 for the u8 kind), and gives
``[s h, s w]``, float32, [0, 1] being black to white; it need not be clipped. Models of colours take and give
``[h, w, 3]``, those of several frames take the window ``[T, h, w]``: nothing but the flat patches minds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from subpixel.quality.gates import (
    HALF_MIN_DB,
    INT8_MAX_BIAS_LEVELS,
    INT8_MAX_FLAT_LEVELS,
    INT8_MAX_LOSS_DB,
    PARITY_MAX_ABS,
    PARITY_U8_LEVELS,
    TILED_LEVELS,
    Verdict,
)
from subpixel.quality.metrics import psnr_db, shave

Plane = NDArray[np.float32]
Upscale = Callable[[Plane], Plane]
UpscaleClip = Callable[[list[Plane]], list[Plane]]

FLAT_LEVELS = (0, 16, 128, 235, 255)
FLAT_INNER_PX = (16, 24)


@dataclass(frozen=True)
class Frame:
    """An LR plane ``[h, w]`` in [0, 1] with a name for verdicts; ``hr``: what it was made from, ``[s h, s w]``."""

    name: str
    lr: Plane
    hr: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Figure:
    """A number and the frame it was measured on."""

    name: str
    value: float


def largest(figures: Iterable[Figure]) -> Figure:
    """The figure of largest value; NaN counts as larger than anything."""
    return max(figures, key=lambda f: np.inf if np.isnan(f.value) else f.value)


def smallest(figures: Iterable[Figure]) -> Figure:
    """The figure of smallest value; NaN counts as smaller than anything."""
    return min(figures, key=lambda f: -np.inf if np.isnan(f.value) else f.value)


def max_abs(variant: Upscale, reference: Upscale, frames: Sequence[Frame], levels: bool) -> list[Figure]:
    """Largest difference on each frame: of full scale, or of the 8-bit results in ``levels``."""
    return [Figure(f.name, _max_abs(variant(f.lr), reference(f.lr), levels)) for f in frames]


def _max_abs(found: Plane, wanted: Plane, levels: bool) -> float:
    difference = in_levels(found) - in_levels(wanted) if levels else found.astype(np.float64) - wanted
    return float(np.max(np.abs(difference)))


def parity(figures: Sequence[Figure], levels: bool) -> Verdict:
    """fp32 against the reference."""
    worst = largest(figures)
    if levels:
        return Verdict("parity", worst.value, PARITY_U8_LEVELS, "levels", worst.name)
    return Verdict("parity", worst.value, PARITY_MAX_ABS, "of full scale", worst.name)


def fidelity_db(variant: Upscale, reference: Upscale, frames: Sequence[Frame]) -> list[Figure]:
    """PSNR of the variant against the reference on each frame, both clipped to what a screen shows."""
    return [Figure(f.name, psnr_db(np.clip(variant(f.lr), 0, 1), np.clip(reference(f.lr), 0, 1))) for f in frames]


def half_precision(figures: Sequence[Figure], precision: str) -> Verdict:
    """fp16 and bf16 against the reference; anything not finite fails."""
    worst = smallest(figures)
    return Verdict(f"parity in {precision}", worst.value, HALF_MIN_DB, "dB", worst.name, at_least=True)


def loss_db(variant: Upscale, reference: Upscale, frames: Sequence[Frame], border: int) -> list[Figure]:
    """How much PSNR against ``hr`` the variant loses on each frame, both results rounded to 8 bit."""
    return [Figure(f.name, _quality(reference, f, border) - _quality(variant, f, border)) for f in frames]


def _quality(upscale: Upscale, frame: Frame, border: int) -> float:
    if frame.hr is None:
        raise ValueError(f"{frame.name} has no HR image to measure against")
    return psnr_db(in_levels(upscale(frame.lr)), frame.hr * 255, border, peak=255)


def int8_loss(figures: Sequence[Figure], where: str) -> Verdict:
    """The mean over the frames of one set; the frame that lost most is named."""
    worst = largest(figures)
    mean = float(np.mean([f.value for f in figures]))
    return Verdict("int8 loss", mean, INT8_MAX_LOSS_DB, "dB", f"mean of {where}, worst {worst.name} {worst.value:.3f}")


def bias_levels(variant: Upscale, reference: Upscale, frames: Sequence[Frame]) -> list[Figure]:
    """Mean signed difference on each frame in levels, both clipped to what a screen shows."""
    return [Figure(f.name, _bias(np.clip(variant(f.lr), 0, 1), np.clip(reference(f.lr), 0, 1))) for f in frames]


def _bias(found: Plane, wanted: Plane) -> float:
    return float(np.mean(found.astype(np.float64) - wanted) * 255)


def int8_bias(figures: Sequence[Figure]) -> Verdict:
    """The frame whose mean moved most."""
    worst = largest(Figure(f"{f.name} {f.value:+.3f}", abs(f.value)) for f in figures)
    return Verdict("int8 mean bias", worst.value, INT8_MAX_BIAS_LEVELS, "levels", worst.name)


def as_it_is(plane: Plane) -> Plane:
    """The form in which a model takes a plane, if it takes just that."""
    return plane


def flat_levels(
    variant: Upscale, reference: Upscale, scale: int, radius_px: int | None, form: Upscale = as_it_is
) -> list[Figure]:
    """Flat patches, black to white: how far the variant leaves the reference there. ``form``: a plane as it is taken.

    Where the frame's edge reaches (``radius_px`` LR pixels) no network's result is flat: that is left out.
    """
    border = (radius_px or 0) * scale
    height, width = (side + 2 * (radius_px or 0) for side in FLAT_INNER_PX)
    patches = {level: form(np.full((height, width), level / 255, np.float32)) for level in FLAT_LEVELS}
    return [_flat(level, patch, variant, reference, border) for level, patch in patches.items()]


def _flat(level: int, patch: Plane, variant: Upscale, reference: Upscale, border: int) -> Figure:
    found, wanted = _levels(variant(patch), border), _levels(reference(patch), border)
    far = np.unravel_index(int(np.argmax(np.abs(found - wanted))), found.shape)
    name = f"flat {level} became {found[far]:.1f}, {wanted[far]:.1f} in fp32"
    return Figure(name, float(np.abs(found[far] - wanted[far])))


def int8_flat(figures: Sequence[Figure]) -> Verdict:
    """The flat patch that moved most."""
    worst = largest(figures)
    return Verdict("int8 flat patches", worst.value, INT8_MAX_FLAT_LEVELS, "levels", worst.name)


def tiled(whole: Upscale, in_tiles: Upscale, frames: Sequence[Frame]) -> Verdict:
    """The same frames in one piece and in tiles, as 8-bit results."""
    worst = largest(max_abs(in_tiles, whole, frames, levels=True))
    return Verdict("tiled against whole", worst.value, TILED_LEVELS, "levels", worst.name)


def in_levels(plane: Plane) -> NDArray[np.float64]:
    """What 8 bit hold of a plane in [0, 1]; NaN stays NaN."""
    result: NDArray[np.float64] = np.clip(np.rint(plane.astype(np.float64) * 255), 0, 255)
    return result


def _levels(result: Plane, border: int) -> NDArray[np.float64]:
    return np.asarray(shave(np.clip(result, 0, 1), border), dtype=np.float64) * 255
