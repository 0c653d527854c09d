"""From an HR father to its LR son, and back to the father's size by bicubic: what self-training makes pairs of.

The factor is the scale itself or, for the gradual enlargement, a smaller one that needn't be whole: the kernel is then
shrunk in proportion, for it is the same blur seen on a coarser grid.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from subpixel.models.blur_kernels import Kernel, Plane, bicubic_kernel, reduced
from subpixel.quality.resize import cubic, mirror, resize


@dataclass(frozen=True, eq=False)
class Reduction:
    """``kernel``: made for ``scale`` (``blur_kernels.fitted``), ``None`` for bicubic; ``factor``: at most ``scale``."""

    scale: int
    factor: float
    kernel: Kernel | None = None

    @property
    def whole(self) -> bool:
        """Whether the factor is the scale itself."""
        return self.factor == self.scale

    @cached_property
    def full_kernel(self) -> Kernel:
        """The kernel at the full scale, bicubic's included."""
        return bicubic_kernel(self.scale) if self.kernel is None else self.kernel

    def son(self, father: Plane) -> Plane:
        """``[H, W]`` to about ``[H / factor, W / factor]``, at the full scale without the rows that don't fill it."""
        if self.whole:
            return reduced(father, self.full_kernel, self.scale)
        height, width = (max(1, round(side / self.factor)) for side in father.shape)
        if self.kernel is None:
            return np.asarray(resize(father, height, width))
        blurred = reduced(father, shrunk(self.kernel, self.factor / self.scale), 1)
        return sample_axis(sample_axis(blurred, height, 0), width, 1)

    def pair(self, father: Plane) -> tuple[Plane, Plane]:
        """The son enlarged to the father's size by bicubic, and the father, cropped where the son doesn't fill it."""
        if self.whole:
            father = father[: father.shape[0] // self.scale * self.scale, : father.shape[1] // self.scale * self.scale]
        return np.asarray(resize(self.son(father), *father.shape)), father


def shrunk(kernel: Kernel, ratio: float) -> Kernel:
    """A kernel on a grid coarser by ``ratio`` <= 1: odd sides, linear interpolation, sum 1."""
    for axis in (0, 1):
        side = kernel.shape[axis]
        reach = int(np.ceil((side / 2) * ratio))
        place = np.arange(-reach, reach + 1) / ratio + (side - 1) / 2
        grid = np.arange(side)
        kernel = np.apply_along_axis(lambda line, p=place, g=grid: np.interp(p, g, line, 0, 0), axis, kernel)
    return np.asarray(kernel / kernel.sum())


def sample_axis(plane: Plane, count: int, axis: int) -> Plane:
    """``count`` samples at even distances along an axis: cubic interpolation without antialiasing."""
    length = plane.shape[axis]
    place = (np.arange(count) + 0.5) * (length / count) - 0.5
    first = np.floor(place).astype(np.int64) - 1
    index = first[:, None] + np.arange(4)
    weight: NDArray[np.float64] = cubic(place[:, None] - index)
    source = np.moveaxis(plane, axis, 0)[mirror(index, length)]
    return np.moveaxis(np.einsum("nt,nt...->n...", weight, source), 0, axis)
