"""Shapes an int8 graph so that ONNX Runtime's fast convolution kernels take it; the results stay the same to the bit.

Its symmetric kernels want input channels in fours and output channels in sixteens; a plane of one channel and a last
layer of scale^2 channels fall back to a general one, three to four times slower (measured, AVX-512 VNNI).
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from subpixel.models.onnx_shuffle import constant, is_shuffled_plane, transpositions
from subpixel.quantize.graph import serialised

INPUT_STEP = 4
OUTPUT_STEP = 16
TO_THE_END = np.iinfo(np.int64).max


def laid_out(model: bytes) -> bytes:
    """The same graph, its convolutions in shapes that fast kernels take, its shuffle in transpositions."""
    opened = onnx.load_model_from_string(model)
    graph = opened.graph
    convolutions = [node for node in graph.node if node.op_type == "Conv" and _is_quantised(graph, node)]
    for node in convolutions:
        if _can_spread(graph, node):
            _spread(graph, node)
        if _levels(graph, node).shape[0] % OUTPUT_STEP and _rounder(graph, node) is not None:
            _widen(graph, node)
    _sort(graph)  # what was widened is cut by nodes behind the shuffle
    _shuffle_in_transpositions(graph)
    return serialised(opened)


def in_transpositions(model: bytes) -> bytes:
    """The graph with nothing but its shuffle changed: on bytes OpenVINO's own takes four times as long."""
    opened = onnx.load_model_from_string(model)
    _shuffle_in_transpositions(opened.graph)
    return serialised(opened)


def _shuffle_in_transpositions(graph: onnx.GraphProto) -> None:
    if is_shuffled_plane(graph):
        graph.node.extend(transpositions(graph, graph.node.pop()))


def _is_quantised(graph: onnx.GraphProto, node: onnx.NodeProto) -> bool:
    maker = _maker(graph, node.input[1])
    return maker is not None and maker.op_type == "DequantizeLinear"


def _maker(graph: onnx.GraphProto, tensor: str) -> onnx.NodeProto | None:
    return next((node for node in graph.node if tensor in node.output), None)


def _parts(graph: onnx.GraphProto, tensor: str) -> list[str]:
    """The names of what a DequantizeLinear takes."""
    maker = _maker(graph, tensor)
    assert maker is not None
    return list(maker.input)


def _value(graph: onnx.GraphProto, name: str) -> np.ndarray:
    tensor = next(tensor for tensor in graph.initializer if tensor.name == name)
    value: np.ndarray = numpy_helper.to_array(tensor)
    return value


def _replace(graph: onnx.GraphProto, name: str, value: np.ndarray) -> None:
    tensor = next(tensor for tensor in graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(value), name))


def _levels(graph: onnx.GraphProto, node: onnx.NodeProto) -> np.ndarray:
    """A convolution's weights ``[O, I, kH, kW]`` int8."""
    return _value(graph, _parts(graph, node.input[1])[0])


def _attribute(node: onnx.NodeProto, name: str, default: list[int]) -> list[int]:
    return next((list(a.ints) for a in node.attribute if a.name == name), default)


def _set_attribute(node: onnx.NodeProto, name: str, value: list[int]) -> None:
    kept = [a for a in node.attribute if a.name != name]
    del node.attribute[:]
    node.attribute.extend([*kept, helper.make_attribute(name, value)])


def _can_spread(graph: onnx.GraphProto, node: onnx.NodeProto) -> bool:
    """A convolution of one channel that takes the frame's bytes, one step at a time."""
    _, channels, _, wide = _levels(graph, node).shape
    maker = _maker(graph, node.input[0])
    takes_frame = maker is not None and maker.input[0] == graph.input[0].name
    alone = sum(node.input[0] in other.input for other in graph.node) == 1
    plain = _attribute(node, "strides", [1, 1]) == [1, 1] and _attribute(node, "dilations", [1, 1]) == [1, 1]
    return channels == 1 and wide > 1 and takes_frame and alone and plain


