"""Bicubic resizing that gives what MATLAB's ``imresize`` gives, the field's way to make LR images.

Source: R. Keys, "Cubic convolution interpolation for digital image processing", 1981 (a = -0.5); antialiasing widens
the kernel by the reduction factor; beyond the border the image continues mirrored, the edge pixel repeated.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[Any]


def cubic(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keys' cubic kernel with a = -0.5, support [-2, 2]."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1.0
    far = ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    return np.where(x <= 1, near, np.where(x < 2, far, 0.0))


@lru_cache(maxsize=64)
def taps(in_len: int, out_len: int, scale: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Source indices and weights of each output sample, both ``[out_len, taps]``; the weights of a sample sum to 1."""
    index, weight = unbounded_taps(out_len, scale)
    return mirror(index, in_len), weight


@lru_cache(maxsize=64)
def unbounded_taps(out_len: int, scale: float) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The same with indices that reach beyond the image's borders."""
    shrink = min(scale, 1.0)
    width = 4.0 / shrink
    centre = (np.arange(out_len, dtype=np.float64) + 0.5) / scale - 0.5
    first = np.floor(centre - width / 2).astype(np.int64)
    index = first[:, None] + np.arange(int(np.ceil(width)) + 2)
    weight = cubic((centre[:, None] - index) * shrink)
    weight /= weight.sum(axis=1, keepdims=True)
    used = np.flatnonzero(np.any(weight != 0, axis=0))
    return index[:, used], weight[:, used]


def mirror(index: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Symmetric continuation: ... 1 0 | 0 1 ... n-1 | n-1 n-2 ..."""
    index = np.mod(index, 2 * length)
    return np.where(index < length, index, 2 * length - 1 - index)


def resize_axis(image: Image, out_len: int, scale: float, axis: int) -> Image:
    """Resize one axis; computed in the image's own floating type."""
    index, weight = taps(image.shape[axis], out_len, float(scale))
    source = np.moveaxis(image, axis, 0)
    shape = (-1,) + (1,) * (source.ndim - 1)
    total = np.zeros((out_len, *source.shape[1:]), dtype=image.dtype)
    for column in range(index.shape[1]):
        total += source[index[:, column]] * weight[:, column].astype(image.dtype).reshape(shape)
    return np.moveaxis(total, 0, axis)


def resize(image: Image, height: int, width: int) -> Image:
    """Bicubic, antialiased when shrinking. ``image``: ``[H, W]`` or ``[H, W, C]``, floating, any range; not clipped."""
    if not np.issubdtype(image.dtype, np.floating):
        raise TypeError(f"resize needs a floating image, found {image.dtype}; divide by 255 first")
    rows = resize_axis(image, height, height / image.shape[0], axis=0)
    return resize_axis(rows, width, width / image.shape[1], axis=1)


def downscale(image: Image, scale: int) -> Image:
    """The field's LR image: crop to a multiple of ``scale`` at the right and bottom, reduce by ``scale``."""
    hr = crop_to_multiple(image, scale)
    return resize(hr, hr.shape[0] // scale, hr.shape[1] // scale)


def upscale(image: Image, scale: int) -> Image:
    """Bicubic enlargement by an integer factor."""
    return resize(image, image.shape[0] * scale, image.shape[1] * scale)


def crop_to_multiple(image: Image, scale: int) -> Image:
    """``image`` without the last rows and columns that do not fill a multiple of ``scale``."""
    return image[: image.shape[0] // scale * scale, : image.shape[1] // scale * scale]
