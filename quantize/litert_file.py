"""Writes a plan into a TFLite file: int8 from end to end, bytes in and out, free size.

LiteRT's quantiser leaves the sub-pixel shuffle in float and takes plain minima and maxima; here every tensor has the
plan's grid. LiteRT's int8 is signed: the levels of a byte less 128. Its tanh has scale 1/128 and zero point 0, fixed
by its quantisation specification.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from subpixel.errors import BundleError
from subpixel.quantize.graph import FloatGraph, Layer
from subpixel.quantize.grid import BYTES, Grid
from subpixel.quantize.qdq import Plan
from subpixel.quantize.rounding import Rounded

FILE_IDENTIFIER = b"TFL3"
SIGNED = 128  # a byte's level less this is LiteRT's
TANH_GRID = Grid(1 / SIGNED, SIGNED, "uint8")
OPERATORS = schema.BuiltinOperator
CONVOLUTIONS = (OPERATORS.CONV_2D, OPERATORS.DEPTHWISE_CONV_2D)
VERSIONS = {OPERATORS.CONV_2D: 3, OPERATORS.TANH: 2, OPERATORS.DEPTH_TO_SPACE: 1, OPERATORS.QUANTIZE: 1}


class Int8File:
    """A float TFLite file becoming an int8 one. It must be a chain of convolutions, tanh, and a sub-pixel shuffle."""

    def __init__(self, float_file: bytes) -> None:
        self.model = schema.ModelT.InitFromPackedBuf(bytearray(float_file), 0)
        self.graph = self.model.subgraphs[0]
        self._codes: dict[int, int] = {}

    def written(self, graph: FloatGraph, plan: Plan) -> bytes:
        """The file with the plan's weights and grids. Raises ``BundleError`` for what isn't such a chain."""
        layers = iter(graph.layers)
        source, result = int(self.graph.inputs[0]), int(self.graph.outputs[0])
        inner = self._typed_copy(source, BYTES)
        operators = [self._quantise(source, inner)]
        place, grid = inner, BYTES
        for operator in self.graph.operators:
            self._check(operator, place, source)
            operator.inputs[0] = place
            grid = self._convert(operator, grid, layers, plan)
            place = int(operator.outputs[0])
            operators.append(operator)
        if next(layers, None) is not None or place != result:
            raise BundleError("litert: the file and the ONNX reference are not the same chain of layers")
        last = self._typed_copy(result, BYTES)
        operators[-1].outputs = [last]
        operators.append(self._quantise(last, result))
        for edge in (source, result):
            self._set_bytes(self.graph.tensors[edge])
        self.graph.operators = operators
        return self._packed()

    def _check(self, operator: Any, place: int, source: int) -> None:
        expected = source if self.graph.tensors[place].name.endswith(b"/int8") else place
        code = self._kind(operator)
        known = (*CONVOLUTIONS, OPERATORS.TANH, OPERATORS.DEPTH_TO_SPACE)
        if code not in known or int(operator.inputs[0]) != expected:
            names = {value: name for name, value in vars(OPERATORS).items() if isinstance(value, int)}
            raise BundleError(
                f"litert: {names.get(code, code)} can't be written in int8 here; needed a chain of convolutions, tanh "
                "and a shuffle: try --method plain"
            )

    def _kind(self, operator: Any) -> int:
        return int(self.model.operatorCodes[operator.opcodeIndex].builtinCode)

    def _convert(self, operator: Any, grid: Grid, layers: Iterator[Layer], plan: Plan) -> Grid:
        """One operator on levels; gives the grid of its result."""
        kind, made = self._kind(operator), self.graph.tensors[operator.outputs[0]]
        if kind in CONVOLUTIONS:
            layer = next(layers)
            self._write_weights(operator, layer, plan.rounded[layer.name], grid)
            grid = plan.results.get(layer.result, BYTES)
        elif kind == OPERATORS.TANH:
            operator.opcodeIndex, grid = self._code(OPERATORS.TANH), TANH_GRID
        else:
            operator.opcodeIndex = self._code(OPERATORS.DEPTH_TO_SPACE)
        self._set_signed(made, grid)
        return grid

    def _write_weights(self, operator: Any, layer: Layer, rounded: Rounded, grid: Grid) -> None:
        """Channels last: ``[O, kH, kW, I]``, a scale for each of O; the bias in steps of input times weights."""
        levels = rounded.levels.reshape(layer.weights.shape).transpose(0, 2, 3, 1)
        weights, bias = (self.graph.tensors[at] for at in operator.inputs[1:3])
        if sorted(weights.shape) != sorted(levels.shape):
            raise BundleError(f"litert: {layer.name} has weights {tuple(weights.shape)} there, {levels.shape} in ONNX")
        self._make_plain(operator)
        self._fill(weights, levels, rounded.scale, schema.TensorType.INT8)
        steps = (rounded.scale * np.float32(grid.scale)).astype(np.float32)
        self._fill(bias, np.rint(rounded.bias / steps).astype(np.int32), steps, schema.TensorType.INT32)

    def _make_plain(self, operator: Any) -> None:
        """A convolution of one channel comes as a depthwise one; as a plain one it has the same weights."""
        if self._kind(operator) == OPERATORS.DEPTHWISE_CONV_2D:
            old, new = operator.builtinOptions, schema.Conv2DOptionsT()
            for name in (
                "padding",
                "strideW",
                "strideH",
                "fusedActivationFunction",
                "dilationWFactor",
                "dilationHFactor",
            ):
                setattr(new, name, getattr(old, name))
            operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.Conv2DOptions, new
        operator.opcodeIndex = self._code(OPERATORS.CONV_2D)

    def _fill(self, tensor: Any, values: NDArray[Any], scale: NDArray[np.float32], kind: int) -> None:
        tensor.type, tensor.shape, tensor.shapeSignature = kind, list(values.shape), None
        tensor.quantization = _parameters(scale, np.zeros(len(scale), np.int64))
        tensor.buffer = len(self.model.buffers)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.model.buffers.append(buffer)

    def _typed_copy(self, place: int, grid: Grid) -> int:
        """An int8 tensor of the shape of another."""
        like, tensor = self.graph.tensors[place], schema.TensorT()
        tensor.name, tensor.buffer = like.name + b"/int8", 0
        tensor.shape, tensor.shapeSignature = like.shape, like.shapeSignature
        self._set_signed(tensor, grid)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _set_signed(self, tensor: Any, grid: Grid) -> None:
        tensor.type = schema.TensorType.INT8
        tensor.quantization = _parameters([grid.scale], [grid.zero_point - SIGNED])

    def _set_bytes(self, tensor: Any) -> None:
        tensor.type = schema.TensorType.UINT8
        tensor.quantization = _parameters([BYTES.scale], [BYTES.zero_point])

    def _quantise(self, source: int, result: int) -> Any:
        """Between bytes and LiteRT's signed levels: 128 less or more."""
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(OPERATORS.QUANTIZE)
        operator.inputs, operator.outputs = [source], [result]
        operator.builtinOptionsType, operator.builtinOptions = (
            schema.BuiltinOptions.QuantizeOptions,
            schema.QuantizeOptionsT(),
        )
        return operator

    def _code(self, kind: int) -> int:
        if kind not in self._codes:
            code = schema.OperatorCodeT()
            code.builtinCode = code.deprecatedBuiltinCode = kind
            code.version = VERSIONS[kind]
            self.model.operatorCodes.append(code)
            self._codes[kind] = len(self.model.operatorCodes) - 1
        return self._codes[kind]

    def _packed(self) -> bytes:
        self._drop_unused()
        builder = flatbuffers.Builder(1 << 18)
        builder.Finish(self.model.Pack(builder), file_identifier=FILE_IDENTIFIER)
        return bytes(builder.Output())

    def _drop_unused(self) -> None:
        """The float weights that the int8 ones replaced."""
        used = {
            0,
            *(tensor.buffer for tensor in self.graph.tensors),
            *(entry.buffer for entry in self.model.metadata or []),
        }
        for place, buffer in enumerate(self.model.buffers):
            if place not in used:
                buffer.data = None


