"""ZSSR: eight layers that learn what bicubic lacks from the test image alone. Shocher, Cohen, Irani, CVPR 2018.

Published: 3 x 3, 64 channels, ReLU, zero padding, on the image enlarged to its final size, whose residual it learns.
The bicubic enlargement is part of the graph. What it is trained on: ``self_training``. Its weights belong to one image
or clip, so none come with the package; ``subpixel adapt`` makes them.
"""

from __future__ import annotations

import torch
from torch import nn

from subpixel.models.architecture import Architecture
from subpixel.models.bicubic import BicubicEnlarge, radius_px
from subpixel.models.initialise import fit_relu_layers

LAYERS, CHANNELS = 8, 64
SCALES = (2, 3, 4)


class Zssr(nn.Module):
    """``[N, 1, H, W]`` luma in [0, 1] to ``[N, 1, s H, s W]``; not clipped. Its weights fit any scale."""

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


ZSSR = Architecture(
    name="zssr",
    family="image",
    paper="Shocher et al., CVPR 2018, arXiv:1712.06087",
    scales=SCALES,
    build=Zssr,
    radius_px=lambda scale: radius_px(scale, LAYERS),
)
