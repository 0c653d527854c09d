"""Dense motion by local least squares, from coarse to fine.

Lucas and Kanade, "An iterative image registration technique with an application to stereo vision", IJCAI 1981, on a
pyramid (Bouguet 2000): around each pixel the one displacement that makes the other frame fit best, by Gauss-Newton
steps; each level starts from the coarser one's flow. A median over the flow takes out lone wrong vectors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from subpixel.classical.motion import Flow, check_pair, median, warped
from subpixel.classical.resampling import CUBIC, LINEAR, Plane, Row, resample

SMALLEST_PX = 16  # a level's shorter side
MOST_LEVELS = 5
LARGEST_STEP_PX = 1.0


@dataclass(frozen=True)
class LucasKanade:
    """A ``MotionEstimator``. ``window_px``: the side of a pixel's neighbourhood (odd); ``steps``: at each level.

    ``damping``: keeps the displacement where the neighbourhood shows no structure; of squared luma slopes.
    """

    window_px: int = 13
    steps: int = 4
    damping: float = 1e-6

    def __call__(self, reference: Plane, other: Plane) -> Flow:
        check_pair(reference, other)
        levels = list(zip(pyramid(smoothed(reference)), pyramid(smoothed(other)), strict=True))
        flow: Flow = np.zeros((*levels[-1][0].shape, 2), np.float32)
        for small, moved in reversed(levels):
            flow = self._at_one_level(small, moved, grown(flow, small.shape))
        return flow

    def _at_one_level(self, reference: Plane, other: Plane, flow: Flow) -> Flow:
        down, right = slopes(reference)
        xx, yy, xy = (self._local(a * b) for a, b in ((right, right), (down, down), (right, down)))
        xx, yy = xx + np.float32(self.damping), yy + np.float32(self.damping)
        determinant = xx * yy - xy * xy
        for _ in range(self.steps):
            error = reference - warped(other, flow)
            ex, ey = self._local(right * error), self._local(down * error)
            step = np.stack([yy * ex - xy * ey, xx * ey - xy * ex], axis=2) / determinant[..., None]
            flow = flow + np.clip(step, -LARGEST_STEP_PX, LARGEST_STEP_PX)
            flow = median(flow)
        return flow

    def _local(self, plane: Plane) -> Plane:
        """The mean over the window, twice: close to a Gaussian."""
        return box_mean(box_mean(plane, self.window_px), self.window_px)


def smoothed(plane: Plane) -> Plane:
    """Binomial over 3x3, the border repeated: takes out what the sampling has folded, which does not move as told."""
    padded = np.pad(plane, 1, mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    result: Plane = (rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]) * np.float32(1 / 16)
    return result


def slopes(plane: Plane) -> tuple[Plane, Plane]:
    """Central differences, down and to the right, for a pixel; zero along an axis of one pixel."""
    padded = np.pad(plane, 1, mode="edge")
    half = np.float32(0.5)
    return (padded[2:, 1:-1] - padded[:-2, 1:-1]) * half, (padded[1:-1, 2:] - padded[1:-1, :-2]) * half


def pyramid(plane: Plane) -> list[Plane]:
    """The plane, then each time half of it (bicubic, antialiased), as long as it shows something."""
    levels = [plane]
    while len(levels) < MOST_LEVELS and min(levels[-1].shape) >= 2 * SMALLEST_PX:
        rows, columns = (Row(length // 2, 0.5, 2.0) for length in levels[-1].shape)
        levels.append(resample(levels[-1], rows, columns, CUBIC))
    return levels


def grown(flow: Flow, shape: tuple[int, ...]) -> Flow:
    """A coarser level's flow at this level's size, twice as long; the coarsest level's own is given back."""
    if flow.shape[:2] == shape:
        return flow
    rows, columns = (Row(length, -0.25, 0.5) for length in shape)
    planes = [resample(np.ascontiguousarray(flow[..., axis]), rows, columns, LINEAR) for axis in (0, 1)]
    return 2 * np.stack(planes, axis=2)


def box_mean(plane: Plane, side_px: int) -> Plane:
    """The mean of the ``side_px`` square around each pixel, the border mirrored."""
    before = side_px // 2 + 1
    sums = np.pad(plane, ((before, side_px // 2),) * 2, mode="symmetric").astype(np.float64)
    for axis in (0, 1):
        np.cumsum(sums, axis=axis, out=sums)
    columns = sums[:, side_px:] - sums[:, :-side_px]
    mean: Plane = ((columns[side_px:] - columns[:-side_px]) / side_px**2).astype(np.float32)
    return mean
