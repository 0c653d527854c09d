"""A TFLite file taken apart and put together again: the native sub-pixel shuffle appended, tensors named."""

from __future__ import annotations

from typing import Any

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from subpixel.errors import BundleError
from subpixel.export.onnx import INPUT, OUTPUT

FILE_IDENTIFIER = b"TFL3"
SIGNATURE = b"serving_default"  # the name that tools ask for
SHUFFLE_VERSION = 1


def with_shuffle(trunk: bytes, block: int) -> bytes:
    """The model with DEPTH_TO_SPACE by ``block`` behind it: ``[N, H, W, block^2 C]`` to ``[N, block H, block W, C]``.

    LiteRT's operator orders its input channels as row, column, plane (ONNX calls it DCR); the caller sees to that.
    """
    model = _parsed(trunk)
    graph = _only_graph(model)
    (last,) = graph.outputs
    graph.tensors.append(_enlarged(graph.tensors[last], block))
    graph.operators.append(_shuffle(_code(model), int(last), len(graph.tensors) - 1, block))
    graph.outputs = [len(graph.tensors) - 1]
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


def _code(model: Any) -> int:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.DEPTH_TO_SPACE
    code.version = SHUFFLE_VERSION
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
