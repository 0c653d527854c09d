"""A fp32 ONNX graph as quantisation sees it: its convolutions, the tensors between them, and what flows there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from subpixel.errors import BundleError, EngineError, faults_as

Floats = NDArray[np.float32]
OPSET = 18
IR_LIMIT = 10
THREADS = 0  # onnxruntime's own choice

FREE = ("Relu", "Clip")  # done by the levels' own limits
# What an operator's result can't leave, whatever comes in.
BOUNDS = {"Tanh": (-1.0, 1.0), "Sigmoid": (0.0, 1.0), "Relu": (0.0, float("inf"))}


@dataclass(frozen=True)
class Layer:
    """A convolution with constant weights. ``source``, ``result``: its tensors; ``name``: of its node.

    ``weights`` ``[O, I, kH, kW]``; ``bias`` ``[O]``, zeros where the graph has none.
    """

    name: str
    source: str
    result: str
    weights: Floats
    bias: Floats
    pads: tuple[int, int, int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    group: int


class FloatGraph:
    """The reference's graph: float32, one input ``lr``, one output ``sr``. Unchangeable; ``with_layers`` makes others.

    Raises ``BundleError`` when it isn't valid ONNX or has no convolution.
    """

    def __init__(self, model: bytes) -> None:
        with faults_as(BundleError, "the reference isn't ONNX that can be quantised"):
            self._model = onnx.load_model_from_string(model)
            self.bytes = model
            self.layers = tuple(_layers(self._model.graph))
        if not self.layers:
            raise BundleError("the reference has no convolution with constant weights: nothing to quantise")

    @property
    def source(self) -> str:
        """The name of the input."""
        return str(self._model.graph.input[0].name)

    @property
    def result(self) -> str:
        """The name of the output."""
        return str(self._model.graph.output[0].name)

    def copy(self) -> onnx.ModelProto:
        """The model, to be changed."""
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        return model

    def maker_of(self, tensor: str) -> str:
        """The operator that makes a tensor; empty for the input."""
        return next((str(n.op_type) for n in self._model.graph.node if tensor in n.output), "")

    def users_of(self, tensor: str) -> list[onnx.NodeProto]:
        """The nodes that take a tensor."""
        return [node for node in self._model.graph.node if tensor in node.input]

    def bounds_of(self, tensor: str) -> tuple[float, float]:
        """What the operator that makes a tensor guarantees."""
        if self.maker_of(tensor) == "Clip":
            _, *limits = self._node_of(tensor).input
            return self._number(limits, 0, -float("inf")), self._number(limits, 1, float("inf"))
        return BOUNDS.get(self.maker_of(tensor), (-float("inf"), float("inf")))

    def level_of(self, tensor: str) -> float | None:
        """The step of a tensor that holds the frame's own 8-bit levels, moved about and times a constant at most."""
        if tensor == self.source:
            return 1 / 255
        layer = next((layer for layer in self.layers if layer.result == tensor), None)
        if layer is not None:
            step, factor = self.level_of(layer.source), _moves_by(layer)
            return None if step is None or factor is None else step * factor
        parts = self.parts_of(tensor)
        steps = {self.level_of(part) for part in parts}
        return steps.pop() if len(steps) == 1 else None

    def step_of(self, tensor: str, channel: int) -> float | None:
        """``level_of`` one channel, which layers may hand on among others that they compute.

        Or mix it with its own neighbours: where a picture is flat, that has levels too.
        """
        step = self.level_of(tensor)
        if step is not None:
            return step
        if self.maker_of(tensor) in FREE:
            return self.step_of(self._node_of(tensor).input[0], channel)
        layer = next((layer for layer in self.layers if layer.result == tensor), None)
        if layer is None or layer.group != 1:
            return None
        read = (_picked if layer.source == self.source else _mixed)(layer, channel)
        step = None if read is None else self.step_of(layer.source, read[0])
        return None if step is None or read is None else step * read[1]

    def parts_of(self, tensor: str) -> list[str]:
        """The tensors whose values an operator only arranges; none where it computes."""
        kind = self.maker_of(tensor)
        given = list(self._node_of(tensor).input) if kind in ("Concat", "Slice") else []
        return given if kind == "Concat" else given[:1]

    def _node_of(self, tensor: str) -> onnx.NodeProto:
        return next(node for node in self._model.graph.node if tensor in node.output)

    def _number(self, names: Sequence[str], at: int, default: float) -> float:
        found = [t for t in self._model.graph.initializer if at < len(names) and t.name == names[at]]
        return float(numpy_helper.to_array(found[0])) if found else default

    def with_layers(self, layers: Iterable[Layer]) -> FloatGraph:
        """The same graph with other weights and biases."""
        model = self.copy()
        for layer in layers:
            node = next(n for n in model.graph.node if n.output[0] == layer.result)
            _set_initializer(model.graph, node.input[1], layer.weights)
            if len(node.input) < 3:
                node.input.append(f"{layer.name}/bias")
            _set_initializer(model.graph, node.input[2], layer.bias)
        return FloatGraph(serialised(model))


