"""int8 for OpenVINO: the same QDQ, read into its own format; `--method plain` by NNCF."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from subpixel.errors import BundleError, faults_as
from subpixel.quantize.kernels import in_transpositions
from subpixel.quantize.qdq import Plan, quantised_graph, with_byte_edges, with_cast_edges
from subpixel.quantize.targets import Made, Material, Recipe, int8_variant
from subpixel.quantize.tuning import Scheme

STEM = "openvino/model.int8.u8"
COUNTED = re.compile(r"[A-Za-z]+_\d+")  # a name made from a counter that runs over the whole process


class OpenVinoQuantiser:
    """Bytes in, bytes out. Its convolutions apply tanh and round to bytes as they write, so inputs are enough."""

    target = "openvino"
    recipes = (Recipe("inputs", "what convolutions take is quantised; tanh is fused into them in float", Scheme()),)

    def requires(self, material: Material) -> None:
        """Nothing: the reference is ONNX."""

    def write(self, material: Material, recipe: Recipe, plan: Plan) -> Made:
        """The QDQ graph as IR."""
        model = in_transpositions(with_byte_edges(quantised_graph(material.graph, plan)))
        with faults_as(BundleError, f"openvino {ov.__version__} can't read the quantised graph"):
            graph = ov.Core().read_model(model)
            _simplify(graph)
            return _made(graph)

    def plain(self, material: Material, keep_float: frozenset[str]) -> Made:
        """NNCF's post-training quantisation with minima and maxima as ranges."""
        with faults_as(BundleError, "nncf can't quantise the graph"):
            return _made(_by_nncf(material, keep_float))


def _by_nncf(material: Material, keep_float: frozenset[str]) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        import nncf
        from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix
        from nncf.quantization.range_estimator import RangeEstimatorParametersSet

        nncf.set_log_level(logging.ERROR)
        graph = ov.Core().read_model(with_cast_edges(material.graph.copy()))
        frames = nncf.Dataset([np.ascontiguousarray(frame[None]) for frame in material.used.frames])
        ignored = nncf.IgnoredScope(names=sorted(keep_float)) if keep_float else None
        advanced = AdvancedQuantizationParameters(
            overflow_fix=OverflowFix.DISABLE,  # else the first layer has seven bits only
            activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
        )
        return nncf.quantize(
            graph, frames, preset=nncf.QuantizationPreset.MIXED, subset_size=len(material.used.frames),
            ignored_scope=ignored, advanced_parameters=advanced,
        )  # fmt: skip


def _made(graph: Any) -> Made:
    for place, node in enumerate(graph.get_ordered_ops()):
        if COUNTED.fullmatch(node.get_friendly_name()):
            node.set_friendly_name(f"{node.get_type_name()}#{place}")
    with tempfile.TemporaryDirectory() as folder:
        ov.save_model(graph, Path(folder) / "model.xml", compress_to_fp16=False)
        blobs = {f"{STEM}.{kind}": (Path(folder) / f"model.{kind}").read_bytes() for kind in ("xml", "bin")}
    return Made(int8_variant("openvino", "u8", blobs), blobs)


def _simplify(graph: Any) -> None:
    """OpenVINO's own fusions, which compiling repeats anyway: half as much text."""
    with contextlib.suppress(ImportError):  # not in its public interface
        from openvino._offline_transformations import apply_moc_transformations

        apply_moc_transformations(graph, cf=False, smart_reshape=False)
