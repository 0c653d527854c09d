"""A stack of convolutions that learns what bicubic lacks: what VDSR and ZSSR share. Kim et al., CVPR 2016, section 3.

3 x 3, ReLU, zero padding, on the image enlarged to its final size. The bicubic enlargement is part of the graph, so
that every target gets the same LR plane.
"""

from __future__ import annotations

import torch
from torch import nn

from subpixel.models.bicubic import BicubicEnlarge
from subpixel.models.initialise import fit_relu_layers

CHANNELS = 64


class ResidualStack(nn.Module):
    """``[N, 1, H, W]`` luma in [0, 1] to ``[N, 1, s H, s W]``; not clipped. Its weights fit any scale."""

    def __init__(self, scale: int, layers: int) -> None:
        super().__init__()
        self.scale = scale
        self.enlarge = BicubicEnlarge(scale)
        widths = [1] + [CHANNELS] * (layers - 1) + [1]
        pairs = zip(widths[:-1], widths[1:], strict=True)
        self.layers = nn.ModuleList(nn.Conv2d(given, wanted, 3, padding=1) for given, wanted in pairs)
        self.relu = nn.ReLU()

    def initialise(self, sample: torch.Tensor) -> None:
        """Fit to LR patches: unit variance after every layer, and exactly bicubic at the start."""
        self.initialise_enlarged(self.enlarge(sample))

    def initialise_enlarged(self, sample: torch.Tensor) -> None:
        """As ``initialise``, from enlarged patches ``[N, 1, p, p]``."""
        fit_relu_layers([layer for layer in self.layers if isinstance(layer, nn.Conv2d)], sample)

    def residual(self, enlarged: torch.Tensor) -> torch.Tensor:
        """What the enlarged image ``[N, 1, H, W]`` lacks."""
        values = enlarged
        for layer in self.layers[:-1]:
            values = self.relu(layer(values))
        result: torch.Tensor = self.layers[-1](values)
        return result

    def forward(self, luma: torch.Tensor) -> torch.Tensor:
        enlarged = self.enlarge(luma)
        result: torch.Tensor = enlarged + self.residual(enlarged)
        return result
