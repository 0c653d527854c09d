"""Writes a plan into a graph as QuantizeLinear and DequantizeLinear: the form that every engine's int8 starts from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from subpixel.quantize.graph import FloatGraph, Layer, serialised
from subpixel.quantize.grid import BYTES, Grid
from subpixel.quantize.rounding import Rounded

FULL, BLACK = "int8/full", "int8/black"


@dataclass(frozen=True)
class Plan:
    """``rounded``: weights by the layer's name; grids by the tensor's.

    ``inputs``: what quantised layers take; ``results``: what they give, quantised before anything else happens to it,
    so that the convolution is integer from end to end; ``lookups``: results of a Tanh between two grids, which becomes
    a table of 256 bytes.
    """

    rounded: Mapping[str, Rounded] = field(default_factory=dict)
    inputs: Mapping[str, Grid] = field(default_factory=dict)
    results: Mapping[str, Grid] = field(default_factory=dict)
    lookups: frozenset[str] = frozenset()

    def with_layer(self, name: str, rounded: Rounded) -> Plan:
        """One layer more."""
        return Plan({**self.rounded, name: rounded}, self.inputs, self.results, self.lookups)

    def grid_of(self, source: str) -> Grid:
        """Of what a layer takes; the frame itself has 8-bit levels."""
        return self.results.get(source) or self.inputs.get(source, BYTES)


def dequantised(tensor: str) -> str:
    """The name of a tensor behind its grid."""
    return f"{tensor}/dq"


def quantised_graph(
    graph: FloatGraph, plan: Plan, integer_bias: bool = False, also: tuple[str, ...] = ()
) -> onnx.ModelProto:
    """The graph with the plan's grids and weights, still float in and out.

    ``integer_bias``: int32 in steps of input times weights, as integer kernels add it; else float. ``also``: tensors
    to keep although nothing in the graph takes them.
    """
    model = graph.copy()
    layers = {layer.result: layer for layer in graph.layers if layer.name in plan.rounded}
    writer = _Writer(plan, layers, integer_bias)
    nodes = list(writer.written(model.graph.node, graph.source))
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(writer.constants)
    _drop_unused(model.graph, also)
    return model


class _Writer:
    """Walks the nodes in order and collects the constants."""

    def __init__(self, plan: Plan, layers: Mapping[str, Layer], integer_bias: bool) -> None:
        self.plan, self.layers, self.integer_bias = plan, layers, integer_bias
        self.constants: list[onnx.TensorProto] = []

    def written(self, nodes: Iterable[onnx.NodeProto], source: str) -> Iterator[onnx.NodeProto]:
        """All nodes, the new ones among them where they belong."""
        if source in self.plan.inputs:
            yield from self._pair(source, self.plan.inputs[source])
        for node in nodes:
            yield from self._node(node)

    def _node(self, node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
        result = node.output[0]
        if result in self.plan.lookups:
            yield from self._lookup(node.input[0], result)
            return
        if result in self.layers:
            yield from self._weights(node, self.layers[result])
        self._take_dequantised(node, result in self.layers, result in self.plan.inputs)
        yield node
        grid = self.plan.results.get(result) or self.plan.inputs.get(result)
        if grid is not None:
            yield from self._pair(result, grid)

    def _take_dequantised(self, node: onnx.NodeProto, is_layer: bool, has_grid: bool) -> None:
        """Quantised layers take their inputs behind the grid, and so do those that join what layers take.

        Everything takes results and tables behind theirs.
        """
        for at, name in enumerate(node.input):
            behind = name in self.plan.results or name in self.plan.lookups
            taken = (is_layer and at == 0) or (has_grid and node.op_type == "Concat")
            if behind or (taken and name in self.plan.inputs):
                node.input[at] = dequantised(name)

    def _pair(self, tensor: str, grid: Grid) -> Iterator[onnx.NodeProto]:
        constants = self._grid(tensor, grid)
        yield helper.make_node("QuantizeLinear", [tensor, *constants], [f"{tensor}/q"], name=f"{tensor}/Quantize")
        yield self._behind(tensor, constants)

    def _behind(self, tensor: str, constants: list[str]) -> onnx.NodeProto:
        given, made = [f"{tensor}/q", *constants], [dequantised(tensor)]
        return helper.make_node("DequantizeLinear", given, made, name=f"{tensor}/Dequantize")

    def _lookup(self, source: str, result: str) -> Iterator[onnx.NodeProto]:
        """tanh(x) as 2 sigmoid(2 x) - 1: the doubling is in the scales, and sigmoid has a kernel on bytes."""
        before, behind = self.plan.results[source], self.plan.inputs[result]
        doubled = self._grid(f"{result}/doubled", Grid(2 * before.scale, before.zero_point, before.dtype))
        halved = self._grid(f"{result}/halved", Grid(behind.scale / 2, 0, behind.dtype))
        inner = [f"{result}/twice", f"{result}/sigmoid"]
        yield helper.make_node("DequantizeLinear", [f"{source}/q", *doubled], inner[:1], name=f"{result}/Twice")
        yield helper.make_node("Sigmoid", inner[:1], inner[1:], name=f"{result}/Sigmoid")
        yield helper.make_node("QuantizeLinear", [inner[1], *halved], [f"{result}/q"], name=f"{result}/Quantize")
        yield self._behind(result, self._grid(result, behind))

    def _weights(self, node: onnx.NodeProto, layer: Layer) -> Iterator[onnx.NodeProto]:
        rounded, name = self.plan.rounded[layer.name], node.input[1]
        levels = rounded.levels.reshape(layer.weights.shape)
        given = [f"{name}/levels", f"{name}/scale", f"{name}/zero"]
        for key, values in zip(given, (levels, rounded.scale, np.zeros(len(levels), np.int8)), strict=True):
            self._constant(key, values)
        yield helper.make_node("DequantizeLinear", given, [dequantised(name)], name=f"{name}/Dequantize", axis=0)
        del node.input[1:]
        node.input.extend([dequantised(name), f"{layer.name}/bias"])
        yield from self._bias(layer, rounded)

    def _bias(self, layer: Layer, rounded: Rounded) -> Iterator[onnx.NodeProto]:
        name = f"{layer.name}/bias"
        if not self.integer_bias:
            self._constant(name, rounded.bias)
            return
        steps = (rounded.scale * np.float32(self.plan.grid_of(layer.source).scale)).astype(np.float32)
        given = [f"{name}/steps", f"{name}/scale"]
        self._constant(given[0], np.rint(rounded.bias / steps).astype(np.int32))
        self._constant(given[1], steps)
        yield helper.make_node("DequantizeLinear", given, [name], name=f"{name}/Dequantize", axis=0)

    def _grid(self, tensor: str, grid: Grid) -> list[str]:
        names = [f"{tensor}/scale", f"{tensor}/zero"]
        self._constant(names[0], np.float32(grid.scale))
        self._constant(names[1], np.array(grid.zero_point, grid.dtype))
        return names

    def _constant(self, name: str, values: object) -> None:
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))


def _drop_unused(graph: onnx.GraphProto, also: tuple[str, ...]) -> None:
    """Nodes and constants that nothing takes (levels behind a table), and doubles: engines would run them."""
    ends = {output.name for output in graph.output} | set(also)
    nodes: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if ends.intersection(node.output):
            ends.update(node.input)
            nodes.insert(0, node)
    tensors = list({tensor.name: tensor for tensor in graph.initializer if tensor.name in ends}.values())
    del graph.node[:], graph.initializer[:]
    graph.node.extend(nodes)
    graph.initializer.extend(tensors)


def with_byte_edges(model: onnx.ModelProto) -> bytes:
    """uint8 in and out by the levels themselves: reading and rounding cost no pass over the frame.

    A sub-pixel shuffle at the end moves bytes. The result is what scale, clamp and round would give.
    """
    graph = model.graph
    source, result = graph.input[0].name, graph.output[0].name
    head, tail = _byte_pair(graph, source), graph.node[-1]
    _feed(graph.node, source, "int8/unit")
    shuffles = tail.op_type == "DepthToSpace" and tail.output[0] == result
    nodes = list(graph.node)
    if shuffles:
        last = helper.make_node("QuantizeLinear", [tail.input[0], *head[1]], ["int8/levels"], name="int8/Levels")
        tail.input[0] = "int8/levels"
        nodes.insert(len(nodes) - 1, last)
    else:
        _rename(nodes, result, "int8/raw")
        nodes.append(helper.make_node("QuantizeLinear", ["int8/raw", *head[1]], [result], name="int8/Levels"))
    return _finished(model, [head[0], *nodes])


def _byte_pair(graph: onnx.GraphProto, source: str) -> tuple[onnx.NodeProto, list[str]]:
    names = ["int8/byte/scale", "int8/byte/zero"]
    graph.initializer.append(numpy_helper.from_array(np.float32(BYTES.scale), names[0]))
    graph.initializer.append(numpy_helper.from_array(np.uint8(BYTES.zero_point), names[1]))
    return helper.make_node("DequantizeLinear", [source, *names], ["int8/unit"], name="int8/Unit"), names


def with_cast_edges(model: onnx.ModelProto) -> bytes:
    """uint8 in and out by arithmetic, for parsers that have no levels without a sign: TensorRT's."""
    graph = model.graph
    source, result = graph.input[0].name, graph.output[0].name
    graph.initializer.append(numpy_helper.from_array(np.float32(255), FULL))
    graph.initializer.append(numpy_helper.from_array(np.float32(0), BLACK))
    nodes = list(graph.node)
    _feed(nodes, source, "int8/unit")
    _rename(nodes, result, "int8/raw")
    before = [
        helper.make_node("Cast", [source], ["int8/float"], name="int8/CastIn", to=TensorProto.FLOAT),
        helper.make_node("Div", ["int8/float", FULL], ["int8/unit"], name="int8/Div"),
    ]
    behind = [
        helper.make_node("Mul", ["int8/raw", FULL], ["int8/scaled"], name="int8/Mul"),
        helper.make_node("Clip", ["int8/scaled", BLACK, FULL], ["int8/clipped"], name="int8/Clip"),
        helper.make_node("Round", ["int8/clipped"], ["int8/rounded"], name="int8/Round"),
        helper.make_node("Cast", ["int8/rounded"], [result], name="int8/CastOut", to=TensorProto.UINT8),
    ]
    return _finished(model, [*before, *nodes, *behind])


def _feed(nodes: Iterable[onnx.NodeProto], old: str, new: str) -> None:
    for node in nodes:
        for at, name in enumerate(node.input):
            if name == old:
                node.input[at] = new


def _rename(nodes: Iterable[onnx.NodeProto], old: str, new: str) -> None:
    for node in nodes:
        for at, name in enumerate(node.output):
            if name == old:
                node.output[at] = new
    _feed(nodes, old, new)


def _finished(model: onnx.ModelProto, nodes: list[onnx.NodeProto]) -> bytes:
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    for tensor in (model.graph.input[0], model.graph.output[0]):
        tensor.type.tensor_type.elem_type = TensorProto.UINT8
    return serialised(model)
