"""The fastest of our own nets: positions of 2 x 2 pixels at x2, convolutions along one axis at x3 and x4.

Of the larger factors the convolution that gives all pixels of a block takes up to two fifths of the time. Along one
axis it costs a third, and so does what comes before it, which leaves time for layers on the plane as it is: the first
of 3 x 3 pixels, then in turns of three of a row and of three of a column. Bicubic is such a pair too: what makes it of
the plane are kept filters of the last two convolutions, the first of which has a channel for every column of a block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import torch
from torch import nn

from subpixel.models.architecture import Architecture
from subpixel.models.edge import Edge, Shape, bicubic_cells, edge_net


class EdgeLines(Edge):
    """``[N, 1, H, W]`` luma in [0, 1] to ``[N, 1, s H, s W]``; not clipped.

    ``layers``: before the last one, an even number. The border of one pixel goes where a convolution has none.
    """

    def __init__(self, scale: int, channels: int, layers: int) -> None:
        assert layers % 2 == 0
        super().__init__(scale, Shape(channels, layers, block=1, handed_on=True))
        kernels = [(3, 3), *((1, 3) if at % 2 else (3, 1) for at in range(1, layers))]
        counts = pairwise([1, *[channels] * layers])
        self.features = nn.ModuleList(
            nn.Conv2d(*count, kernel, padding=(kernel[0] // 2, kernel[1] // 2))
            for count, kernel in zip(counts, kernels, strict=True)
        )
        self.inner()[-1].padding = (0, 0)
        self.last = nn.Conv2d(channels, scale**2, (3, 1))
        self.kept = (*[1] * (layers - 1), scale)

    @torch.no_grad()
    def enlarge_plane(self) -> None:
        """First the columns of a pixel's block, each in a channel, then its rows; nearly bicubic."""
        phases, columns = bicubic_phases(self.scale), self.inner()[-1]
        columns.weight[: self.scale] = 0.0
        columns.weight[: self.scale, 0, 0] = phases
        columns.bias[: self.scale] = 0.0  # type: ignore[index]
        block = self.last.weight.reshape(self.scale, self.scale, *self.last.weight.shape[1:])
        block[:] = 0.0
        for column in range(self.scale):
            block[:, column, column, :, 0] = phases / self.white


def bicubic_phases(scale: int) -> torch.Tensor:
    """``[s, 3]``: what a pixel's parts along one axis take of it and its neighbours."""
    return bicubic_cells(scale, 1).reshape(scale, scale, 3, 3)[0].sum(dim=1)


def lines_net(name: str, channels: int, layers: int) -> Architecture:
    """The architecture of such a net. Reach: a pixel for the first convolution and for each along the axis."""
    return Architecture(
        name=name,
        family="image",
        paper="ours",
        scales=(2, 3, 4),
        build=lambda scale: EdgeLines(scale, channels, layers),
        radius_px=lambda scale: 1 + layers // 2,
    )


def by_scale(usual: Architecture, at: Mapping[int, Architecture]) -> Architecture:
    """The one of the scale, under the name of the usual one."""

    def of(scale: int) -> Architecture:
        return at.get(scale, usual)

    return replace(
        usual,
        build=lambda scale: of(scale).build(scale),
        radius_px=lambda scale: of(scale).radius_px(scale),
        size_multiple=lambda scale: of(scale).size_multiple(scale),
    )


LINES = lines_net("edge-fast", 16, 4)
EDGE_FAST = by_scale(edge_net("edge-fast", Shape(16, 5)), {3: LINES, 4: LINES})
