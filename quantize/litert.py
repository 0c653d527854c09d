"""int8 for LiteRT (TFLite): from end to end where the net is a chain, else int8 weights; plain by ai-edge-quantizer.

It starts from the bundle's fp32 TFLite file: `subpixel convert --to litert` comes first.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from subpixel.errors import BundleError, faults_as
from subpixel.quantize.litert_file import TANH_GRID, Int8File, with_weights
from subpixel.quantize.qdq import Plan
from subpixel.quantize.targets import Made, Material, Recipe, int8_variant
from subpixel.quantize.tuning import Scheme
from subpixel.spec import Quantisation

FLOAT_ID = "litert-fp32"
SIGNATURE = "serving_default"


class LiteRtQuantiser:
    """Bytes in, bytes out for the integer recipe; float for int8 weights; int8 levels for the tool's own."""

    target = "litert"
    recipes = (
        Recipe(
            "integer",
            "int8 from end to end; results quantised before tanh, tanh by LiteRT's table",
            Scheme(integer_results=True, tanh=TANH_GRID),
        ),
        Recipe(
            "mixed",
            "the first convolution and its tanh in float, int8 from there to the end",
            Scheme(integer_results=True, tanh=TANH_GRID, first_float=True),
        ),
        Recipe("dynamic", "int8 weights; what convolutions take is quantised frame by frame as it comes", Scheme()),
    )

    def requires(self, material: Material) -> None:
        """The fp32 file."""
        if FLOAT_ID not in {variant.id for variant in material.bundle.manifest.variants}:
            raise BundleError(
                f"{material.bundle.spec.name} has no {FLOAT_ID} to start from; first: subpixel convert ... --to litert"
            )

    def write(self, material: Material, recipe: Recipe, plan: Plan) -> Made:
        """Raises ``BundleError`` when the file and the ONNX reference are not the same net."""
        if recipe.scheme.integer_results:
            blobs = {"litert/model.int8.u8.tflite": Int8File(_float_file(material)).written(material.graph, plan)}
            return Made(int8_variant("litert", "u8", blobs, "NHWC", (BYTE_LEVELS, BYTE_LEVELS)), blobs)
        tuned = with_weights(_float_file(material), material.graph, plan)
        blobs = {"litert/model.int8.tflite": _by_tool(tuned, "dynamic_wi8_afp32", None)}
        return Made(int8_variant("litert", "float", blobs, "NHWC"), blobs)

    def plain(self, material: Material, keep_float: frozenset[str]) -> Made:
        """ai-edge-quantizer's static int8; it can't leave single layers in float by the reference's names."""
        if keep_float:
            raise BundleError("litert: --keep-float has no meaning with --method plain; leave it out")
        data = _by_tool(_float_file(material), "static_wi8_ai8", material)
        blobs = {"litert/model.int8.tflite": data}
        return Made(int8_variant("litert", "quantised", blobs, "NHWC", _edge_levels(data)), blobs)


BYTE_LEVELS = Quantisation(float(np.float32(1 / 255)), 0)


def _float_file(material: Material) -> bytes:
    return material.bundle.blobs(material.bundle.manifest.variant(FLOAT_ID))[0]


def _by_tool(file: bytes, recipe: str, material: Material | None) -> bytes:
    """A named recipe of ai-edge-quantizer; ``material``: calibration frames where the recipe needs them."""
    with faults_as(BundleError, "ai-edge-quantizer can't quantise the file"), _silent(), _as_path(file) as path:
        from ai_edge_quantizer import quantizer
        from ai_edge_quantizer import recipe as recipes

        tool = quantizer.Quantizer(str(path))
        tool.load_quantization_recipe(getattr(recipes, recipe)())
        ranges = tool.calibrate({SIGNATURE: _frames(material)}) if material is not None else None
        return bytes(tool.quantize(ranges).quantized_model)


def _frames(material: Material) -> list[dict[str, Any]]:
    name = material.graph.source
    return [
        {name: (frame.transpose(1, 2, 0)[None] / np.float32(255)).astype(np.float32)} for frame in material.used.frames
    ]


@contextlib.contextmanager
def _as_path(file: bytes) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fp32.tflite"
        path.write_bytes(file)
        yield path


@contextlib.contextmanager
def _silent() -> Any:
    """The tool prints sizes and ratios."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def _edge_levels(file: bytes) -> tuple[Quantisation, Quantisation]:
    """Scale and zero point of the file's input and output."""
    graph = schema.ModelT.InitFromPackedBuf(bytearray(file), 0).subgraphs[0]
    edges = [graph.tensors[place].quantization for place in (graph.inputs[0], graph.outputs[0])]
    given, wanted = (Quantisation(float(edge.scale[0]), int(edge.zeroPoint[0])) for edge in edges)
    return given, wanted
