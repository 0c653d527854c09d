"""Rewrites of a `float` ONNX graph: the `u8` kind around it, and half precision inside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from subpixel.errors import BundleError, faults_as
from subpixel.export.onnx import checked_bytes, parsed
from subpixel.models.onnx_shuffle import constant, ends_in_shuffle, is_shuffled_plane, transpositions

Reader = Literal["onnxruntime", "openvino", "tensorrt"]
FULL, BLACK = "u8/full", "u8/black"  # 255 and 0, as float32 constants
FLOAT_OPERANDS = {"Resize": (1, 2)}  # inputs that ONNX wants in float32 whatever the data's type is


def as_u8(float_model: bytes, reader: Reader = "onnxruntime") -> bytes:
    """The `u8` kind: uint8 in; / 255, the net, * 255, clamp, round half to even as ``numpy.rint`` does; uint8 out.

    ``reader``: whom it is written for; the result is the same. A sub-pixel shuffle at the end comes after the rounding,
    where it moves a quarter of the memory; TensorRT knows no such operator on bytes. To one plane it is made of
    transpositions, for the others' own shuffles are slower: ONNX Runtime's takes four times as long, with OpenVINO's
    the whole of a small net takes a seventh longer. ONNX Runtime's QuantizeLinear clamps, rounds and casts in one pass.
    """
    model = parsed(float_model)
    graph = model.graph
    source, result = graph.input[0].name, graph.output[0].name
    constant(graph, FULL, np.float32(255))
    inner = list(graph.node)
    last = inner.pop() if reader != "tensorrt" and ends_in_shuffle(graph) else None
    raw, levels = ("u8/raw", result) if last is None else (last.input[0], "u8/levels")
    _feed(inner, source, "u8/unit")
    if last is None:
        _rename_output(inner, result, raw)
    else:
        last.input[0] = levels
    tail = [] if last is None else transpositions(graph, last) if is_shuffled_plane(graph) else [last]
    rounding = (_quantised if reader == "onnxruntime" else _to_levels)(graph, raw, levels)
    nodes = [*_to_unit(source, "u8/unit"), *inner, *rounding, *tail]
    _retype(graph, TensorProto.UINT8)
    return _with_nodes(model, nodes)


def as_half(float_model: bytes) -> bytes:
    """Weights and arithmetic in fp16, inputs and outputs still float32: a cast behind the ones, before the others.

    Raises ``BundleError`` for a graph whose types can't all follow (ONNX's own check finds it).
    """
    model = parsed(float_model)
    graph = model.graph
    kept = _float_operands(graph)
    for tensor in graph.initializer:
        if tensor.data_type == TensorProto.FLOAT and tensor.name not in kept:
            tensor.CopyFrom(_half(tensor))
    inner = list(graph.node)
    for node in inner:
        _halve_attributes(node, kept)
    before = [_cast_in(inner, tensor.name, at) for at, tensor in enumerate(graph.input)]
    after = [_cast_out(inner, tensor.name, at) for at, tensor in enumerate(graph.output)]
    with faults_as(BundleError, "the graph can't be written in fp16; use the fp32 variant"):
        return _with_nodes(model, [*before, *inner, *after])


def _cast_in(inner: Sequence[onnx.NodeProto], source: str, at: int) -> onnx.NodeProto:
    mark = str(at or "")
    _feed(inner, source, f"half/in{mark}")
    return helper.make_node("Cast", [source], [f"half/in{mark}"], name=f"half/CastIn{mark}", to=TensorProto.FLOAT16)


def _cast_out(inner: Sequence[onnx.NodeProto], result: str, at: int) -> onnx.NodeProto:
    mark = str(at or "")
    _rename_output(inner, result, f"half/out{mark}")
    return helper.make_node("Cast", [f"half/out{mark}"], [result], name=f"half/CastOut{mark}", to=TensorProto.FLOAT)


def _to_unit(source: str, unit: str) -> list[onnx.NodeProto]:
    return [
        helper.make_node("Cast", [source], ["u8/float"], name="u8/CastIn", to=TensorProto.FLOAT),
        helper.make_node("Div", ["u8/float", FULL], [unit], name="u8/Div"),
    ]


def _to_levels(graph: onnx.GraphProto, raw: str, levels: str) -> list[onnx.NodeProto]:
    constant(graph, BLACK, np.float32(0))
    return [
        helper.make_node("Mul", [raw, FULL], ["u8/scaled"], name="u8/Mul"),
        helper.make_node("Clip", ["u8/scaled", BLACK, FULL], ["u8/clipped"], name="u8/Clip"),
        helper.make_node("Round", ["u8/clipped"], ["u8/rounded"], name="u8/Round"),
        helper.make_node("Cast", ["u8/rounded"], [levels], name="u8/CastOut", to=TensorProto.UINT8),
    ]


def _quantised(graph: onnx.GraphProto, raw: str, levels: str) -> list[onnx.NodeProto]:
    """``_to_levels`` in one pass; the multiplication goes into the convolution before it."""
    step = constant(graph, "u8/step", np.float32(1))
    zero = constant(graph, "u8/zero", np.uint8(0))
    return [
        helper.make_node("Mul", [raw, FULL], ["u8/scaled"], name="u8/Mul"),
        helper.make_node("QuantizeLinear", ["u8/scaled", step, zero], [levels], name="u8/Levels"),
    ]


def _feed(nodes: Sequence[onnx.NodeProto], old: str, new: str) -> None:
    for node in nodes:
        for at, name in enumerate(node.input):
            if name == old:
                node.input[at] = new


def _rename_output(nodes: Sequence[onnx.NodeProto], old: str, new: str) -> None:
    _feed(nodes, old, new)
    for node in nodes:
        for at, name in enumerate(node.output):
            if name == old:
                node.output[at] = new


def _retype(graph: onnx.GraphProto, kind: int) -> None:
    for tensor in (graph.input[0], graph.output[0]):
        tensor.type.tensor_type.elem_type = kind


def _with_nodes(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto]) -> bytes:
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    del model.graph.value_info[:]  # their types may be wrong now
    return checked_bytes(model)


def _float_operands(graph: onnx.GraphProto) -> set[str]:
    return {
        node.input[at]
        for node in graph.node
        for at in FLOAT_OPERANDS.get(node.op_type, ())
        if at < len(node.input) and node.input[at]
    }


def _half(tensor: onnx.TensorProto) -> onnx.TensorProto:
    half: onnx.TensorProto = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), tensor.name)
    return half


def _halve_attributes(node: onnx.NodeProto, kept: set[str]) -> None:
    """Casts to float32 and float32 constants inside the graph become fp16."""
    for attribute in node.attribute:
        if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
            attribute.i = TensorProto.FLOAT16
        is_tensor = attribute.type == onnx.AttributeProto.TENSOR and attribute.t.data_type == TensorProto.FLOAT
        if is_tensor and not kept.intersection(node.output):
            attribute.t.CopyFrom(_half(attribute.t))
