"""Our own nets for video on small devices: 3 x 3 convolutions on the pixel-unshuffled plane, one bound for all tensors.

Every 2 x 2 pixels become one position of four channels (Shi et al. 2016, backwards), which buys three times the weights
for the same time. Every tensor inside lies in [0, 6]: ReLU6, and the plane times six, so that an int8 step of it is one
level of an 8-bit frame. The plane goes into the last convolution beside the features: what bicubic gives is a 3 x 3
convolution of it, where the weights start.

While training each convolution is a sum of branches (Ding et al. 2021, arXiv:2101.03697; Zhang et al. 2021, ECBSR),
folded into its 3 x 3 weights in the forward pass; what is saved and exported is the folded net.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from torch import nn

from subpixel.models.architecture import Architecture
from subpixel.models.bicubic import symmetric_pad
from subpixel.models.initialise import fit_relu_layers
from subpixel.quality.resize import upscale

BLOCK = 2  # LR pixels a side of a position
TOP = 6.0  # ReLU6's bound
ROOM = 1.5  # how far below it the largest value seen is put
MOST_STRETCH = 8.0


@dataclass(frozen=True)
class Shape:
    """``layers``: convolutions before the last one, each of ``channels``.

    The last of them has four fewer: with the plane beside them they fill the same registers.
    """

    channels: int
    layers: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Of every tensor from the plane on."""
        return (BLOCK**2, *[self.channels] * (self.layers - 1), self.channels - BLOCK**2)


class Edge(nn.Module):
    """``[N, 1, H, W]`` luma in [0, 1] to ``[N, 1, s H, s W]``; not clipped. Graphs are for even H and W.

    The frame is continued by two pixels, symmetrically, as bicubic does; zeros around the features.
    """

    border_px = 2
    rim_px = 6  # LR pixels; beyond, a border hardly matters, though it reaches further: 0.15 dB more on Set5 x3

    def __init__(self, scale: int, shape: Shape) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("cells", TOP * torch.eye(BLOCK**2).reshape(-1, 1, BLOCK, BLOCK), persistent=False)
        self.features = nn.ModuleList(nn.Conv2d(*counts, 3, padding=1) for counts in pairwise(shape.widths))
        self.last = nn.Conv2d(shape.channels, (BLOCK * scale) ** 2, 3)
        self.relu = nn.ReLU6()
        self.shuffle = nn.PixelShuffle(BLOCK * scale)

    def initialise(self, sample: torch.Tensor) -> None:
        """Fit to LR patches ``[N, 1, H, W]``; the result starts as bicubic's."""
        fit_relu_layers((*self.inner(), self.last), self.plane(sample))
        with torch.no_grad():
            self.last.weight[:, -(BLOCK**2) :] = bicubic_cells(self.scale) / TOP

    @torch.no_grad()
    def stretch(self, sample: torch.Tensor) -> None:
        """Let every channel fill [0, 6] on LR patches ``[N, 1, H, W]``, for the finest steps in int8.

        The net's function stays what it was wherever no value is larger than ``ROOM`` times the largest here. A channel
        made larger is made as much smaller where it is read (Nagel et al. 2019, arXiv:1906.04721, with values in place
        of weights).
        """
        values, layers = self.plane(symmetric_pad(sample)), self.inner()
        for layer, reader in zip(layers, [*layers[1:], self.last], strict=True):
            largest = self.relu(layer(values)).amax(dim=(0, 2, 3))
            factors = (TOP / (ROOM * largest)).clamp(1, MOST_STRETCH).where(largest > 0, torch.ones(()))
            layer.weight *= factors[:, None, None, None]
            layer.bias *= factors
            reader.weight[:, : len(factors)] /= factors[:, None, None]
            values = self.relu(layer(values))

    def inner(self) -> list[nn.Conv2d]:
        """All convolutions but the last: those that are widened for training."""
        return [layer for layer in self.features if isinstance(layer, nn.Conv2d)]

    def plane(self, around: torch.Tensor) -> torch.Tensor:
        """``[N, 4, h / 2, w / 2]`` in [0, 6]: a convolution, which every target has for every size."""
        cells: torch.Tensor = self.cells  # type: ignore[assignment]
        return nn.functional.conv2d(around, cells, stride=BLOCK)

    def trunk(self, luma: torch.Tensor) -> torch.Tensor:
        """All but the shuffle: ``[N, 4 s^2, H / 2, W / 2]``."""
        return self.inside(symmetric_pad(luma))

    def inside(self, around: torch.Tensor) -> torch.Tensor:
        """``trunk`` of a frame with its border, ``[N, 1, H + 4, W + 4]``."""
        plane = self.plane(around)
        values = plane
        for layer in self.features:
            values = self.relu(layer(values))
        result: torch.Tensor = self.last(torch.cat([values, plane], dim=1))
        return result

    def forward(self, luma: torch.Tensor) -> torch.Tensor:
        height, width = luma.shape[2:]
        if height % BLOCK or width % BLOCK:  # never in a graph: its sizes are multiples
            luma = nn.functional.pad(luma, (0, width % BLOCK, 0, height % BLOCK), mode="replicate")
            return self.forward(luma)[:, :, : height * self.scale, : width * self.scale]
        result: torch.Tensor = self.shuffle(self.trunk(luma))
        return result


@cache
def bicubic_cells(scale: int) -> torch.Tensor:
    """``[4 s^2, 4, 3, 3]``: bicubic enlargement as a convolution of cells of 2 x 2 pixels to cells of 2 s x 2 s."""
    cells, side = 5, BLOCK * scale
    weights = np.empty((side, side, BLOCK, BLOCK, 3, 3))
    for row in range(BLOCK):
        for column in range(BLOCK):
            lit = np.zeros((cells * BLOCK, cells * BLOCK))
            lit[2 * BLOCK + row, 2 * BLOCK + column] = 1.0
            response = upscale(lit, scale).reshape(cells, side, cells, side)[1:4, :, 1:4]
            weights[:, :, row, column] = response[::-1, :, ::-1].transpose(1, 3, 0, 2)
    return torch.tensor(weights.reshape(side**2, BLOCK**2, 3, 3), dtype=torch.float32)


def edge_net(name: str, shape: Shape) -> Architecture:
    """The architecture of a shape. Reach: two pixels and a cell for every convolution but the last, and that one's."""
    return Architecture(
        name=name,
        family="image",
        paper="ours",
        scales=(2, 3, 4),
        build=lambda scale: Edge(scale, shape),
        radius_px=lambda scale: BLOCK * (shape.layers + 1) + 1,
        size_multiple=BLOCK,
    )


EDGE_FAST = edge_net("edge-fast", Shape(16, 5))
EDGE = edge_net("edge", Shape(32, 4))
EDGE_BEST = edge_net("edge-best", Shape(64, 5))
