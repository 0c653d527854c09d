"""VDSR: twenty layers that learn what bicubic lacks, one network for every scale. Kim et al., CVPR 2016.

Published: 3 x 3, 64 channels, ReLU, zero padding, the residual of the enlarged image. Trained on all scales at once, a
batch of one scale at a time.
"""

from __future__ import annotations

import torch

from subpixel.models.architecture import Architecture
from subpixel.models.bicubic import BicubicEnlarge, radius_px
from subpixel.models.residual import ResidualStack

LAYERS = 20
SCALES = (2, 3, 4)


class Vdsr(ResidualStack):
    """A ``ResidualStack`` whose weights are the same at every scale."""

    def __init__(self, scale: int) -> None:
        super().__init__(scale, LAYERS)

    def at_scale(self, lr: torch.Tensor, scale: int) -> torch.Tensor:
        """``forward`` at whichever scale a training batch has."""
        enlarged: torch.Tensor = BicubicEnlarge(scale).to(lr.device)(lr)
        return enlarged + self.residual(enlarged).float()


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
