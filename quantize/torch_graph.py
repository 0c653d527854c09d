"""An ONNX graph as a torch module that rounds as its int8 form will: weights, biases can learn, grids stay."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn
from torch.nn import functional

from subpixel.errors import BundleError
from subpixel.quantize.graph import FloatGraph
from subpixel.quantize.grid import BYTES, Grid
from subpixel.quantize.qdq import Plan
from subpixel.quantize.rounding import TOP

Operator = Callable[..., torch.Tensor]


def straight_through(values: torch.Tensor, rounded: torch.Tensor) -> torch.Tensor:
    """Goes forward as ``rounded`` and backward as ``values``: Bengio, Leonard, Courville 2013."""
    result: torch.Tensor = values + (rounded - values).detach()
    return result


def on_grid(values: torch.Tensor, grid: Grid) -> torch.Tensor:
    """The nearest values of a grid; beyond its ends nothing is learned."""
    low, high = grid.limits
    inside = values.clamp(low, high)
    return straight_through(inside, torch.round(inside / grid.scale) * grid.scale)


def on_levels(weights: torch.Tensor) -> torch.Tensor:
    """Weights ``[O, ...]`` on the levels that the largest of each row gives."""
    scale = row_scale(weights).view(-1, *[1] * (weights.ndim - 1))
    return straight_through(weights, torch.round(weights / scale).clamp(-TOP, TOP) * scale)


def row_scale(weights: torch.Tensor) -> torch.Tensor:
    """The step of each row, ``[O]``."""
    largest = weights.detach().abs().flatten(1).amax(1)
    return torch.where(largest > 0, largest, torch.ones_like(largest)) / TOP


def _shuffle(values: torch.Tensor, node: onnx.NodeProto) -> torch.Tensor:
    given = attributes(node)
    if given.get("mode", b"DCR") != b"CRD":
        raise BundleError(
            f"QAT: node {node.name!r}: DepthToSpace in another order than torch's; use --method calibrated"
        )
    return functional.pixel_shuffle(values, int(given["blocksize"]))


def _slice(
    values: torch.Tensor, starts: torch.Tensor, ends: torch.Tensor, axes: torch.Tensor, *steps: Any
) -> torch.Tensor:
    if any(int(step) != 1 for each in steps for step in each):
        raise BundleError("QAT: a Slice with steps; use --method calibrated")
    for start, end, axis in zip(starts.tolist(), ends.tolist(), axes.tolist(), strict=True):
        count = values.shape[axis]
        first, last = (min(max(at + count if at < 0 else at, 0), count) for at in (start, end))
        values = values.narrow(axis, first, last - first)
    return values


OPERATORS: dict[str, Operator] = {
    "Tanh": lambda node, x: torch.tanh(x),
    "Sigmoid": lambda node, x: torch.sigmoid(x),
    "Relu": lambda node, x: functional.relu(x),
    "LeakyRelu": lambda node, x: functional.leaky_relu(x, float(attributes(node).get("alpha", 0.01))),
    "PRelu": lambda node, x, slope: torch.where(x >= 0, x, x * slope),
    "Clip": lambda node, x, low=None, high=None: torch.clamp(x, low, high),
    "Add": lambda node, x, y: x + y,
    "Sub": lambda node, x, y: x - y,
    "Mul": lambda node, x, y: x * y,
    "Identity": lambda node, x: x,
    "DepthToSpace": lambda node, x: _shuffle(x, node),
    "Concat": lambda node, *parts: torch.cat(parts, dim=int(attributes(node)["axis"])),
    "Slice": lambda node, x, *bounds: _slice(x, *bounds),
}


def attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """A node's attributes by name."""
    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


class RoundedNet(nn.Module):
    """``[N, 1, H, W]`` in [0, 1] to the int8 graph's result before it is rounded to 8 bit.

    Starts from the plan's own weights. Raises ``BundleError`` for a graph with an operator that isn't known here.
    """

    def __init__(self, graph: FloatGraph, plan: Plan) -> None:
        super().__init__()
        self.plan, self.source, self.end = plan, graph.source, graph.result
        model = graph.copy()
        self.nodes: Sequence[onnx.NodeProto] = list(model.graph.node)
        self.layers = {layer.result: layer for layer in graph.layers}
        self.weights, self.biases = nn.ParameterDict(), nn.ParameterDict()
        self._constants = {
            tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in model.graph.initializer
        }
        for at, layer in enumerate(graph.layers):
            rounded = plan.rounded.get(layer.name)
            rows = layer.weights if rounded is None else rounded.levels * rounded.scale[:, None]
            weights = torch.as_tensor(rows.reshape(layer.weights.shape), dtype=torch.float32)
            bias = torch.as_tensor(layer.bias if rounded is None else rounded.bias, dtype=torch.float32)
            self.weights[str(at)] = nn.Parameter(weights.clone(), requires_grad=rounded is not None)
            self.biases[str(at)] = nn.Parameter(bias.clone(), requires_grad=rounded is not None)
        self._place = {layer.result: str(at) for at, layer in enumerate(graph.layers)}
        self._refuse_unknown()

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        known: dict[str, torch.Tensor | None] = {self.source: frames, "": None, **self._constants}
        for node in self.nodes:
            name = node.output[0]
            value = self._convolved(node, known) if name in self.layers else self._applied(node, known)
            grid = self.plan.results.get(name) or (self.plan.inputs.get(name) if name in self.plan.lookups else None)
            known[name] = value if grid is None else on_grid(value, grid)
        result = known[self.end]
        assert result is not None
        return result

    def _convolved(self, node: onnx.NodeProto, known: dict[str, torch.Tensor | None]) -> torch.Tensor:
        layer, place = self.layers[node.output[0]], self._place[node.output[0]]
        given, weights, bias = known[node.input[0]], self.weights[place], self.biases[place]
        assert given is not None
        if layer.name in self.plan.rounded:
            given, weights = on_grid(given, self.plan.inputs.get(layer.source, BYTES)), on_levels(weights)
        top, left, bottom, right = layer.pads
        padded = functional.pad(given, (left, right, top, bottom))
        return functional.conv2d(padded, weights, bias, layer.strides, 0, layer.dilations, layer.group)

    def _applied(self, node: onnx.NodeProto, known: dict[str, torch.Tensor | None]) -> torch.Tensor:
        return OPERATORS[node.op_type](node, *(known[name] for name in node.input))

    def _refuse_unknown(self) -> None:
        for node in self.nodes:
            if node.output[0] not in self.layers and node.op_type not in OPERATORS:
                known = ", ".join(("Conv", *OPERATORS))
                raise BundleError(
                    f"QAT knows no {node.op_type} (node {node.name!r}), only {known}: use another --method"
                )
