"""SRPGAN: a residual generator and a discriminator whose own features are the perceptual loss. Wu et al. 2017.

Published: RGB, x4, 3 x 3 convolutions of 64 channels, sixteen residual blocks with instance normalisation and leaky
ReLU, a long skip, two sub-pixel enlargements by two; a discriminator of six 4 x 4 convolutions of stride 2 and a
residual end. We had no text of the paper: the layers are those of an independent re-implementation of it that names
its sections. Ours is the bicubic image that the generator adds to, so that training starts there.

``srpgan-pre`` is the generator trained on pixels alone (Charbonnier), which ``srpgan`` starts from and is compared to.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from subpixel.models.architecture import Architecture
from subpixel.models.bicubic import BicubicEnlarge
from subpixel.models.initialise import fit_residual_net
from subpixel.models.perceptual import charbonnier

BLOCKS, CHANNELS = 16, 64
SLOPE = 0.2
NORM_EPS = 1e-5


class InstanceNorm(nn.Module):
    """Every channel of every image to mean 0 and variance 1 over its pixels. Ulyanov et al. 2016, arXiv:1607.08022.

    Written as means, which every target has; nothing learnt.
    """

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        centred = values - values.mean((2, 3), keepdim=True)
        variance = centred.square().mean((2, 3), keepdim=True)
        return centred / torch.sqrt(variance + NORM_EPS)


class NormalisedBlock(nn.Module):
    """``x + norm(conv(lrelu(norm(conv(x)))))``, ``[N, C, H, W]``."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = InstanceNorm()
        self.lrelu = nn.LeakyReLU(SLOPE)

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        inner = self.lrelu(self.norm(self.first(values)))
        result: torch.Tensor = values + self.norm(self.second(inner))
        return result


class Generator(nn.Module):
    """``[N, 3, H, W]`` RGB in [0, 1] to ``[N, 3, 4 H, 4 W]``; not clipped. Its norms see the whole image."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.enlarge = BicubicEnlarge(scale)
        self.first = nn.Conv2d(3, CHANNELS, 3, padding=1)
        self.blocks = nn.Sequential(*(NormalisedBlock(CHANNELS) for _ in range(BLOCKS)))
        self.gather = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.twice = nn.Conv2d(CHANNELS, 4 * CHANNELS, 3, padding=1)
        self.fourfold = nn.Conv2d(CHANNELS, 4 * CHANNELS, 3, padding=1)
        self.last = nn.Conv2d(CHANNELS, 3, 3, padding=1)
        self.norm = InstanceNorm()
        self.lrelu = nn.LeakyReLU(SLOPE)
        self.shuffle = nn.PixelShuffle(2)

    def initialise(self, sample: torch.Tensor) -> None:
        """Fit to LR patches: exactly bicubic at the start."""
        fit_residual_net(self.first, (), (self.gather, self.twice), self.last, sample)

    def residual(self, image: torch.Tensor) -> torch.Tensor:
        """What bicubic lacks: ``[N, 3, 4 H, 4 W]``."""
        shallow = self.lrelu(self.first(image))
        values = shallow + self.norm(self.gather(self.blocks(shallow)))
        values = self.lrelu(self.shuffle(self.twice(values)))
        values = self.lrelu(self.shuffle(self.fourfold(values)))
        result: torch.Tensor = self.last(values)
        return result

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.enlarge(image) + self.residual(image)
        return result

    def training_loss(self, lr: torch.Tensor, hr: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Charbonnier's, the pre-training's; ``weight`` is not used."""
        return charbonnier(self.forward(lr).float(), hr)


SRPGAN = Architecture(
    name="srpgan",
    family="image",
    paper="Wu et al. 2017, arXiv:1712.05927",
    scales=(4,),
    build=Generator,
    radius_px=lambda scale: None,
    colour="rgb",
    material="rgb",
)
SRPGAN_PRE = replace(SRPGAN, name="srpgan-pre")
