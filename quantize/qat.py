"""Quantisation-aware fine-tuning: a short training of the rounded net against the fp32 net's own results.

Jacob et al., CVPR 2018 (arXiv:1712.05877), with the grids held still. It starts where calibrated rounding ended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from subpixel.quantize.calibration import Calibration
from subpixel.quantize.graph import FloatGraph
from subpixel.quantize.qdq import Plan
from subpixel.quantize.rounding import Rounded
from subpixel.quantize.torch_graph import RoundedNet, row_scale

BATCH = 8
WINDOW_PX = 48
FLATS = 12  # of the flat patches, in each step
LEARNING_RATE = 2e-4
TRUTH_SHARE = 0.02  # HR pulls, but some thirty crops must not teach the net anew
FLAT_SHARE = 0.25
Told = Callable[[int], None]


def fine_tuned(graph: FloatGraph, plan: Plan, used: Calibration, steps: int, seed: int, told: Told) -> Plan:
    """The plan with trained weights; the same for the same seed on one machine. ``told``: after each step.

    Raises ``BundleError`` for a graph that can't be trained.
    """
    torch.manual_seed(seed)
    net, lessons = RoundedNet(graph, plan), _Lessons(graph, used, seed)
    learned = [parameter for parameter in net.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(learned, LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, max(1, steps))
    for step in range(steps):
        loss = lessons.loss(net)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        schedule.step()
        told(step + 1)
    return _with_learned(graph, plan, net)


class _Lessons:
    """Windows of the frames, what fp32 makes of them, and the HR of those that have one."""

    def __init__(self, graph: FloatGraph, used: Calibration, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        self._teacher = RoundedNet(graph, Plan()).requires_grad_(False)
        self._frames, self._flats = _unit(np.concatenate([used.crops, used.leaves])), _unit(used.flats)
        self._truths = {at: _unit(truth) for at, truth in enumerate(used.truths) if truth is not None}

    def loss(self, net: RoundedNet) -> torch.Tensor:
        """Mean squared error against fp32, flat patches among it, and a little against HR."""
        chosen = self._random.permutation(len(self._frames))[:BATCH]
        corners = self._random.integers(self._frames.shape[2] - WINDOW_PX + 1, size=(len(chosen), 2))
        windows = torch.stack([_window(self._frames[n], c, 1) for n, c in zip(chosen, corners, strict=True)])
        flats = self._flats[self._random.permutation(len(self._flats))[:FLATS]]
        found = net(windows)
        loss = self._distance(net(flats), flats) * FLAT_SHARE + self._distance(found, windows)
        scale = found.shape[2] // WINDOW_PX
        for at, number in enumerate(chosen):
            if number in self._truths:
                truth = _window(self._truths[number], corners[at], scale)
                loss = loss + TRUTH_SHARE / BATCH * torch.mean((found[at] - truth) ** 2)
        return loss

    def _distance(self, found: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
        with torch.no_grad():
            wanted = self._teacher(frames)
        return torch.mean((found - wanted) ** 2)


def _window(frame: torch.Tensor, corner: NDArray[np.int64], scale: int) -> torch.Tensor:
    top, left, side = int(corner[0]) * scale, int(corner[1]) * scale, WINDOW_PX * scale
    return frame[:, top : top + side, left : left + side]


def _unit(frames: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy((frames / np.float32(255)).astype(np.float32))


def _with_learned(graph: FloatGraph, plan: Plan, net: RoundedNet) -> Plan:
    """Trained weights on their levels."""
    rounded: dict[str, Rounded] = {}
    for at, layer in enumerate(graph.layers):
        if layer.name in plan.rounded:
            weights, bias = (part[str(at)].detach() for part in (net.weights, net.biases))
            scale = row_scale(weights)
            levels = torch.round(weights.flatten(1) / scale[:, None]).to(torch.int8)
            rounded[layer.name] = Rounded(levels.numpy(), scale.numpy(), bias.numpy().copy())
    return replace(plan, rounded=rounded)
