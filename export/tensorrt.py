"""TensorRT's ONNX: strongly typed, in fp32 and fp16. The engine itself is built on the device that runs it.

Without a GPU nothing can be run here. TensorRT-RTX's parser and its ahead-of-time builder say whether TensorRT takes
the graph ("parsed and built"), and ONNX Runtime computes it, in the same types, to see what fp16 loses.
"""

from __future__ import annotations

import importlib
from dataclasses import replace
from types import ModuleType

from subpixel.engines.trt_build import build_plan, profile_for
from subpixel.errors import BundleError, EngineError
from subpixel.export.graph import as_half, as_u8
from subpixel.export.targets import Converted, Material, Source, converted, refuse_adding_scatters, suffix
from subpixel.spec import Kind

AHEAD_OF_TIME, EXTRA = "tensorrt_rtx", "tensorrt-rtx"  # the one TensorRT that builds without a GPU
CAPABILITY = "SM86"
LARGEST = (1, 1080, 1920)
SAMPLER = "GridSample"


class TensorRtTarget:
    """Made from ONNX, by rewriting its types."""

    name = "tensorrt"
    source: Source = "onnx"

    def requires(self, material: Material) -> None:
        """No scatter with a reduction; the rest is asked of TensorRT-RTX's own parser in ``convert``."""
        refuse_adding_scatters(material.graph, self.name)

    def convert(self, material: Material) -> tuple[Converted, ...]:
        """fp32 and fp16, each in the float and the u8 kind. Raises ``BundleError`` with the parser's words.

        A graph that samples at computed places stays in fp32: half precision can't tell the pixels of a wide frame.
        """
        samples = any(node.op_type == SAMPLER for node in material.graph.node)
        precisions = ("fp32",) if samples else ("fp32", "fp16")
        made = (_variant(material, precision, kind) for precision in precisions for kind in ("float", "u8"))
        return tuple(proved(item) for item in made)


def _variant(material: Material, precision: str, kind: Kind) -> Converted:
    """The fp32 float graph is the reference itself: one file, listed by both variants."""
    spec = material.spec
    if precision == "fp32" and kind == "float":
        path, model = material.bundle.reference.file.path, material.reference
    else:
        path = f"tensorrt/model.{precision}{suffix(kind, '.')}.onnx"
        model = as_half(material.reference) if precision == "fp16" else material.reference
        model = as_u8(model, "tensorrt") if kind == "u8" else model
    return converted("tensorrt", precision, kind, spec, {path: model}, "onnx", needs=("nvidia gpu",))


def proved(item: Converted) -> Converted:
    """The variant with what could be shown here: parsed and built, or not even that where TensorRT-RTX isn't."""
    status, words = _proof(item)
    numbers = "the figures are those of the same graph by onnxruntime"
    if item.variant.precision == "fp16":
        numbers += ", which rounds to fp16 in fewer places than a GPU"
    return replace(item, stand_in="onnx", status=status, notes=(f"{words}, not run; {numbers}",))


def _proof(item: Converted) -> tuple[str, str]:
    try:
        trt = importlib.import_module(AHEAD_OF_TIME)
    except (ImportError, OSError) as fault:
        return "not built", f"not built (tensorrt_rtx: {fault}; pip install 'subpixel[{EXTRA}]')"
    size_bytes = build(item, trt)
    _, height, width = LARGEST
    made = f"{size_bytes} bytes for {CAPABILITY}, up to {width}x{height}"
    return "parsed and built", f"parsed and built by {trt.__name__} {trt.__version__} ({made})"


def build(item: Converted, trt: ModuleType) -> int:
    """Parse and build for one GPU generation; the plan's size in bytes. Raises ``BundleError`` with the reason."""
    model = item.blobs[item.variant.file.path]
    try:
        return len(build_plan(model, trt, profile_for(*LARGEST), item.variant.precision, CAPABILITY))
    except EngineError as fault:
        raise BundleError(
            f"tensorrt: {item.variant.id}: {fault}; use onnxruntime or openvino for this model"
        ) from fault