def _spread(graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    """Four neighbouring columns become four channels; the kernel then has a quarter of the columns, four apart."""
    high, wide = _levels(graph, node).shape[2:]
    taps = -(-wide // INPUT_STEP)
    top, left, bottom, right = _attribute(node, "pads", [0, 0, 0, 0])
    _replace(graph, _parts(graph, node.input[1])[0], _folded(_levels(graph, node), taps))
    _set_attribute(node, "kernel_shape", [high, taps])
    _set_attribute(node, "dilations", [1, INPUT_STEP])
    _set_attribute(node, "pads", [top, 0, bottom, 0])
    unit = _maker(graph, node.input[0])
    assert unit is not None
    beyond = right - wide + INPUT_STEP * taps
    graph.node.extend(_columns(graph, unit.input[0], left, beyond))
    unit.input[0] = "int8/columns"


def _folded(levels: np.ndarray, taps: int) -> np.ndarray:
    """``[O, 1, kH, kW]`` to ``[O, 4, kH, taps]``: column 4 t + c becomes tap t of channel c."""
    count, _, high, wide = levels.shape
    padded = np.pad(levels[:, 0], ((0, 0), (0, 0), (0, INPUT_STEP * taps - wide)))
    return padded.reshape(count, high, taps, INPUT_STEP).transpose(0, 3, 1, 2)


def _columns(graph: onnx.GraphProto, frame: str, left: int, right: int) -> list[onnx.NodeProto]:
    """The frame's bytes padded, and four of it beside each other, each one column further."""
    pads = constant(graph, "int8/columns/pads", np.array([0, 0, 0, left, 0, 0, 0, right], np.int64))
    black = constant(graph, "int8/columns/black", np.uint8(0))
    axis = constant(graph, "int8/columns/axis", np.array([3], np.int64))
    nodes = [helper.make_node("Pad", [frame, pads, black], ["int8/padded"], name="int8/Pad")]
    for at in range(INPUT_STEP):
        last = at == INPUT_STEP - 1
        start = constant(graph, f"int8/columns/start{at}", np.array([at], np.int64))
        end = np.array([TO_THE_END if last else at - INPUT_STEP + 1], np.int64)
        stop = constant(graph, f"int8/columns/stop{at}", end)
        given, made = ["int8/padded", start, stop, axis], [f"int8/column{at}"]
        nodes.append(helper.make_node("Slice", given, made, name=f"int8/Column{at}"))
    parts = [f"int8/column{at}" for at in range(INPUT_STEP)]
    return [*nodes, helper.make_node("Concat", parts, ["int8/columns"], name="int8/Columns", axis=1)]


def _rounder(graph: onnx.GraphProto, node: onnx.NodeProto) -> onnx.NodeProto | None:
    """The QuantizeLinear that alone takes a convolution's result, clipped or not."""
    users = [other for other in graph.node if node.output[0] in other.input]
    if len(users) != 1:
        return None
    user = users[0]
    if user.op_type in ("Clip", "Relu"):
        return _rounder(graph, user)
    return user if user.op_type == "QuantizeLinear" else None


def _widen(graph: onnx.GraphProto, node: onnx.NodeProto) -> None:
    """Empty output channels up to the next sixteen, cut off again as bytes."""
    count = _levels(graph, node).shape[0]
    more = -count % OUTPUT_STEP
    for tensor in node.input[1:]:
        for at, name in enumerate(_parts(graph, tensor)):
            value = _value(graph, name)
            spare = [(0, more)] + [(0, 0)] * (value.ndim - 1)
            # The scales repeat the last one: a bias whose scale isn't input's times weights' is refused.
            _replace(graph, name, np.pad(value, spare, mode="edge") if at == 1 else np.pad(value, spare))
    rounder = _rounder(graph, node)
    assert rounder is not None
    kept = rounder.output[0]
    rounder.output[0] = f"{kept}/wide"
    bounds = [constant(graph, f"{kept}/{name}", np.array([at], np.int64))
              for name, at in (("start", 0), ("stop", count), ("axis", 1))]  # fmt: skip
    graph.node.append(helper.make_node("Slice", [f"{kept}/wide", *bounds], [kept], name=f"{kept}/Slice"))


def _sort(graph: onnx.GraphProto) -> None:
    """Every node behind those that make what it takes."""
    known = {graph.input[0].name, *(tensor.name for tensor in graph.initializer), ""}
    waiting, ready = list(graph.node), []
    while waiting:
        node = next(node for node in waiting if known.issuperset(node.input))
        waiting.remove(node)
        ready.append(node)
        known.update(node.output)
    del graph.node[:]
    graph.node.extend(ready)
