"""ESPCN: convolutions at LR size, then one sub-pixel shuffle. Shi et al., CVPR 2016, 5-3-3 with tanh.

``espcn-clamped`` is for int8 only: its first tanh, which is a quarter of the time of the rounded net, became a clamp,
which rounding to bytes does anyway. It is trained on from ESPCN's weights, with as much noise in its features as
rounding makes, and takes ESPCN's place where int8 variants are made (``subpixel quantize --from``); they are judged
against ESPCN itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn
from torch.nn import functional

from subpixel.models.architecture import Architecture
from subpixel.models.initialise import fit_tanh_layers

BYTE_STEP = 1 / 127  # of int8 in [-1, 1]


class Espcn(nn.Module):
    """``[N, 1, H, W]`` luma in [0, 1] to ``[N, 1, s H, s W]``; not clipped.

    f = (5, 3, 3), n = (64, 32), zero padding. ``clamped``: the first tanh is a clamp to [-1, 1].
    """

    def __init__(self, scale: int, clamped: bool = False) -> None:
        super().__init__()
        self.scale = scale
        self.noise = BYTE_STEP if clamped else 0.0
        self.first: Callable[[torch.Tensor], torch.Tensor] = functional.hardtanh if clamped else torch.tanh
        self.features = nn.Conv2d(1, 64, 5, padding=2)
        self.mapping = nn.Conv2d(64, 32, 3, padding=1)
        self.subpixel = nn.Conv2d(32, scale * scale, 3, padding=1)
        self.shuffle = nn.PixelShuffle(scale)

    def initialise(self, sample: torch.Tensor) -> None:
        """Fit the untrained weights to LR patches ``[N, 1, H, W]``."""
        fit_tanh_layers((self.features, self.mapping), self.subpixel, sample)

    def trunk(self, luma: torch.Tensor) -> torch.Tensor:
        """All but the shuffle: ``[N, s^2, H, W]``."""
        first = self._noisy(self.first(self.features(luma)))
        result: torch.Tensor = self.subpixel(self._noisy(torch.tanh(self.mapping(first))))
        return result

    def _noisy(self, features: torch.Tensor) -> torch.Tensor:
        """While it is trained for bytes: as far off as rounding would be."""
        if not self.training or not self.noise:
            return features
        return features + self.noise * (torch.rand_like(features) - 0.5)

    def forward(self, luma: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.shuffle(self.trunk(luma))
        return result


ESPCN = Architecture(
    name="espcn",
    family="image",
    paper="Shi et al., CVPR 2016, arXiv:1609.05158",
    scales=(2, 3, 4),
    build=Espcn,
    radius_px=lambda scale: 4,
)
ESPCN_CLAMPED = replace(
    ESPCN,
    name="espcn-clamped",
    paper="ours, after ESPCN",
    build=lambda scale: Espcn(scale, clamped=True),
    rounded_for="espcn",
)
