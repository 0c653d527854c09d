"""Flicker: does a variant make a still with sensor noise more restless than fp32 does?"""

from __future__ import annotations

import numpy as np

from subpixel.quality.gate_measure import Frame, Plane, Upscale, UpscaleClip, in_levels
from subpixel.quality.gates import FLICKER_MAX_GAIN, Verdict

FRAMES = 16
SIGMA_LEVELS = 2.0
SEED = 1605
SIDE_PX = 64


def noisy_clip(still: Plane) -> list[Plane]:
    """Sixteen 8-bit frames ``[h, w]`` in [0, 1] of a still with Gaussian noise of two levels, always the same."""
    random = np.random.default_rng(SEED)
    noise = random.normal(0.0, SIGMA_LEVELS, (FRAMES, *still.shape))
    levels = np.clip(np.rint(still * 255.0 + noise), 0, 255)
    return [(frame / 255).astype(np.float32) for frame in levels]


def temporal_energy(upscale: Upscale, clip: list[Plane]) -> float:
    """Mean squared difference of following 8-bit results, in levels squared."""
    return energy(each(upscale)(clip))


def energy(results: list[Plane]) -> float:
    """The same of results that are there."""
    levels = [in_levels(result) for result in results]
    steps = [np.mean((after - before) ** 2) for before, after in zip(levels, levels[1:], strict=False)]
    return float(np.mean(steps))


def each(upscale: Upscale) -> UpscaleClip:
    """Every frame by itself."""
    return lambda clip: [upscale(frame) for frame in clip]


def flicker(variant: Upscale, reference: Upscale, still: Frame) -> Verdict:
    """Temporal energy of the variant over the reference's, on the middle of a still, frame by frame."""
    return clip_flicker(each(variant), each(reference), still)


def clip_flicker(variant: UpscaleClip, reference: UpscaleClip, still: Frame) -> Verdict:
    """The same for models that look at several frames, or keep something of them."""
    clip = noisy_clip(_middle(still.lr))
    wanted, found = energy(reference(clip)), energy(variant(clip))
    gain = found / wanted if wanted > 0 else (1.0 if found == 0 else float("inf"))
    return Verdict("flicker", gain, FLICKER_MAX_GAIN, "times fp32's", f"{still.name} with noise")


def _middle(plane: Plane) -> Plane:
    top, left = (max(0, (side - SIDE_PX) // 2) for side in plane.shape[:2])
    return plane[top : top + SIDE_PX, left : left + SIDE_PX]
