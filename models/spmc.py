"""SPMC: frames laid on the fine grid by their sub-pixel motion, encoder - ConvLSTM - decoder. Tao et al., ICCV 2017.

As published: motion estimation (the motion transformer of VESPCN), the parameter-free sub-pixel motion compensation
layer, a strided encoder, a ConvLSTM at LR size that takes in the frames one after the other, a decoder with skip
connections, bicubic enlargement of the middle frame added. Ours, to fit the training budget: 16 to 32 channels and one
decoding, after the last step, where the paper has 32 to 128 and decodes at every step; the middle frame comes last,
so that the skips are its own; what is laid down is told as the difference from bicubic at that place, next to how much
of it there is (its count, at most 1), so that gaps in the fine grid don't look like black.

Two uses of the same net: ``Spmc`` starts each window of three frames from an empty memory, ``SpmcRecurrent`` from the
memory of the frame before, warped onto this one.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import nn

from subpixel.models.architecture import Architecture
from subpixel.models.bicubic import BicubicEnlarge
from subpixel.models.motion import MotionTransformer, mostly_inside, roughness
from subpixel.models.warping import scatter, warp
from subpixel.spec import StateSpec

FINE, CODED, MEMORY = 16, 32, 24  # channels at twice the LR size, at LR size, and in each state
DETAIL_GAIN = 10.0  # differences from bicubic are small; brings them to about the size of the counts
WARP_WEIGHT, ROUGH_WEIGHT = 0.1, 2e-4
RIM_PX = 4  # LR pixels of a patch that see its border most

Memory = tuple[torch.Tensor, torch.Tensor]


class ConvLstm(nn.Module):
    """One step: ``[N, C, H, W]`` and (hidden, cell) to the next (hidden, cell). Shi et al. 2015, without peepholes."""

    def __init__(self, given: int, memory: int) -> None:
        super().__init__()
        self.memory = memory
        self.gates = nn.Conv2d(given + memory, 4 * memory, 3, padding=1)

    def forward(self, values: torch.Tensor, hidden: torch.Tensor, cell: torch.Tensor) -> Memory:
        gates = self.gates(torch.cat((values, hidden), dim=1))
        size = self.memory
        let_in, keep, let_out = (torch.sigmoid(gates[:, k * size : (k + 1) * size]) for k in range(3))
        cell = keep * cell + let_in * torch.tanh(gates[:, 3 * size :])
        return let_out * torch.tanh(cell), cell


class Spmc(nn.Module):
    """``[N, 3, H, W]``: luma of three consecutive frames in [0, 1], to the middle one's ``[N, 1, 4 H, 4 W]``."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.motion = MotionTransformer()
        self.bicubic = BicubicEnlarge(scale)
        self.to_half = nn.Conv2d(2, FINE, 5, 2, padding=2)
        self.to_lr = nn.Conv2d(FINE, CODED, 3, 2, padding=1)
        self.coder = nn.Conv2d(CODED + 1, CODED, 3, padding=1)
        self.recall = ConvLstm(CODED, MEMORY)
        self.from_lr = nn.Conv2d(MEMORY + CODED, 4 * FINE, 3, padding=1)
        self.merge = nn.Conv2d(2 * FINE, FINE, 3, padding=1)
        self.detail = nn.Conv2d(FINE, 4, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)

    @torch.no_grad()
    def initialise(self, sample: torch.Tensor) -> None:
        """From LR windows: no flow, layers that keep the variance, a memory that keeps; exactly bicubic."""
        self.motion.initialise(sample[:, 1:2], sample[:, 0:1])
        for layer in (self.to_half, self.to_lr, self.coder, self.from_lr, self.merge):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(cast(torch.Tensor, layer.bias))
        nn.init.zeros_(cast(torch.Tensor, self.recall.gates.bias))
        cast(torch.Tensor, self.recall.gates.bias)[MEMORY : 2 * MEMORY] = 1.0
        nn.init.zeros_(self.detail.weight)
        nn.init.zeros_(cast(torch.Tensor, self.detail.bias))

    def flows(self, window: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Coarse and final flow from each neighbour onto the middle frame, ``[2 N, 2, H, W]``, neighbours together."""
        neighbours, middle = pairs(window)
        coarse, flow = self.motion(neighbours, middle)
        return coarse, flow

    def encoded(self, frames: torch.Tensor, flow: torch.Tensor, plain: torch.Tensor) -> Memory:
        """Every frame of ``[N, T, H, W]`` on the middle one's grid, coded.

        At twice the LR size ``[N, T, 16, 2 H, 2 W]``, and at it ``[N, T, 32, H, W]``. ``flow``: ``[N T, 2, H, W]``;
        ``plain``: the middle frame, enlarged.
        """
        count, height, width = frames.shape[1], frames.shape[2], frames.shape[3]
        laid, weight = scatter(frames.reshape(-1, 1, height, width), flow, self.scale)
        rival = repeated(plain, count)
        detail = (laid - weight * rival) / torch.clamp(weight, min=1.0)
        seen = torch.cat((detail * DETAIL_GAIN, torch.clamp(weight, max=1.0)), dim=1)
        half = torch.relu(self.to_half(seen))
        small = torch.relu(self.to_lr(half))
        coded = torch.relu(self.coder(torch.cat((small, repeated(frames[:, 1:2], count)), dim=1)))
        return half.reshape(-1, count, *half.shape[1:]), coded.reshape(-1, count, *coded.shape[1:])

    def remember(self, window: torch.Tensor, flow: torch.Tensor, memory: Memory) -> tuple[Memory, Memory, torch.Tensor]:
        """The memory after the three frames, the middle frame's codes, and its bicubic enlargement."""
        plain = self.bicubic(window[:, 1:2])
        both = flow.reshape(-1, 2, *flow.shape[1:])
        rest = torch.zeros_like(both[:, :1])
        moved = torch.cat((both[:, :1], rest, both[:, 1:]), dim=1).reshape(-1, *flow.shape[1:])
        half, coded = self.encoded(window, moved, plain)
        for at in (0, 2, 1):
            memory = self.recall(coded[:, at], *memory)
        return memory, (half[:, 1], coded[:, 1]), plain

    def decoded(self, memory: Memory, codes: Memory, plain: torch.Tensor) -> torch.Tensor:
        """``[N, 1, s H, s W]`` from the memory and the middle frame's own codes."""
        wide = self.shuffle(torch.relu(self.from_lr(torch.cat((memory[0], codes[1]), dim=1))))
        merged = torch.relu(self.merge(torch.cat((wide, codes[0]), dim=1)))
        result: torch.Tensor = plain + self.shuffle(self.detail(merged))
        return result

    def empty(self, window: torch.Tensor) -> Memory:
        """A memory of nothing."""
        nothing = torch.zeros_like(window[:, :1]).expand(-1, MEMORY, -1, -1)
        return nothing, nothing

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        memory, codes, plain = self.remember(window, self.flows(window)[1], self.empty(window))
        return self.decoded(memory, codes, plain)

    def training_loss(self, lr: torch.Tensor, hr: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """SR error, warping error of both stages of the flow, and its roughness; ``weight`` is not used."""
        coarse, flow = self.flows(lr)
        sr = self.decoded(*self.remember(lr, flow, self.empty(lr)))
        return mostly_inside((sr - hr).square(), RIM_PX * self.scale) + motion_loss(*pairs(lr), coarse, flow)


class SpmcRecurrent(Spmc):
    """As ``Spmc``, with the memory handed on: ``(sr, hidden, cell)`` from a window and the last (hidden, cell).

    The states ``[N, 24, H, W]`` belong to the frame before the middle one, and are warped onto it first.
    """

    def forward(  # type: ignore[override]
        self, window: torch.Tensor, hidden: torch.Tensor, cell: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        memory, codes, plain = self.step(window, (hidden, cell))[:3]
        return self.decoded(memory, codes, plain), *memory

    def step(
        self, window: torch.Tensor, memory: Memory
    ) -> tuple[Memory, Memory, torch.Tensor, torch.Tensor, torch.Tensor]:
        """The memory moved onto the middle frame, and then the three frames; with the coarse and final flows."""
        back = self.motion(window[:, 1:2], window[:, :1])[1]
        moved = warp(memory[0], back), warp(memory[1], back)
        coarse, flow = self.flows(window)
        return *self.remember(window, flow, moved), coarse, flow

    def unrolled(self, frames: torch.Tensor) -> torch.Tensor:
        """The last window's result after all windows of three of ``frames`` ``[N, T, H, W]``, from an empty memory."""
        return self._unrolled(frames)[0]

    def _unrolled(self, frames: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        memory, lost = self.empty(frames), frames.new_zeros(())
        for start in range(frames.shape[1] - 2):
            window = frames[:, start : start + 3]
            memory, codes, plain, coarse, flow = self.step(window, memory)
            lost = lost + motion_loss(*pairs(window), coarse, flow)
        return self.decoded(memory, codes, plain), lost / (frames.shape[1] - 2)

    def training_loss(self, lr: torch.Tensor, hr: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """As ``Spmc``, after all windows of the sequence ``lr`` ``[N, T, H, W]``."""
        sr, lost = self._unrolled(lr)
        return mostly_inside((sr - hr).square(), RIM_PX * self.scale) + lost


def repeated(plane: torch.Tensor, count: int) -> torch.Tensor:
    """``[N, 1, H, W]``, each ``count`` times: ``[N count, 1, H, W]``."""
    return plane.expand(-1, count, -1, -1).reshape(-1, 1, plane.shape[2], plane.shape[3])


def pairs(window: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Both neighbours and, beside each, the middle frame: ``[2 N, 1, H, W]`` each."""
    return window[:, ::2].reshape(-1, 1, window.shape[2], window.shape[3]), repeated(window[:, 1:2], 2)


def motion_loss(frame: torch.Tensor, neighbour: torch.Tensor, coarse: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """How badly ``neighbour``, warped by each stage's flow, gives ``frame``; and how rough the flows are."""
    missed = (warp(neighbour, flow) - frame).square() + (warp(neighbour, coarse) - frame).square()
    return WARP_WEIGHT * mostly_inside(missed, RIM_PX) + ROUGH_WEIGHT * (roughness(flow) + roughness(coarse))


def _architecture(name: str, recurrent: bool) -> Architecture:
    return Architecture(
        name=name,
        family="recurrent" if recurrent else "video",
        paper="Tao et al., ICCV 2017, arXiv:1704.02738",
        scales=(4,),
        build=SpmcRecurrent if recurrent else Spmc,
        radius_px=lambda scale: None,
        material="clips",
        window=3,
        lookahead=1,
        states=(StateSpec("hidden", MEMORY), StateSpec("cell", MEMORY)) if recurrent else (),
    )


SPMC = _architecture("spmc", recurrent=False)
SPMC_RECURRENT = _architecture("spmc-recurrent", recurrent=True)
