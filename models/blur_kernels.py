"""What an image is reduced by: a blur kernel, then every s-th pixel. Bicubic's, Gaussians, those of a file.

A kernel is ``[k, k']`` float64 of sum 1 on the HR grid: the weights of the HR pixels around the middle of an LR pixel,
read without mirroring. LR pixel i has its middle at HR position s (i + 1/2) - 1/2, as MATLAB's imresize has it, so that
a kernel has even sides for an even scale and odd sides for an odd one. Borders are symmetric.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subpixel.errors import BadInputError, NotFoundError, faults_as
from subpixel.models.patches import turn
from subpixel.quality.resize import crop_to_multiple, downscale

Plane = NDArray[np.float64]
Kernel = NDArray[np.float64]

DRAWING_SEED = 20180618  # of the eight kernels of the record; fixed before any training
DRAWN = 8
REACH_SIGMAS = 3.5
LARGEST_SIDE = 101
HALF_PIXEL = np.array([-1.0, 9.0, 9.0, -1.0]) / 16  # Keys' cubic, half-way between two pixels
SAME = 1e-6  # of the largest weight


@dataclass(frozen=True)
class Gaussian:
    """An anisotropic Gaussian: variances along two axes in HR pixels squared, the first turned by ``angle`` radians.

    The angle is measured from the rows' direction (x) towards the bottom.
    """

    along: float
    across: float
    angle: float

    @property
    def covariance(self) -> NDArray[np.float64]:
        """``[[xx, xy], [xy, yy]]``."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        turned = np.array([[cos, -sin], [sin, cos]])
        result: NDArray[np.float64] = turned @ np.diag([self.along, self.across]) @ turned.T
        return result

    def kernel(self, scale: int) -> Kernel:
        """Sampled at the HR pixels."""
        return gaussian_kernel(self.covariance, scale)


def gaussian_kernel(covariance: NDArray[np.float64], scale: int) -> Kernel:
    """A Gaussian of this covariance (HR pixels squared) for reducing by ``scale``."""
    reach = REACH_SIGMAS * float(np.sqrt(np.trace(covariance)))
    side = min(LARGEST_SIDE // 2, max(scale, int(np.ceil(reach)))) * 2 + scale % 2
    place = np.arange(side) - (side - 1) / 2
    x, y = np.meshgrid(place, place)
    inverse = np.linalg.inv(covariance + 1e-6 * np.eye(2))
    exponent = -0.5 * (inverse[0, 0] * x * x + 2 * inverse[0, 1] * x * y + inverse[1, 1] * y * y)
    weight = np.exp(exponent - exponent.max())
    return np.asarray(weight / weight.sum())


def drawn_gaussians(scale: int, count: int = DRAWN, seed: int = DRAWING_SEED) -> tuple[Gaussian, ...]:
    """The kernels of the experiment: both variances uniform in [0, s^2], the angle in [0, pi]. Shocher et al. 2018."""
    random = np.random.default_rng(seed)
    draws = random.uniform(size=(count, 3))
    return tuple(Gaussian(float(a) * scale**2, float(b) * scale**2, float(c) * np.pi) for a, b, c in draws)


def bicubic_kernel(scale: int) -> Kernel:
    """``[4 s, 4 s]`` (``+ 1`` for odd s): ``reduced`` with it is ``quality.resize.downscale``."""
    side = 4 * scale + scale % 2
    count = side // scale + 4
    lit = np.eye(count * scale)
    rows = np.stack([downscale(line[:, None].repeat(scale, 1), scale)[:, 0] for line in lit], axis=1)
    middle = count // 2
    start = middle * scale + scale // 2 - side // 2
    weight = rows[middle, start : start + side]
    return np.asarray(np.outer(weight, weight))


def reduced(image: Plane, kernel: Kernel, scale: int) -> Plane:
    """``[H, W]`` to ``[H // s, W // s]``: rows and columns that don't fill a multiple of the scale are left out."""
    image = crop_to_multiple(image, scale)
    before = [(side - scale) // 2 for side in kernel.shape]
    after = [max(0, side - scale - first) for side, first in zip(kernel.shape, before, strict=True)]
    around = np.pad(image, [(max(0, b), a) for b, a in zip(before, after, strict=True)], mode="symmetric")
    height, width = image.shape[0] // scale, image.shape[1] // scale
    total = np.zeros((height, width), dtype=image.dtype)
    for row, column in np.argwhere(kernel):
        y, x = row - min(0, before[0]), column - min(0, before[1])
        total += kernel[row, column].astype(image.dtype) * around[y::scale, x::scale][:height, :width]
    return total


def fitted(kernel: Kernel, scale: int) -> Kernel:
    """A kernel of any size made one for ``scale``: sum 1, moved by half a pixel where a side has the wrong parity.

    Raises ``BadInputError`` for one that isn't a plane of finite numbers, or whose sum isn't above 0.
    """
    if kernel.ndim != 2 or not kernel.size or max(kernel.shape) > LARGEST_SIDE or not np.isfinite(kernel).all():
        raise BadInputError(
            f"a kernel of shape {kernel.shape}; needed a plane of finite numbers, at most {LARGEST_SIDE} a side"
        )
    if kernel.sum() <= 0:
        raise BadInputError(f"a kernel of sum {kernel.sum():.3g}; needed weights whose sum is above 0")
    for axis in (0, 1):
        if (kernel.shape[axis] - scale) % 2:
            kernel = np.apply_along_axis(np.convolve, axis, kernel, HALF_PIXEL)
    return np.asarray(kernel / kernel.sum(), dtype=np.float64)


def read_kernel(file: Path, scale: int) -> Kernel:
    """The kernel of a ``.npy`` file. Raises ``NotFoundError`` or ``BadInputError``."""
    if not file.is_file():
        raise NotFoundError(f"{file}: no such file; needed a kernel as .npy, or the words bicubic or estimate")
    with faults_as(BadInputError, f"{file} isn't a kernel; needed a .npy file with a plane of numbers"):
        return fitted(np.asarray(np.load(file, allow_pickle=False), dtype=np.float64), scale)


def symmetries(kernel: Kernel) -> tuple[int, ...]:
    """Those of the eight ways of ``patches.turn`` that leave the kernel as it is; 0 is always among them."""
    near = SAME * float(np.abs(kernel).max())

    def stays(way: int) -> bool:
        turned = turn(kernel, way)
        return turned.shape == kernel.shape and bool(np.allclose(turned, kernel, rtol=0, atol=near))

    return tuple(way for way in range(8) if stays(way))


def covariance_of(kernel: Kernel) -> NDArray[np.float64]:
    """``[[xx, xy], [xy, yy]]`` in HR pixels squared, around the kernel's middle of mass."""
    rows, columns = (np.arange(side, dtype=np.float64) for side in kernel.shape)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    y, x = y - (kernel * y).sum(), x - (kernel * x).sum()
    xx, xy, yy = (kernel * x * x).sum(), (kernel * x * y).sum(), (kernel * y * y).sum()
    return np.array([[xx, xy], [xy, yy]])
