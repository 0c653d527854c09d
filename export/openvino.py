"""OpenVINO IR from the ONNX reference: fp32 weights, never compressed to fp16, the same text for the same weights."""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path
from typing import Any

import openvino as ov

from subpixel.errors import BundleError, faults_as
from subpixel.export.graph import as_u8
from subpixel.export.targets import Converted, Material, Source, converted, suffix
from subpixel.spec import Kind

COUNTED = re.compile(r"[A-Za-z]+_\d+")  # a name OpenVINO made up from a counter that runs over the whole process


class OpenVinoTarget:
    """Made from ONNX; every operator that ONNX Runtime runs has a counterpart so far."""

    name = "openvino"
    source: Source = "onnx"

    def requires(self, material: Material) -> None:
        """Nothing is known that OpenVINO refuses; what its reader finds comes as ``BundleError`` from ``convert``."""

    def convert(self, material: Material) -> tuple[Converted, ...]:
        """The float and the u8 kind."""
        return tuple(self._variant(material, kind) for kind in ("float", "u8"))

    def _variant(self, material: Material, kind: Kind) -> Converted:
        model = material.reference if kind == "float" else as_u8(material.reference, "openvino")
        stem = f"openvino/model.fp32{suffix(kind, '.')}"
        with faults_as(BundleError, f"openvino {ov.__version__} can't convert {material.spec.name}"):
            text, weights = intermediate(model)
        return converted("openvino", "fp32", kind, material.spec, {f"{stem}.xml": text, f"{stem}.bin": weights}, "onnx")


def intermediate(model: bytes) -> tuple[bytes, bytes]:
    """The IR of an ONNX model: XML and weights."""
    with tempfile.TemporaryDirectory() as folder:
        graph = ov.Core().read_model(model)  # not `convert_model`: that reports its use to the vendor's server
        _simplify(graph)
        _rename(graph)
        ov.save_model(graph, Path(folder) / "model.xml", compress_to_fp16=False)
        return (Path(folder) / "model.xml").read_bytes(), (Path(folder) / "model.bin").read_bytes()


def _simplify(graph: Any) -> None:
    """OpenVINO's own fusions, which `compile_model` repeats anyway: the text is half as long with them."""
    with contextlib.suppress(ImportError):  # not in its public interface
        from openvino._offline_transformations import apply_moc_transformations

        apply_moc_transformations(graph, cf=False, smart_reshape=False)


def _rename(graph: Any) -> None:
    for place, node in enumerate(graph.get_ordered_ops()):
        if COUNTED.fullmatch(node.get_friendly_name()):
            node.set_friendly_name(f"{node.get_type_name()}#{place}")