def _picked(layer: Layer, channel: int) -> tuple[int, float] | None:
    """The channel (of its group) of the one sample that a filter picks, and the factor; ``None`` for any other."""
    weights = layer.weights[channel]
    places = np.argwhere(weights)
    if layer.bias[channel] or len(places) != 1 or weights[tuple(places[0])] <= 0:
        return None
    return int(places[0][0]), float(weights[tuple(places[0])])


def _mixed(layer: Layer, channel: int) -> tuple[int, float] | None:
    """The one channel (of its group) that a filter reads, and what its weights come to; ``None`` for any other."""
    weights = layer.weights[channel]
    (read,), total = np.nonzero(weights.any(axis=(1, 2))), float(weights.sum())
    return (int(read[0]), total) if len(read) == 1 and total > 0 and not layer.bias[channel] else None


def _moves_by(layer: Layer) -> float | None:
    """The one factor of a convolution whose filters each pick a single sample; ``None`` for any other."""
    picked = (_picked(layer, channel) for channel in range(len(layer.weights)))
    factors = {sample and sample[1] for sample in picked}
    return factors.pop() if len(factors) == 1 else None


def _layers(graph: onnx.GraphProto) -> Iterable[Layer]:
    constants = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type != "Conv" or node.input[1] not in constants:
            continue
        weights = numpy_helper.to_array(constants[node.input[1]]).astype(np.float32)
        has_bias = len(node.input) > 2 and node.input[2] in constants
        bias = numpy_helper.to_array(constants[node.input[2]]) if has_bias else np.zeros(len(weights), np.float32)
        yield _layer(node, weights, bias.astype(np.float32))


def _layer(node: onnx.NodeProto, weights: Floats, bias: Floats) -> Layer:
    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    if given.get("auto_pad", b"NOTSET") != b"NOTSET" or weights.ndim != 4:
        raise BundleError(f"node {node.name!r}: only 2-D convolutions with explicit pads can be quantised")
    return Layer(
        name=str(node.name or node.output[0]),
        source=str(node.input[0]),
        result=str(node.output[0]),
        weights=weights,
        bias=bias,
        pads=tuple(given.get("pads", (0, 0, 0, 0))),
        strides=tuple(given.get("strides", (1, 1))),
        dilations=tuple(given.get("dilations", (1, 1))),
        group=int(given.get("group", 1)),
    )


def _set_initializer(graph: onnx.GraphProto, name: str, values: Floats) -> None:
    tensor = numpy_helper.from_array(values.astype(np.float32), name)
    for at, known in enumerate(graph.initializer):
        if known.name == name:
            graph.initializer[at].CopyFrom(tensor)
            return
    graph.initializer.append(tensor)


def serialised(model: onnx.ModelProto) -> bytes:
    """Checked by ONNX itself, and the same bytes every time."""
    model.ir_version = min(model.ir_version, IR_LIMIT)
    del model.graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def tensors(model: bytes, names: Sequence[str], frames: NDArray[np.generic]) -> Mapping[str, Floats]:
    """Inner tensors of a graph for a batch of frames ``[N, C, H, W]``, no operator fused or rewritten.

    Raises ``EngineError``.
    """
    opened = onnx.load_model_from_string(model)
    source = opened.graph.input[0].name
    known = {output.name for output in opened.graph.output}
    for name in names:
        if name not in known and name != source:
            opened.graph.output.append(onnx.ValueInfoProto(name=name))
    asked = [name for name in names if name != source]
    with faults_as(EngineError, "onnxruntime can't compute the graph's inner tensors"):
        session = onnxruntime.InferenceSession(opened.SerializeToString(), _plain(), providers=["CPUExecutionProvider"])
        results = session.run(asked, {source: frames}) if asked else []
    return dict(zip(asked, results, strict=True)) | ({source: frames} if source in names else {})


def _plain() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = THREADS
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def tuned(layer: Layer, weights: Floats, bias: Floats) -> Layer:
    """The layer with other numbers."""
    return replace(layer, weights=weights.astype(np.float32), bias=bias.astype(np.float32))
