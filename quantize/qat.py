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
from subpixel.quantize.graph import FloatGraph, tensors
from subpixel.quantize.qdq import Plan
from subpixel.quantize.rounding import Rounded
from subpixel.quantize.torch_graph import RoundedNet, row_scale

BATCH = 6
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
    """Frames with what fp32 makes of them, and the HR of those that have one."""

    def __init__(self, graph: FloatGraph, used: Calibration, seed: int) -> None:
        self._random = np.random.default_rng(seed)
        real = np.concatenate([used.crops, used.leaves])
        self._real, self._wanted = _unit(real), _taught(graph, real)
        self._flat, self._flat_wanted = _unit(used.flats), _taught(graph, used.flats)
        self._truths = {at: _unit(truth[None]) for at, truth in enumerate(used.truths) if truth is not None}

    def loss(self, net: RoundedNet) -> torch.Tensor:
        """Mean squared error against fp32, flat patches among it, and a little against HR."""
        chosen = self._random.permutation(len(self._real))[:BATCH]
        found = net(self._real[chosen])
        flat = torch.mean((net(self._flat) - self._flat_wanted) ** 2)
        loss = torch.mean((found - self._wanted[chosen]) ** 2) + FLAT_SHARE * flat
        for at, number in enumerate(chosen):
            if number in self._truths:
                loss = loss + TRUTH_SHARE / BATCH * torch.mean((found[at] - self._truths[number][0]) ** 2)
        return loss


def _unit(frames: NDArray[np.uint8]) -> torch.Tensor:
    return torch.from_numpy((frames / np.float32(255)).astype(np.float32))


def _taught(graph: FloatGraph, frames: NDArray[np.uint8]) -> torch.Tensor:
    results = [tensors(graph.bytes, [graph.result], frame[None] / np.float32(255)) for frame in frames]
    return torch.from_numpy(np.concatenate([np.asarray(result[graph.result]) for result in results]))


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
