"""SRCNN: bicubic, then three convolutions. Dong et al., TPAMI 2016, 9-5-5 with 64 and 32 filters."""

from __future__ import annotations

import torch
from torch import nn

from subpixel.models.architecture import Architecture
from subpixel.models.bicubic import BicubicEnlarge, radius_px
from subpixel.models.initialise import pass_through

KERNELS, WIDTHS = (9, 5, 5), (64, 32)
HR_RADIUS_PX = sum(kernel // 2 for kernel in KERNELS)


class Srcnn(nn.Module):
    """``[N, 1, H, W]`` luma in [0, 1] to ``[N, 1, s H, s W]``; not clipped. Zero padding."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.enlarge = BicubicEnlarge(scale)
        first, second, third = KERNELS
        self.patches = nn.Conv2d(1, WIDTHS[0], first, padding=first // 2)
        self.mapping = nn.Conv2d(WIDTHS[0], WIDTHS[1], second, padding=second // 2)
        self.reconstruction = nn.Conv2d(WIDTHS[1], 1, third, padding=third // 2)
        self.relu = nn.ReLU()

    def initialise(self, sample: torch.Tensor) -> None:
        """Fit the untrained weights to LR patches; the result starts as bicubic's."""
        pass_through((self.patches, self.mapping, self.reconstruction), self.enlarge(sample))

    def forward(self, luma: torch.Tensor) -> torch.Tensor:
        values = self.relu(self.patches(self.enlarge(luma)))
        result: torch.Tensor = self.reconstruction(self.relu(self.mapping(values)))
        return result


SRCNN = Architecture(
    name="srcnn",
    family="image",
    paper="Dong et al., TPAMI 2016, arXiv:1501.00092",
    scales=(2, 3, 4),
    build=Srcnn,
    radius_px=lambda scale: radius_px(scale, HR_RADIUS_PX),
)
