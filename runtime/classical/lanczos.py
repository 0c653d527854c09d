"""Lanczos interpolation with three lobes (Duchon 1979), as MATLAB's ``imresize(..., 'lanczos3')`` places its samples."""

from __future__ import annotations

from dataclasses import dataclass

from subpixel.classical.resampling import LANCZOS3, Plane, enlarged, resample


@dataclass(frozen=True)
class Lanczos:
    """Frames ``[1, H, W]`` to a plane ``[s H, s W]``."""

    scale: int

    def __call__(self, frames: Plane) -> Plane:
        (lr,) = frames
        rows, columns = (enlarged(length, self.scale) for length in lr.shape)
        return resample(lr, rows, columns, LANCZOS3)
