"""Writes a plan into a TFLite file: int8 from end to end, bytes in and out, free size.

LiteRT's quantiser leaves the sub-pixel shuffle in float and takes plain minima and maxima; here every tensor has the
plan's grid. LiteRT's int8 is signed: the levels of a byte less 128. Its tanh has scale 1/128 and zero point 0, fixed
by its quantisation specification.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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
ARRANGING = (OPERATORS.MIRROR_PAD, OPERATORS.CONCATENATION, OPERATORS.DEPTH_TO_SPACE)
KNOWN = (*CONVOLUTIONS, *ARRANGING, OPERATORS.TANH)
FUSED = ("Relu", "Clip")
VERSIONS = {
    OPERATORS.CONV_2D: 3,
    OPERATORS.TANH: 2,
    OPERATORS.DEPTH_TO_SPACE: 1,
    OPERATORS.MIRROR_PAD: 2,
    OPERATORS.CONCATENATION: 2,
    OPERATORS.QUANTIZE: 1,
    OPERATORS.DEQUANTIZE: 2,
}


@dataclass(frozen=True)
class _Place:
    """A tensor and the grid it is on; ``None``: float. Only the frame itself is not signed."""

    tensor: int
    grid: Grid | None
    signed: bool = True


class Int8File:
    """A float TFLite file becoming an int8 one: convolutions, tanh, a border, tensors joined, a sub-pixel shuffle.

    Layers that the plan leaves out stay float, with LiteRT's conversions around them.
    """

    def __init__(self, float_file: bytes) -> None:
        self.model = schema.ModelT.InitFromPackedBuf(bytearray(float_file), 0)
        self.graph = self.model.subgraphs[0]
        self._codes: dict[int, int] = {}
        self._written: list[Any] = []

    def written(self, graph: FloatGraph, plan: Plan) -> bytes:
        """The file with the plan's weights and grids. Raises ``BundleError`` for another operator."""
        layers = iter(graph.layers)
        source, result = int(self.graph.inputs[0]), int(self.graph.outputs[0])
        places = {source: _Place(source, BYTES, signed=False)}
        for operator in self.graph.operators:
            self._check(operator, places)
            places[int(operator.outputs[0])] = self._convert(operator, places, layers, graph, plan)
        if next(layers, None) is not None or result not in places:
            raise BundleError("litert: the file and the ONNX reference are not the same chain of layers")
        last = self._copy_of(result, places[result].grid)
        self._written[-1].outputs = [last]
        self._written.append(self._conversion(last, result, OPERATORS.QUANTIZE))
        for edge in (source, result):
            self._set_levels(self.graph.tensors[edge], BYTES, signed=False)
        self.graph.operators = self._written
        return self._packed()

    def _check(self, operator: Any, places: Mapping[int, _Place]) -> None:
        code = self._kind(operator)
        given = operator.inputs if code == OPERATORS.CONCATENATION else operator.inputs[:1]
        if code not in KNOWN or not {int(at) for at in given} <= places.keys():
            names = {value: name for name, value in vars(OPERATORS).items() if isinstance(value, int)}
            raise BundleError(
                f"litert: {names.get(code, code)} can't be written in int8 here; needed convolutions, tanh, a border, "
                "tensors joined and a shuffle: try --method plain"
            )

    def _kind(self, operator: Any) -> int:
        return int(self.model.operatorCodes[operator.opcodeIndex].builtinCode)

    def _convert(
        self, operator: Any, places: Mapping[int, _Place], layers: Iterator[Layer], graph: FloatGraph, plan: Plan
    ) -> _Place:
        """One operator, on levels or in float; gives where its result is."""
        kind, here = self._kind(operator), places[int(operator.inputs[0])]
        if kind in CONVOLUTIONS:
            layer = next(layers, None)
            if layer is None:
                raise BundleError("litert: the file has more convolutions than the ONNX reference")
            return self._convolution(operator, here, layer, graph, plan)
        if kind == OPERATORS.CONCATENATION:
            return self._joined(operator, [places[int(at)] for at in operator.inputs])
        operator.inputs[0] = here.tensor
        return self._result(operator, TANH_GRID if kind == OPERATORS.TANH and here.grid else here.grid, here.signed)

    def _convolution(self, operator: Any, here: _Place, layer: Layer, graph: FloatGraph, plan: Plan) -> _Place:
        rounded = plan.rounded.get(layer.name)
        here = self._moved(here, plan.grid_of(layer.source) if rounded else None)
        operator.inputs[0] = here.tensor
        if rounded is None or here.grid is None:
            return self._result(operator, None, signed=True)
        self._write_weights(operator, layer, rounded, here.grid)
        return self._result(operator, _grid_behind(graph, plan, layer.result), signed=True)

    def _joined(self, operator: Any, parts: list[_Place]) -> _Place:
        """Of one grid, as the plan has it; all in float where one is."""
        grid = None if any(part.grid is None for part in parts) else parts[0].grid
        moved = [self._moved(part, grid) for part in parts]
        if any(part.grid != grid for part in moved):
            raise BundleError("litert: tensors that are joined have different levels")
        operator.inputs = [part.tensor for part in moved]
        return self._result(operator, grid, signed=True)

    def _result(self, operator: Any, grid: Grid | None, signed: bool) -> _Place:
        """The operator as written, its result on levels of the grid."""
        kind, made = self._kind(operator), int(operator.outputs[0])
        if grid is not None:
            operator.opcodeIndex = self._code(OPERATORS.CONV_2D if kind in CONVOLUTIONS else kind)
            self._set_levels(self.graph.tensors[made], grid, signed)
        self._written.append(operator)
        return _Place(made, grid, signed)

    def _moved(self, here: _Place, grid: Grid | None) -> _Place:
        """To signed levels of a grid, or to float; nothing where it is there already."""
        if here.grid is not None and here.signed and grid is not None or here.grid is None and grid is None:
            return here
        made = self._copy_of(here.tensor, grid)
        kind = OPERATORS.DEQUANTIZE if grid is None else OPERATORS.QUANTIZE
        self._written.append(self._conversion(here.tensor, made, kind))
        return _Place(made, grid)

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

    def _fill(self, tensor: Any, values: NDArray[Any], scale: NDArray[np.float32], kind: int) -> None:
        tensor.type, tensor.shape, tensor.shapeSignature = kind, list(values.shape), None
        tensor.quantization = _parameters(scale, np.zeros(len(scale), np.int64))
        tensor.buffer = len(self.model.buffers)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
        self.model.buffers.append(buffer)

    def _copy_of(self, place: int, grid: Grid | None) -> int:
        """A tensor of the shape of another, on signed levels or in float."""
        like, tensor = self.graph.tensors[place], schema.TensorT()
        tensor.name, tensor.buffer = like.name + (b"/float" if grid is None else b"/int8"), 0
        tensor.shape, tensor.shapeSignature = like.shape, like.shapeSignature
        if grid is not None:
            self._set_levels(tensor, grid, signed=True)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _set_levels(self, tensor: Any, grid: Grid, signed: bool) -> None:
        tensor.type = schema.TensorType.INT8 if signed else schema.TensorType.UINT8
        tensor.quantization = _parameters([grid.scale], [grid.zero_point - (SIGNED if signed else 0)])

    def _conversion(self, source: int, result: int, kind: int) -> Any:
        """Between float, bytes, and LiteRT's signed levels, 128 less."""
        operator = schema.OperatorT()
        operator.opcodeIndex = self._code(kind)
        operator.inputs, operator.outputs = [source], [result]
        name = "QuantizeOptions" if kind == OPERATORS.QUANTIZE else "DequantizeOptions"
        operator.builtinOptionsType = getattr(schema.BuiltinOptions, name)
        operator.builtinOptions = getattr(schema, f"{name}T")()
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


def _grid_behind(graph: FloatGraph, plan: Plan, result: str) -> Grid:
    """Of a convolution's result, or of what a fused activation makes of it: levels stop at its bounds by themselves."""
    if result in plan.results or result in plan.inputs:
        return plan.grid_of(result)
    users = graph.users_of(result)
    fused = len(users) == 1 and users[0].op_type in FUSED
    return plan.grid_of(users[0].output[0]) if fused else BYTES


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
