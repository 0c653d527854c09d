"""EnhanceNet: residual blocks at LR size, nearest-neighbour enlargement, what bicubic lacks. Sajjadi et al., ICCV 2017.

Published (table 1): RGB, x4; one convolution, ten residual blocks without normalisation, twice (repeat every pixel,
convolve), two convolutions at HR size; all 3 x 3, 64 channels, ReLU, zero padding. ``enhancenet`` is their E, trained
on pixels alone; ``enhancenet-pat`` is the same net trained with their perceptual, adversarial and texture losses.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from subpixel.models.architecture import Architecture
from subpixel.models.bicubic import BicubicEnlarge
from subpixel.models.colour_patches import luma_of
from subpixel.models.initialise import fit_residual_net

BLOCKS, CHANNELS = 10, 64
LUMA_SHARE = 0.75  # of the pixel loss: figures of the field are of Y


class ResidualBlock(nn.Module):
    """``x + conv(relu(conv(x)))``, ``[N, 64, H, W]``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.relu = nn.ReLU()

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = values + self.second(self.relu(self.first(values)))
        return result


class EnhanceNet(nn.Module):
    """``[N, 3, H, W]`` RGB in [0, 1] to ``[N, 3, 4 H, 4 W]``; not clipped."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.enlarge = BicubicEnlarge(scale)
        self.first = _convolution(3, CHANNELS)
        self.blocks = nn.Sequential(*(ResidualBlock(CHANNELS) for _ in range(BLOCKS)))
        self.twice = _convolution(CHANNELS, CHANNELS)
        self.fourfold = _convolution(CHANNELS, CHANNELS)
        self.detail = _convolution(CHANNELS, CHANNELS)
        self.last = _convolution(CHANNELS, 3)
        self.relu = nn.ReLU()
        self.repeat = nn.Upsample(scale_factor=2, mode="nearest")

    def initialise(self, sample: torch.Tensor) -> None:
        """Fit to LR patches ``[N, 3, H, W]``: unit variance after every layer, exactly bicubic at the start."""
        blocks = [(block.first, block.second) for block in self.blocks if isinstance(block, ResidualBlock)]
        fit_residual_net(self.first, blocks, (self.twice, self.fourfold, self.detail), self.last, sample)

    def residual(self, image: torch.Tensor) -> torch.Tensor:
        """What bicubic lacks: ``[N, 3, 4 H, 4 W]``."""
        values = self.blocks(self.relu(self.first(image)))
        values = self.relu(self.twice(self.repeat(values)))
        values = self.relu(self.fourfold(self.repeat(values)))
        result: torch.Tensor = self.last(self.relu(self.detail(values)))
        return result

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.enlarge(image) + self.residual(image)
        return result

    def training_loss(self, lr: torch.Tensor, hr: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """``pixel_loss``; ``weight`` is not used."""
        return pixel_loss(self.forward(lr).float(), hr)


def pixel_loss(sr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
    """Mean squared error of Y and of RGB, of images ``[N, 3, H, W]``."""
    fault = sr - hr
    return LUMA_SHARE * luma_of(fault).square().mean() + (1 - LUMA_SHARE) * fault.square().mean()


def _convolution(given: int, wanted: int) -> nn.Conv2d:
    return nn.Conv2d(given, wanted, 3, padding=1)


# Reach in LR pixels: 1 + 20 + 1 at LR size, then one of 2, and two of 4 after the last repetition.
ENHANCENET = Architecture(
    name="enhancenet",
    family="image",
    paper="Sajjadi et al., ICCV 2017, arXiv:1612.07919",
    scales=(4,),
    build=EnhanceNet,
    radius_px=lambda scale: 23,
    colour="rgb",
    material="rgb",
)
ENHANCENET_PAT = replace(ENHANCENET, name="enhancenet-pat")
