"""Discriminators: real or made? A logit, and the feature maps on the way to it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

from subpixel.errors import BadInputError

SLOPE = 0.2
Verdict = tuple[torch.Tensor, tuple[torch.Tensor, ...]]


class EnhanceNetDiscriminator(nn.Module):
    """Five pairs of 3 x 3 convolutions, each second one of stride 2, then two dense layers. Sajjadi et al., table 2.

    Published with ``width`` 32 for images of 128 pixels. ``[N, 3, px, px]`` to logits ``[N]`` and each pair's maps.
    """

    def __init__(self, px: int, width: int = 32) -> None:
        super().__init__()
        _check_size(px, 5)
        widths = [3, *(width * 2**i for i in range(5))]
        self.pairs = nn.ModuleList(_pair(given, wanted) for given, wanted in pairwise(widths))
        self.dense = nn.Sequential(
            nn.Flatten(),
            nn.Linear(widths[-1] * (px // 32) ** 2, 32 * width),
            nn.LeakyReLU(SLOPE),
            nn.Linear(32 * width, 1),
        )

    def forward(self, images: torch.Tensor) -> Verdict:
        maps = _all_maps(self.pairs, images * 2 - 1)
        return self.dense(maps[-1])[:, 0], tuple(maps)


def _pair(given: int, wanted: int) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(given, wanted, 3, padding=1), nn.LeakyReLU(SLOPE),
        nn.Conv2d(wanted, wanted, 3, stride=2, padding=1), nn.LeakyReLU(SLOPE),
    )  # fmt: skip


class SrpganDiscriminator(nn.Module):
    """Six 4 x 4 convolutions of stride 2, two of 1 x 1, a residual end and a dense layer. Wu et al. 2017.

    Published with ``width`` 64: 64 to 2048 channels. ``[N, 3, px, px]`` to logits ``[N]`` and the maps of each layer,
    which are SRPGAN's perceptual loss.
    """

    def __init__(self, px: int, width: int = 64) -> None:
        super().__init__()
        _check_size(px, 6)
        widths = [3, *(width * 2**i for i in range(6))]
        self.halving = nn.ModuleList(_leaky(nn.Conv2d(a, b, 4, stride=2, padding=1)) for a, b in pairwise(widths))
        self.narrow = _leaky(nn.Conv2d(32 * width, 16 * width, 1))
        self.before = nn.Conv2d(16 * width, 8 * width, 1)
        self.around = nn.ModuleList(
            [_leaky(nn.Conv2d(8 * width, 2 * width, 1)), _leaky(nn.Conv2d(2 * width, 2 * width, 3, padding=1))]
        )
        self.back = nn.Conv2d(2 * width, 8 * width, 3, padding=1)
        self.dense = nn.Linear(8 * width * (px // 64) ** 2, 1)
        self.lrelu = nn.LeakyReLU(SLOPE)

    def forward(self, images: torch.Tensor) -> Verdict:
        maps = _all_maps(self.halving, images * 2 - 1)
        maps.append(self.narrow(maps[-1]))
        before = self.before(maps[-1])
        around = _all_maps(self.around, before)
        end = self.lrelu(before + self.back(around[-1]))
        return self.dense(end.flatten(1))[:, 0], (*maps, *around, end)


def _leaky(convolution: nn.Conv2d) -> nn.Module:
    return nn.Sequential(convolution, nn.LeakyReLU(SLOPE))


def _all_maps(layers: nn.ModuleList, values: torch.Tensor) -> list[torch.Tensor]:
    maps = []
    for layer in layers:
        values = layer(values)
        maps.append(values)
    return maps


def _check_size(px: int, halvings: int) -> None:
    if px % 2**halvings:
        raise BadInputError(
            f"--patch: found patches of {px} pixels at HR size; the discriminator needs a multiple of {2**halvings}"
        )
