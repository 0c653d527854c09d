"""VESPCN's motion estimation: a coarse and a fine flow by two small nets. Caballero et al., CVPR 2017, Table 1.

The coarse net halves the frame twice and enlarges its flow x4 by a sub-pixel shuffle, the fine one halves it once and
corrects what is left, from both frames, the coarse flow and the neighbour as warped by it. The published tanh bounds
the flow; here it is scaled to LR pixels, so that the flow doesn't depend on the frame's size. Both nets start at zero
flow. Sides that aren't multiples of 4 are served: the shuffled flow is cut to the frame.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from subpixel.models.initialise import fit_relu_layers
from subpixel.models.warping import warp

FEATURES = 24
COARSE_PX, FINE_PX = 6.0, 2.0  # the largest flow of each stage, LR pixels
HUBER_EPS = 0.01


class FlowNet(nn.Module):
    """Five convolutions, the first (coarse: and third) of stride 2, ReLU between, tanh, sub-pixel shuffle.

    ``[N, given, H, W]`` to flow ``[N, 2, H, W]`` within ``reach_px`` LR pixels.
    """

    def __init__(self, given: int, kernels: tuple[int, ...], strides: tuple[int, ...], reach_px: float) -> None:
        super().__init__()
        shrink = 1
        for stride in strides:
            shrink *= stride
        widths = [given, *([FEATURES] * (len(kernels) - 1)), 2 * shrink * shrink]
        self.layers = nn.ModuleList(
            nn.Conv2d(widths[at], widths[at + 1], kernel, stride, padding=kernel // 2)
            for at, (kernel, stride) in enumerate(zip(kernels, strides, strict=True))
        )
        self.shuffle = nn.PixelShuffle(shrink)
        self.reach_px = reach_px

    def initialise(self, sample: torch.Tensor) -> None:
        """Unit variance after every layer, and zero flow."""
        fit_relu_layers([cast(nn.Conv2d, layer) for layer in self.layers], sample)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        values = frames
        for layer in self.layers[:-1]:
            values = torch.relu(layer(values))
        flow = self.shuffle(torch.tanh(self.layers[-1](values)) * self.reach_px)
        # narrowed, for a slice would be exported as a minimum of two sizes
        result: torch.Tensor = flow.narrow(2, 0, frames.shape[2]).narrow(3, 0, frames.shape[3])
        return result


class MotionTransformer(nn.Module):
    """Flow from a frame to its neighbour, both ``[N, 1, H, W]`` in [0, 1]: the coarse one, then the sum of both."""

    def __init__(self) -> None:
        super().__init__()
        self.coarse = FlowNet(2, (5, 3, 5, 3, 3), (2, 1, 2, 1, 1), COARSE_PX)
        self.fine = FlowNet(5, (5, 3, 3, 3, 3), (2, 1, 1, 1, 1), FINE_PX)

    def initialise(self, frame: torch.Tensor, neighbour: torch.Tensor) -> None:
        """Both stages, from sample frames."""
        both = torch.cat((frame, neighbour), dim=1)
        self.coarse.initialise(both)
        self.fine.initialise(torch.cat((both, torch.zeros_like(both), neighbour), dim=1))

    def forward(self, frame: torch.Tensor, neighbour: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        both = torch.cat((frame, neighbour), dim=1)
        coarse = self.coarse(both)
        warped = warp(neighbour, coarse)
        return coarse, coarse + self.fine(torch.cat((both, coarse, warped), dim=1))


def roughness(flow: torch.Tensor) -> torch.Tensor:
    """The Huber-like penalty of a flow's change from pixel to pixel, a mean; equation 6 with its epsilon of 0.01."""
    across = (flow[:, :, :-1, 1:] - flow[:, :, :-1, :-1]).square().sum(dim=1)
    down = (flow[:, :, 1:, :-1] - flow[:, :, :-1, :-1]).square().sum(dim=1)
    penalty: torch.Tensor = torch.sqrt(HUBER_EPS + across + down).mean() - HUBER_EPS**0.5
    return penalty


def mostly_inside(error: torch.Tensor, rim_px: int) -> torch.Tensor:
    """The mean of ``error`` ``[N, C, H, W]`` where a patch's own border, ``rim_px`` wide, counts a tenth.

    A whole frame is nearly all inside; a patch isn't.
    """
    inside = error[:, :, rim_px:-rim_px, rim_px:-rim_px]
    return 0.9 * inside.mean() + 0.1 * error.mean()
