"""A TFLite file taken apart and put together again: a native border and a native shuffle around it, tensors named."""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from subpixel.errors import BundleError
from subpixel.export.onnx import INPUT, OUTPUT

FILE_IDENTIFIER = b"TFL3"
SIGNATURE = b"serving_default"  # the name that tools ask for
SHUFFLE_VERSION = PAD_VERSION = 1


def with_shuffle(trunk: bytes, block: int) -> bytes:
    """The model with DEPTH_TO_SPACE by ``block`` behind it: ``[N, H, W, block^2 C]`` to ``[N, block H, block W, C]``.

    LiteRT's operator orders its input channels as row, column, plane (ONNX calls it DCR); the caller sees to that.
    """
    model = _parsed(trunk)
    graph = _only_graph(model)
    (last,) = graph.outputs
    graph.tensors.append(_enlarged(graph.tensors[last], block))
    code = _code(model, schema.BuiltinOperator.DEPTH_TO_SPACE, SHUFFLE_VERSION)
    graph.operators.append(_shuffle(code, int(last), len(graph.tensors) - 1, block))
    graph.outputs = [len(graph.tensors) - 1]
    return _packed(model)


def with_symmetric_border(inside: bytes, border_px: int) -> bytes:
    """The model with MIRROR_PAD in front of it: the frame ``[N, H, W, C]`` continued by ``border_px`` at every side.

    Symmetrically: the edge pixel is repeated, then its neighbour. Slices, as a net does it, have the size baked in.
    """
    model = _parsed(inside)
    graph = _only_graph(model)
    (first,) = graph.inputs
    graph.tensors.append(_shrunk(graph.tensors[first], border_px))
    graph.tensors.append(_widths(model, border_px))
    source, widths = len(graph.tensors) - 2, len(graph.tensors) - 1
    code = _code(model, schema.BuiltinOperator.MIRROR_PAD, PAD_VERSION)
    graph.operators.insert(0, _mirror(code, [source, widths], int(first)))
    graph.inputs = [source]
    return _packed(model)


def finished(file: bytes, is_free: bool = True) -> bytes:
    """The model with its tensors called ``lr`` and ``sr``, in its signature too; N, H, W marked as free if they are."""
    model = _parsed(file)
    graph = _only_graph(model)
    for place, name in ((graph.inputs[0], INPUT), (graph.outputs[0], OUTPUT)):
        tensor = graph.tensors[place]
        tensor.name = name.encode()
        if is_free:
            tensor.shapeSignature = [-1, -1, -1, tensor.shape[3]]
    model.signatureDefs = [_signature(graph)]
    model.description = b"subpixel"
    return _packed(model)


def _signature(graph: Any) -> Any:
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = SIGNATURE, 0
    signature.inputs = [_entry(INPUT, graph.inputs[0])]
    signature.outputs = [_entry(OUTPUT, graph.outputs[0])]
    return signature


def _entry(name: str, place: int) -> Any:
    entry = schema.TensorMapT()
    entry.name, entry.tensorIndex = name.encode(), int(place)
    return entry


def _parsed(file: bytes) -> Any:
    return schema.ModelT.InitFromPackedBuf(bytearray(file), 0)


def _only_graph(model: Any) -> Any:
    graph = model.subgraphs[0]
    if len(model.subgraphs) != 1 or len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise BundleError("litert: found a model of several graphs, inputs or outputs; needed one of each")
    return graph


def _enlarged(before: Any, block: int) -> Any:
    batch, height, width, channels = (int(side) for side in before.shape)
    tensor = schema.TensorT()
    tensor.name, tensor.type, tensor.buffer = OUTPUT.encode(), before.type, 0
    tensor.shape = [batch, height * block, width * block, channels // block**2]
    return tensor


def _shrunk(after: Any, border_px: int) -> Any:
    batch, height, width, channels = (int(side) for side in after.shape)
    tensor = schema.TensorT()
    tensor.name, tensor.type, tensor.buffer = INPUT.encode(), after.type, 0
    tensor.shape = [batch, height - 2 * border_px, width - 2 * border_px, channels]
    return tensor


def _widths(model: Any, border_px: int) -> Any:
    """A constant: pixels before and after, for each of the four axes."""
    pixels = np.array([[0, 0], [border_px, border_px], [border_px, border_px], [0, 0]], "<i4")
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(pixels.tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor = schema.TensorT()
    tensor.name, tensor.type, tensor.shape = b"border", schema.TensorType.INT32, list(pixels.shape)
    tensor.buffer = len(model.buffers) - 1
    return tensor


def _mirror(code: int, sources: list[int], result: int) -> Any:
    options = schema.MirrorPadOptionsT()
    options.mode = schema.MirrorPadMode.SYMMETRIC
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, sources, [result]
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.MirrorPadOptions, options
    return operator


def _code(model: Any, operator: int, version: int) -> int:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = operator
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _shuffle(code: int, source: int, result: int, block: int) -> Any:
    options = schema.DepthToSpaceOptionsT()
    options.blockSize = block
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, [source], [result]
    operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.DepthToSpaceOptions, options
    return operator


def _packed(model: Any) -> bytes:
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=FILE_IDENTIFIER)
    return bytes(builder.Output())
