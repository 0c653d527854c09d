"""Bicubic enlargement in a graph: a fixed convolution and a sub-pixel shuffle, exact and with MATLAB's borders.

Each of the s^2 phases of an enlargement reads the same 5 x 5 LR pixels with its own weights. Keys 1981: a = -0.5.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from torch import nn

from subpixel.quality.resize import upscale

REACH = 2  # LR pixels to each side


class BicubicEnlarge(nn.Module):
    """``[N, C, H, W]`` to ``[N, C, s H, s W]`` for any C; not clipped. No learnt weights, nothing in the state.

    Borders are symmetric: the edge pixel is repeated, then its neighbour.
    """

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("phases", phase_weights(scale), persistent=False)
        self.shuffle = nn.PixelShuffle(scale)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        phases: torch.Tensor = self.phases  # type: ignore[assignment]
        around = symmetric_pad(image)
        if image.shape[1] > 1:
            weight = phases.repeat(image.shape[1], 1, 1, 1)
            enlarged = nn.functional.conv2d(around, weight, groups=image.shape[1])
        else:
            enlarged = nn.functional.conv2d(around, phases)
        result: torch.Tensor = self.shuffle(enlarged)
        return result


def radius_px(scale: int, hr_radius_px: int) -> int:
    """How far an LR pixel reaches, in LR pixels, through the enlargement and ``hr_radius_px`` behind it."""
    reach = (5 * scale - 2) // 2  # the farthest HR pixel that an LR pixel enters, from its first one
    return (reach + hr_radius_px) // scale


@cache
def phase_weights(scale: int) -> torch.Tensor:
    """``[s^2, 1, 5, 5]``: the enlargement of a single lit pixel, read at every phase."""
    size = 4 * REACH + 1
    lit = np.zeros((size, size))
    lit[size // 2, size // 2] = 1.0
    response = upscale(lit, scale).reshape(size, scale, size, scale)
    inner = slice(size // 2 - REACH, size // 2 + REACH + 1)
    weights = response[inner, :, inner, :][::-1, :, ::-1, :].transpose(1, 3, 0, 2)
    return torch.tensor(weights.reshape(scale * scale, 1, 5, 5).copy(), dtype=torch.float32)


def symmetric_pad(image: torch.Tensor, border_px: int = 2) -> torch.Tensor:
    """Two pixels to every side, or one.

    One after the other, so that a side of one pixel works too; slices, which every target has.
    """
    for axis in (2, 3):
        image = torch.cat([_start(image, axis, 0), image, _end(image, axis, 1)], dim=axis)
        if border_px == 2:
            image = torch.cat([_start(image, axis, 2), image, _end(image, axis, 3)], dim=axis)
    return image


def _start(image: torch.Tensor, axis: int, at: int) -> torch.Tensor:
    return image[:, :, at : at + 1] if axis == 2 else image[:, :, :, at : at + 1]


def _end(image: torch.Tensor, axis: int, back: int) -> torch.Tensor:
    stop = None if back == 1 else 1 - back
    return image[:, :, -back:stop] if axis == 2 else image[:, :, :, -back:stop]
