"""From a bundle back to its torch net: the registry's architecture, and weights whose hash the provenance names."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from subpixel.bundle import Bundle
from subpixel.errors import BundleError, NotFoundError
from subpixel.manifest import sha256
from subpixel.models.architecture import WEIGHTS, TrainedModel
from subpixel.models.registry import ARCHITECTURES


def rebuilt(bundle: Bundle, weights: Path | None = None) -> nn.Module:
    """The net of a bundle; ``weights``: its ``.safetensors`` when it isn't among the committed ones.

    Raises ``BundleError`` for a bundle that no architecture of the registry made, or whose weights aren't found.
    """
    provenance, name = bundle.manifest.provenance, bundle.spec.name
    architecture = ARCHITECTURES.get(provenance.architecture or "")
    if architecture is None or provenance.weights_sha256 is None:
        raise BundleError(
            f"{name}: its provenance names no architecture of this package, so its torch net can't be built again; "
            "LiteRT needs it. Convert to openvino or tensorrt, which start from ONNX"
        )
    data = _weights(name, provenance.weights_sha256, weights)
    return TrainedModel(architecture, bundle.spec.scale, data, "").module()


def rebuilt_or_none(bundle: Bundle, weights: Path | None = None) -> nn.Module | None:
    """As ``rebuilt``; ``None`` where that can't be and no weights were named."""
    try:
        return rebuilt(bundle, weights)
    except BundleError:
        if weights is not None:
            raise
        return None


def _weights(name: str, wanted: str, named: Path | None) -> bytes:
    if named is not None and not named.is_file():
        raise NotFoundError(f"{named}: no such file; needed the weights of {name}")
    for file in [named] if named is not None else sorted(WEIGHTS.glob("*.safetensors")):
        data = file.read_bytes()
        if sha256(data) == wanted:
            return data
    where = f"{named} is another file" if named is not None else "no committed weights are"
    raise BundleError(f"{name} was made from weights {wanted[:12]}…: {where}; pass those with --weights FILE")
