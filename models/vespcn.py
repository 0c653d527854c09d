"""VESPCN: three frames, the neighbours warped onto the middle one, one sub-pixel net. Caballero et al., CVPR 2017.

As published (9L-E3-MC): the motion transformer of Table 1, early fusion of the three frames in the first of nine 3 x 3
layers, 24 features each, ReLU, a sub-pixel shuffle, trained jointly by SR error + beta warping error + lambda Huber.
Ours: the nine layers give what bicubic enlargement of the middle frame lacks, and start there; bicubic is a fixed
sub-pixel convolution added before the shuffle.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from subpixel.models.architecture import Architecture
from subpixel.models.bicubic import BicubicEnlarge, symmetric_pad
from subpixel.models.initialise import fit_relu_layers
from subpixel.models.motion import MotionTransformer, mostly_inside, roughness
from subpixel.models.warping import warp

LAYERS, FEATURES = 9, 24
WARP_WEIGHT, ROUGH_WEIGHT = 0.1, 2e-4  # beta and lambda
RIM_PX = 4  # LR pixels of a patch that see its border most


class Vespcn(nn.Module):
    """``[N, 3, H, W]``: luma of three consecutive frames in [0, 1], to the middle one's ``[N, 1, s H, s W]``."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.motion = MotionTransformer()
        widths = [3, *([FEATURES] * (LAYERS - 1)), scale * scale]
        self.layers = nn.ModuleList(nn.Conv2d(widths[at], widths[at + 1], 3, padding=1) for at in range(LAYERS))
        self.bicubic = BicubicEnlarge(scale)
        self.shuffle = nn.PixelShuffle(scale)

    def initialise(self, sample: torch.Tensor) -> None:
        """From LR windows ``[N, 3, H, W]``: no flow, unit variance after every layer, exactly bicubic."""
        self.motion.initialise(sample[:, 1:2], sample[:, 0:1])
        fit_relu_layers([cast(nn.Conv2d, layer) for layer in self.layers], sample)

    def aligned(self, window: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Both neighbours warped onto the middle frame ``[N, 2, H, W]``, with their coarse and final flows."""
        height, width = window.shape[2], window.shape[3]
        neighbours = window[:, ::2].reshape(-1, 1, height, width)
        middle = window[:, 1:2].expand(-1, 2, -1, -1).reshape(-1, 1, height, width)
        coarse, flow = self.motion(middle, neighbours)
        return warp(neighbours, flow).reshape(-1, 2, height, width), coarse, flow

    def fused(self, window: torch.Tensor, aligned: torch.Tensor) -> torch.Tensor:
        """What the shuffle takes: ``[N, s^2, H, W]``."""
        values = torch.cat((aligned[:, :1], window[:, 1:2], aligned[:, 1:]), dim=1)
        for layer in self.layers[:-1]:
            values = torch.relu(layer(values))
        phases = cast(torch.Tensor, self.bicubic.phases)
        plain = nn.functional.conv2d(symmetric_pad(window[:, 1:2]), phases)
        result: torch.Tensor = self.layers[-1](values) + plain
        return result

    def trunk(self, window: torch.Tensor) -> torch.Tensor:
        """All but the shuffle: ``[N, s^2, H, W]``."""
        return self.fused(window, self.aligned(window)[0])

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.shuffle(self.trunk(window))
        return result

    def training_loss(self, lr: torch.Tensor, hr: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Equation 8: SR error, warping error of both stages, and the flow's roughness; ``weight`` is not used."""
        aligned, coarse, flow = self.aligned(lr)
        sr = self.shuffle(self.fused(lr, aligned))
        first = warp(lr[:, ::2].reshape(-1, 1, *lr.shape[2:]), coarse).reshape_as(aligned)
        missed = (aligned - lr[:, 1:2]).square() + (first - lr[:, 1:2]).square()
        return (
            mostly_inside((sr - hr).square(), RIM_PX * self.scale)
            + WARP_WEIGHT * mostly_inside(missed, RIM_PX)
            + ROUGH_WEIGHT * (roughness(flow) + roughness(coarse))
        )


VESPCN = Architecture(
    name="vespcn",
    family="video",
    paper="Caballero et al., CVPR 2017, arXiv:1611.05250",
    scales=(3, 4),
    build=Vespcn,
    radius_px=lambda scale: None,
    material="clips",
    window=3,
    lookahead=1,
)
