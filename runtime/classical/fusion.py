"""Several frames into one: register, shift and add robustly, deblur.

Farsiu, Robinson, Elad and Milanfar, "Fast and robust multiframe super resolution", IEEE TIP 13(10), 2004, with Irani
and Peleg's back-projection as its deblurring. The frame in the middle is enlarged by itself (NEDI, back-projected): the
base, which stays where the others say nothing. Each pixel of every frame is a sample of the blurred scene at the place
that the motion takes it to. What the base does not explain of the samples is shifted to those places and added on the
fine grid, each by its confidence, and conjugate gradients find the sharp plane that explains it (the blur being that of
the bicubic reduction), with a ridge towards the base.

A sample's confidence falls with the squared difference around it (a wrong vector, something that is hidden), and after
the first round with its own (an M-estimate: Geman and McClure's, then Cauchy's weights).

PSNR on Vid4 (Y, unrounded LR, every sixth frame), bicubic / NEDI / fusion: x3 25.30 / 26.01 / 26.80 dB,
x4 23.80 / 24.32 / 24.88 dB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from subpixel.classical.imaging import Blur, Samples
from subpixel.classical.lucas_kanade import box_mean
from subpixel.classical.motion import Flow, MotionEstimator, grid, sampled
from subpixel.classical.nedi import Nedi
from subpixel.classical.resampling import Plane

MIDDLE = 2  # of five frames
TRUSTED = 0.02  # root mean square of the difference around a sample at which its confidence is a quarter
AROUND_PX = 5
EXPLAINED = 0.015  # a sample's own difference after a round at which its weight is halved
MIDDLE_WEIGHT = 3.0  # of the middle frame's samples, which need no motion
RIDGE = 0.003
ROUNDS, STEPS = 2, 5


@dataclass(frozen=True)
class Fusion:
    """Frames ``[5, H, W]`` to the third one enlarged, ``[s H, s W]``."""

    scale: int
    motion: MotionEstimator

    def __call__(self, frames: Plane) -> Plane:
        middle = frames[MIDDLE]
        base = Nedi(self.scale)(middle[None])
        if min(middle.shape) < 2:
            return base
        blur = Blur(self.scale)
        places = np.stack([self.places(frame, middle) for frame in frames])
        unexplained = frames - sampled(blur(base), places)
        weights = np.stack([confidence(difference) for difference in unexplained])
        weights[MIDDLE] = MIDDLE_WEIGHT
        samples = Samples(places.reshape(-1, 2), base.shape)
        return base + detail(blur, samples, unexplained.ravel(), weights.ravel() * samples.inside)

    def places(self, frame: Plane, middle: Plane) -> Flow:
        """Where on the fine grid each pixel of ``frame`` is a sample: ``[H, W, 2]``."""
        flow = 0 if np.array_equal(frame, middle) else self.motion(frame, middle)
        result: Flow = (grid(*frame.shape) + flow + np.float32(0.5)) * np.float32(self.scale) - np.float32(0.5)
        return result


def confidence(difference: Plane) -> Plane:
    """Of the samples of one frame ``[H, W]``, from their differences to the base: 1 where there is none, towards 0."""
    energy = box_mean(difference * difference, AROUND_PX)
    result: Plane = 1 / np.square(1 + energy / np.float32(TRUSTED**2))
    return result


def detail(blur: Blur, samples: Samples, values: Plane, weights: Plane) -> Plane:
    """The plane that, blurred, gives ``values`` at the samples, by weighted least squares; zero where there are none.

    Each round's conjugate gradients start from the last one's plane, with the weights of what it leaves unexplained.
    """
    plane = np.zeros(samples.shape, np.float32)
    left, trust = values, weights
    for _ in range(ROUNDS):
        residual = blur(samples.spread(trust * left)) - np.float32(RIDGE) * plane
        plane = conjugate_gradients(System(blur, samples, trust), plane, residual)
        left = values - samples.read(blur(plane))
        trust = weights / (1 + np.square(left / np.float32(EXPLAINED)))
    return plane


@dataclass(frozen=True)
class System:
    """The normal equations: blur, read, weigh, spread, blur, and the ridge."""

    blur: Blur
    samples: Samples
    weights: Plane

    def __call__(self, plane: Plane) -> Plane:
        read = self.samples.read(self.blur(plane))
        return self.blur(self.samples.spread(self.weights * read)) + np.float32(RIDGE) * plane


def conjugate_gradients(system: System, plane: Plane, residual: Plane) -> Plane:
    """``STEPS`` steps from ``plane`` (Hestenes and Stiefel 1952); ``residual``: right side less ``system(plane)``."""
    direction, energy = residual, float(np.vdot(residual, residual))
    for _ in range(STEPS):
        image = system(direction)
        curvature = float(np.vdot(direction, image))
        if curvature <= 0:  # nothing is left to explain
            return plane
        length = np.float32(energy / curvature)
        plane, residual = plane + length * direction, residual - length * image
        energy, before = float(np.vdot(residual, residual)), energy
        direction = residual + np.float32(energy / before) * direction
    return plane
