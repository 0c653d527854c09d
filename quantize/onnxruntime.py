"""int8 for ONNX Runtime: QDQ that its optimiser turns into integer convolutions from end to end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static

from subpixel.errors import BundleError, faults_as
from subpixel.quantize.kernels import laid_out
from subpixel.quantize.qdq import Plan, quantised_graph, with_byte_edges
from subpixel.quantize.targets import Made, Material, Recipe, int8_variant
from subpixel.quantize.tuning import Scheme

PATH = "model.int8.u8.onnx"


class OnnxRuntimeQuantiser:
    """Bytes in, bytes out."""

    target = "onnxruntime"
    recipes = (
        Recipe(
            "integer",
            "integer convolutions from end to end; results quantised before tanh, tanh a table of bytes",
            Scheme(integer_results=True),
        ),
        Recipe(
            "mixed",
            "the first convolution and what follows it in float, the others integer from end to end",
            Scheme(integer_results=True, first_float=True),
        ),
        Recipe("inputs", "only what convolutions take is quantised, results stay float", Scheme()),
    )

    def requires(self, material: Material) -> None:
        """Nothing: the reference is ONNX."""

    def write(self, material: Material, recipe: Recipe, plan: Plan) -> Made:
        """Integer graphs in the shapes that its fast kernels take."""
        integer = recipe.scheme.integer_results
        model = with_byte_edges(quantised_graph(material.graph, plan, integer_bias=integer))
        return _made(laid_out(model) if integer else model)

    def plain(self, material: Material, keep_float: frozenset[str]) -> Made:
        """`onnxruntime.quantization`: minima and maxima, a scale a channel, only convolutions' inputs."""
        return _made(with_byte_edges(by_tool(material, keep_float, signed=False)))


def _made(model: bytes) -> Made:
    blobs = {PATH: model}
    return Made(int8_variant("onnx", "u8", blobs), blobs)


def by_tool(material: Material, keep_float: frozenset[str], signed: bool) -> onnx.ModelProto:
    """The reference by ONNX Runtime's own static quantisation, float in and out.

    ``signed``: symmetric int8 without an integer bias, as TensorRT reads it. Raises ``BundleError``.
    """
    options: dict[str, Any] = {"OpTypesToExcludeOutputQuantization": ["Conv"], "WeightSymmetric": True}
    if signed:
        options |= {"ActivationSymmetric": True, "QuantizeBias": False}
    with faults_as(BundleError, "onnxruntime can't quantise the graph"), tempfile.TemporaryDirectory() as folder:
        source, result = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(material.graph.bytes)
        quantize_static(
            source, result, _Frames(material), quant_format=QuantFormat.QDQ, per_channel=True,
            op_types_to_quantize=["Conv"], nodes_to_exclude=sorted(keep_float),
            activation_type=QuantType.QInt8 if signed else QuantType.QUInt8, weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax, extra_options=options,
        )  # fmt: skip
        return onnx.load_model(result)


class _Frames(CalibrationDataReader):  # type: ignore[misc]  # the library has no types
    """All calibration frames, one at a time."""

    def __init__(self, material: Material) -> None:
        self._frames: Iterator[NDArray[np.uint8]] = iter(material.used.frames)
        self._name = material.graph.source

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        frame = next(self._frames, None)
        return None if frame is None else {self._name: (frame[None] / np.float32(255)).astype(np.float32)}
