"""Our own nets for video on small devices: 3 x 3 convolutions, one bound for all tensors.

The fast ones work on the pixel-unshuffled plane: every 2 x 2 pixels become one position of four channels (Shi et al.
2016, backwards), which buys three times the weights for the same time. Where there is time for depth, few channels on
the plane as it is learn more: a filter is the same at every pixel.

Every tensor inside lies in [0, 6]: ReLU6, and the plane times six, so that an int8 step of it is one level of an 8-bit
frame. The plane goes into the last convolution with the features: what bicubic gives is a 3 x 3 convolution of it on
blocks, and nearly one on single pixels; there the weights start. It comes there beside the features, or as their first
channel, which every convolution hands on: a channel less to learn in, and no tensor put together, which is a sixth of
the time of four layers. Handed on, a level is 1/64: bf16 holds all of them exactly, and bytes in such steps too.

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
from subpixel.models.initialise import fit_passing_layers
from subpixel.quality.resize import upscale

TOP = 6.0  # ReLU6's bound
HANDED_ON_WHITE = 255 / 64
ROOM = 1.5  # how far below it the largest value seen is put
MOST_STRETCH = 8.0


@dataclass(frozen=True)
class Shape:
    """``layers``: convolutions before the last one, each of ``channels``; ``block``: LR pixels a side of a position.

    ``handed_on``: whether the first channel of every tensor is the plane, for positions of one pixel. Else
    the last features are fewer: with the plane beside them they fill the same registers.
    """

    channels: int
    layers: int
    block: int = 2
    handed_on: bool = False

    def __post_init__(self) -> None:
        assert self.block == 1 or not self.handed_on

    @property
    def widths(self) -> tuple[int, ...]:
        """Of every tensor from the plane on."""
        beside = 0 if self.handed_on else self.block**2
        return (self.block**2, *[self.channels] * (self.layers - 1), self.channels - beside)


class Edge(nn.Module):
    """``[N, 1, H, W]`` luma in [0, 1] to ``[N, 1, s H, s W]``; not clipped. Graphs are for multiples of the block.

    The frame is continued by a block, symmetrically, as bicubic does; zeros around the features.
    """

    kept: tuple[int, ...]  # how many of each inner convolution's filters are not learnt: they hand the plane on
    rim_px = 6  # LR pixels; beyond, a border hardly matters, though it reaches further: 0.15 dB more on Set5 x3

    def __init__(self, scale: int, shape: Shape) -> None:
        super().__init__()
        self.scale, self.block, self.handed_on = scale, shape.block, int(shape.handed_on)
        block = self.block
        self.kept = (self.handed_on,) * shape.layers
        self.white = HANDED_ON_WHITE if shape.handed_on else TOP
        self.register_buffer("cells", TOP * torch.eye(block**2).reshape(-1, 1, block, block), persistent=False)
        self.features = nn.ModuleList(nn.Conv2d(*counts, 3, padding=1) for counts in pairwise(shape.widths))
        self.last = nn.Conv2d(shape.channels, (block * scale) ** 2, 3)
        self.relu = nn.ReLU6()
        self.shuffle = nn.PixelShuffle(block * scale)

    @property
    def border_px(self) -> int:
        """LR pixels that ``inside`` is given beyond the frame."""
        return self.block

    @torch.no_grad()
    def initialise(self, sample: torch.Tensor) -> None:
        """Fit to LR patches ``[N, 1, H, W]``; the result starts as bicubic's."""
        fit_passing_layers((*self.inner(), self.last), self.plane(sample))
        first = range(self.handed_on)
        for at, layer in enumerate(self.inner()):
            layer.weight[first] = 0.0
            row, column = (side // 2 for side in layer.kernel_size)
            layer.weight[first, first, row, column] = 1.0 if at else self.white
        self.enlarge_plane()

    @torch.no_grad()
    def enlarge_plane(self) -> None:
        """What the end of the net makes of the plane is bicubic."""
        cells = bicubic_cells(self.scale, self.block) / self.white
        self.last.weight[:, slice(self.handed_on) if self.handed_on else slice(-(self.block**2), None)] = cells

    @torch.no_grad()
    def stretch(self, sample: torch.Tensor) -> None:
        """Let every channel fill what the plane does on LR patches ``[N, 1, H, W]``, for the finest steps in int8.

        The net's function stays what it was wherever no value is larger than ``ROOM`` times the largest here. A channel
        made larger is made as much smaller where it is read (Nagel et al. 2019, arXiv:1906.04721, with values in place
        of weights).
        """
        values, layers = self.plane(symmetric_pad(sample, self.block)), self.inner()
        for layer, reader, kept in zip(layers, [*layers[1:], self.last], self.kept, strict=True):
            largest = self.relu(layer(values)).amax(dim=(0, 2, 3))
            factors = (self.white / (ROOM * largest)).clamp(1, MOST_STRETCH).where(largest > 0, torch.ones(()))
            factors[:kept] = 1.0
            layer.weight *= factors[:, None, None, None]
            layer.bias *= factors
            reader.weight[:, : len(factors)] /= factors[:, None, None]
            values = self.relu(layer(values))

    def inner(self) -> list[nn.Conv2d]:
        """All convolutions but the last: those that are widened for training."""
        return [layer for layer in self.features if isinstance(layer, nn.Conv2d)]

    def plane(self, around: torch.Tensor) -> torch.Tensor:
        """``[N, b b, h / b, w / b]`` in [0, 6]: a convolution, which every target has for every size.

        Handed on, it is what is given, and the first layer brings it to that range.
        """
        if self.handed_on:
            return around
        cells: torch.Tensor = self.cells  # type: ignore[assignment]
        return nn.functional.conv2d(around, cells, stride=self.block)

    def trunk(self, luma: torch.Tensor) -> torch.Tensor:
        """All but the shuffle: ``[N, b b s s, H / b, W / b]``."""
        return self.inside(symmetric_pad(luma, self.block))

    def inside(self, around: torch.Tensor) -> torch.Tensor:
        """``trunk`` of a frame with its border, ``[N, 1, H + 2 b, W + 2 b]``."""
        plane = self.plane(around)
        values = plane
        for layer in self.features:
            values = self.relu(layer(values))
        result: torch.Tensor = self.last(values if self.handed_on else torch.cat([values, plane], dim=1))
        return result

    def forward(self, luma: torch.Tensor) -> torch.Tensor:
        (height, width), block = luma.shape[2:], self.block
        if height % block or width % block:  # never in a graph: its sizes are multiples
            luma = nn.functional.pad(luma, (0, width % block, 0, height % block), mode="replicate")
            return self.forward(luma)[:, :, : height * self.scale, : width * self.scale]
        result: torch.Tensor = self.shuffle(self.trunk(luma))
        return result


@cache
def bicubic_cells(scale: int, block: int) -> torch.Tensor:
    """``[b b s s, b b, 3, 3]``: bicubic enlargement as a convolution of cells of b x b pixels to cells of b s x b s.

    Exact for b = 2. Of one pixel's five neighbours the middle three are taken, what they weigh brought to one.
    """
    cells, side = 5, block * scale
    weights = np.empty((side, side, block, block, 3, 3))
    for row in range(block):
        for column in range(block):
            lit = np.zeros((cells * block, cells * block))
            lit[2 * block + row, 2 * block + column] = 1.0
            response = upscale(lit, scale).reshape(cells, side, cells, side)[1:4, :, 1:4]
            weights[:, :, row, column] = response[::-1, :, ::-1].transpose(1, 3, 0, 2)
    if block == 1:
        weights /= weights.sum(axis=(2, 3, 4, 5), keepdims=True)
    return torch.tensor(weights.reshape(side**2, block**2, 3, 3), dtype=torch.float32)


def edge_net(name: str, shape: Shape) -> Architecture:
    """The architecture of a shape. Reach: a cell for every convolution, and what is beyond a pixel in its own."""
    return Architecture(
        name=name,
        family="image",
        paper="ours",
        scales=(2, 3, 4),
        build=lambda scale: Edge(scale, shape),
        radius_px=lambda scale: shape.block * (shape.layers + 1) + shape.block - 1,
        size_multiple=lambda scale: shape.block,
    )


EDGE = edge_net("edge", Shape(16, 4, block=1, handed_on=True))
EDGE_BEST = edge_net("edge-best", Shape(16, 14, block=1))