def _parameters(scale: Sequence[float] | NDArray[Any], zero: Sequence[int] | NDArray[Any]) -> Any:
    parameters = schema.QuantizationParametersT()
    parameters.scale = np.asarray(scale, np.float32)
    parameters.zeroPoint = np.asarray(zero, np.int64)
    parameters.quantizedDimension = 0
    return parameters


def with_weights(float_file: bytes, graph: FloatGraph, plan: Plan) -> bytes:
    """The float file with the plan's weights in float, for LiteRT's own tool to find their levels again.

    Raises ``BundleError`` when the convolutions of the file are not the reference's.
    """
    model = schema.ModelT.InitFromPackedBuf(bytearray(float_file), 0)
    inner = model.subgraphs[0]
    found = [op for op in inner.operators if model.operatorCodes[op.opcodeIndex].builtinCode in CONVOLUTIONS]
    if len(found) != len(graph.layers):
        raise BundleError(f"litert: {len(found)} convolutions there, {len(graph.layers)} in the ONNX reference")
    for operator, layer in zip(found, graph.layers, strict=True):
        if layer.name in plan.rounded:
            _set_floats(model, inner, operator, layer, plan.rounded[layer.name])
    builder = flatbuffers.Builder(1 << 18)
    builder.Finish(model.Pack(builder), file_identifier=FILE_IDENTIFIER)
    return bytes(builder.Output())


def _set_floats(model: Any, inner: Any, operator: Any, layer: Layer, rounded: Rounded) -> None:
    real = (rounded.levels * rounded.scale[:, None]).astype(np.float32).reshape(layer.weights.shape)
    depthwise = model.operatorCodes[operator.opcodeIndex].builtinCode == OPERATORS.DEPTHWISE_CONV_2D
    order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
    for place, values, old in (
        (operator.inputs[1], real.transpose(order), layer.weights.transpose(order)),
        (operator.inputs[2], rounded.bias, layer.bias),
    ):
        buffer = model.buffers[inner.tensors[place].buffer]
        known = np.frombuffer(np.asarray(buffer.data, np.uint8).tobytes(), np.float32)
        if known.size != old.size or not np.allclose(known, old.ravel(), rtol=1e-5, atol=1e-7):
            raise BundleError(f"litert: the weights of {layer.name} are other ones in the fp32 file; convert again")
        buffer.data = np.frombuffer(np.ascontiguousarray(values, np.float32).tobytes(), np.uint8)
