"""VDSR: twenty layers that learn what bicubic lacks, one network for every scale. Kim et al., CVPR 2016.

Published: 3 x 3, 64 channels, ReLU, zero padding, the residual of the enlarged image. Bicubic enlargement is part of
our graph, so that every target gets the same LR plane. Trained on all scales at once, a batch of one scale at a time.
"""

from __future__ import annotations

import torch
from torch import nn

from subpixel.models.architecture import Architecture
from subpixel.models.bicubic import BicubicEnlarge, radius_px
from subpixel.models.initialise import fit_relu_layers

LAYERS, CHANNELS = 20, 64
SCALES = (2, 3, 4)


class Vdsr(nn.Module):
    """``[N, 1, H, W]`` luma in [0, 1] to ``[N, 1, s H, s W]``; not clipped. Its weights are the same at every scale."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.enlarge = BicubicEnlarge(scale)
        widths = [1] + [CHANNELS] * (LAYERS - 1) + [1]
        pairs = zip(widths[:-1], widths[1:], strict=True)
        self.layers = nn.ModuleList(nn.Conv2d(given, wanted, 3, padding=1) for given, wanted in pairs)
        self.relu = nn.ReLU()

    def initialise(self, sample: torch.Tensor) -> None:
        """Fit to LR patches: unit variance after every layer, and exactly bicubic at the start."""
        fit_relu_layers([layer for layer in self.layers if isinstance(layer, nn.Conv2d)], self.enlarge(sample))

    def residual(self, enlarged: torch.Tensor) -> torch.Tensor:
        """What bicubic lacks: ``[N, 1, H, W]`` of the enlarged image."""
        values = enlarged
        for layer in self.layers[:-1]:
            values = self.relu(layer(values))
        result: torch.Tensor = self.layers[-1](values)
        return result

    def forward(self, luma: torch.Tensor) -> torch.Tensor:
        enlarged = self.enlarge(luma)
        result: torch.Tensor = enlarged + self.residual(enlarged)
        return result

    def training_loss(self, lr: torch.Tensor, hr: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """Mean squared error at whichever scale the batch has; ``weight`` is not used, the field is the whole patch."""
        enlarged = _enlarger(hr.shape[-1] // lr.shape[-1])(lr)
        loss: torch.Tensor = (enlarged + self.residual(enlarged).float() - hr).square().mean()
        return loss


def _enlarger(scale: int) -> BicubicEnlarge:
    if scale not in _ENLARGERS:
        _ENLARGERS[scale] = BicubicEnlarge(scale)
    return _ENLARGERS[scale]


_ENLARGERS: dict[int, BicubicEnlarge] = {}


VDSR = Architecture(
    name="vdsr",
    family="image",
    paper="Kim et al., CVPR 2016, arXiv:1511.04587",
    scales=SCALES,
    build=Vdsr,
    radius_px=lambda scale: radius_px(scale, LAYERS),
    material="scales",
    shared=True,
)
