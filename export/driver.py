"""The one driver of all targets: a trained model becomes a bundle, a bundle gains variants, each one measured."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from subpixel import __version__
from subpixel.bundle import Bundle
from subpixel.errors import BundleError
from subpixel.evidence import with_evidence
from subpixel.export.figures import with_own_figures
from subpixel.export.graph import as_u8
from subpixel.export.onnx import export_float
from subpixel.export.parity import OnnxReference, Reference, TorchReference, evidence
from subpixel.export.targets import Converted, Material, Target, converted
from subpixel.manifest import Manifest
from subpixel.models.architecture import TrainedModel
from subpixel.spec import Provenance

CARD = "card.md"


def export_trained(model: TrainedModel, u8: bool = True) -> Bundle:
    """A bundle with the ONNX of a trained model in its `float` and `u8` kinds, each compared with torch."""
    net = model.module()
    return with_own_figures(export_module(net, _empty_bundle(model), u8), net)


def export_module(net: nn.Module, empty: Bundle, u8: bool = True) -> Bundle:
    """``empty`` (a contract, a provenance, no variants) with the net's ONNX variants and their evidence."""
    spec = empty.spec
    plain = export_float(net, spec)
    made = [converted("onnx", "fp32", "float", spec, {"model.fp32.onnx": plain}, "torch")]
    if u8:
        made.append(converted("onnx", "fp32", "u8", spec, {"model.fp32.u8.onnx": as_u8(plain)}, "onnx"))
    return measured(empty, made, TorchReference(net, spec))


def _empty_bundle(model: TrainedModel) -> Bundle:
    architecture = model.architecture
    provenance = Provenance(
        architecture=architecture.name,
        weights_sha256=model.weights_sha256,
        created_by=f"subpixel {__version__}, torch {torch.__version__}",
        licence="see card.md",
        source=architecture.paper,
    )
    bundle = Bundle(Manifest(architecture.spec(model.scale), provenance, ()), {})
    return bundle.plus_file(CARD, model.card.encode()) if model.card else bundle


def add_variant(
    bundle: Bundle, target: Target, net: nn.Module | None = None, size: tuple[int, int] | None = None
) -> Bundle:
    """The bundle with a target's variants, each measured against ``net``, or against its own ONNX without one.

    ``size``: height and width of the frames, for a file that can't have them free.

    Raises ``BundleError`` when the target refuses the graph, or is made from torch and there is no net.
    """
    if target.source == "torch" and net is None:
        raise BundleError(
            f"{target.name} is converted from torch, and {bundle.spec.name} names no model of the registry; "
            "it has no such route (yet); openvino and tensorrt are made from its ONNX"
        )
    material = Material(bundle, net, size)
    target.requires(material)
    return measured(bundle, target.convert(material), reference_for(bundle, net))


def measured(bundle: Bundle, made: Iterable[Converted], reference: Reference) -> Bundle:
    """The bundle with these variants and the evidence of each, passed or failed."""
    for item in made:
        bundle = bundle.plus(item.variant, item.blobs)
        bundle = with_evidence(bundle, evidence(bundle, item, reference))
    return bundle


def reference_for(bundle: Bundle, net: nn.Module | None) -> Reference:
    """Torch where the net is at hand, else the bundle's ONNX."""
    return OnnxReference(bundle) if net is None else TorchReference(net, bundle.spec)
