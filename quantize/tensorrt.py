"""int8 for TensorRT: symmetric QDQ on what convolutions take, no integer bias; the engine is built on the device.

A byte has too few levels with a sign for a frame of 256, so the first convolution stays in float: 7 % of ESPCN's work.
"""

from __future__ import annotations

import importlib

from subpixel.engines.trt_build import build_plan, profile_for
from subpixel.errors import BundleError, EngineError
from subpixel.quantize.onnxruntime import by_tool
from subpixel.quantize.qdq import Plan, quantised_graph, with_cast_edges
from subpixel.quantize.targets import Made, Material, Recipe, int8_variant
from subpixel.quantize.tuning import Scheme

AHEAD_OF_TIME, EXTRA = "tensorrt_rtx", "tensorrt-rtx"
CAPABILITY = "SM86"
LARGEST = (1, 1080, 1920)
PATH = "tensorrt/model.int8.u8.onnx"


class TensorRtQuantiser:
    """Bytes in, bytes out. Without a GPU: parsed and built by TensorRT-RTX, computed by ONNX Runtime."""

    target = "tensorrt"
    recipes = (
        Recipe(
            "inputs",
            "symmetric int8 inputs of convolutions, the first one in float",
            Scheme(signed=True, first_float=True),
        ),
    )

    def requires(self, material: Material) -> None:
        """Nothing: the reference is ONNX."""

    def write(self, material: Material, recipe: Recipe, plan: Plan) -> Made:
        """The strongly typed QDQ graph, built once ahead of time to see that TensorRT takes it."""
        return _proved(with_cast_edges(quantised_graph(material.graph, plan)))

    def plain(self, material: Material, keep_float: frozenset[str]) -> Made:
        """ONNX Runtime's tool in TensorRT's dialect."""
        return _proved(with_cast_edges(by_tool(material, keep_float, signed=True)))


def _proved(model: bytes) -> Made:
    status, words = _proof(model)
    blobs = {PATH: model}
    note = f"{words}, not run; the figures are those of the same graph by onnxruntime"
    return Made(int8_variant("tensorrt", "u8", blobs, needs=("nvidia gpu",)), blobs, "onnxruntime", status, (note,))


def _proof(model: bytes) -> tuple[str, str]:
    """Raises ``BundleError`` with the reason when TensorRT-RTX is here and refuses."""
    try:
        trt = importlib.import_module(AHEAD_OF_TIME)
    except (ImportError, OSError) as fault:
        return "not built", f"not built (tensorrt_rtx: {fault}; pip install 'subpixel[{EXTRA}]')"
    try:
        plan = build_plan(model, trt, profile_for(*LARGEST), "int8", CAPABILITY)
    except EngineError as fault:
        raise BundleError(f"tensorrt: {fault}; use onnxruntime or openvino for this model") from fault
    made = f"{len(plan)} bytes for {CAPABILITY}, up to {LARGEST[2]}x{LARGEST[1]}"
    return "parsed and built", f"parsed and built by {trt.__name__} {trt.__version__} ({made})"
