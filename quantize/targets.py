"""What a quantiser is: a target's int8 recipes, and how a plan becomes that target's files. One file a target."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, cast

from subpixel.bundle import Bundle, file_record
from subpixel.errors import BadInputError
from subpixel.quantize.calibration import Calibration
from subpixel.quantize.graph import FloatGraph
from subpixel.quantize.qdq import Plan
from subpixel.quantize.tuning import Scheme
from subpixel.spec import Kind, Quantisation, TensorSpec, Variant, luma_frame


@dataclass(frozen=True)
class Material:
    """A bundle and the calibration frames. Only luma models can be quantised so far."""

    bundle: Bundle
    used: Calibration

    @cached_property
    def graph(self) -> FloatGraph:
        """The fp32 reference."""
        return FloatGraph(self.bundle.blobs(self.bundle.reference)[0])


@dataclass(frozen=True)
class Recipe:
    """One way for one target; ``text`` says it to people and goes into the evidence."""

    name: str
    text: str
    scheme: Scheme


@dataclass(frozen=True)
class Made:
    """A variant with the bytes of its files by path.

    ``stand_in``: the engine that computes the file here, where the target's own can't; ``status`` then says what was
    proved instead of running it.
    """

    variant: Variant
    blobs: Mapping[str, bytes]
    stand_in: str | None = None
    status: str = "run"
    notes: tuple[str, ...] = ()


class Quantiser(Protocol):
    """``recipes``: the fastest first."""

    target: str
    recipes: tuple[Recipe, ...]

    def requires(self, material: Material) -> None:
        """Raise ``BundleError`` where the bundle lacks what this target starts from, or ``MissingPackageError``."""

    def write(self, material: Material, recipe: Recipe, plan: Plan) -> Made:
        """The files of a plan."""

    def plain(self, material: Material, keep_float: frozenset[str]) -> Made:
        """What the target's own tool gives from the untouched weights."""


QUANTISERS: dict[str, str] = {
    "onnxruntime": "subpixel.quantize.onnxruntime:OnnxRuntimeQuantiser",
    "openvino": "subpixel.quantize.openvino:OpenVinoQuantiser",
    "litert": "subpixel.quantize.litert:LiteRtQuantiser",
    "tensorrt": "subpixel.quantize.tensorrt:TensorRtQuantiser",
}


def quantiser(name: str) -> Quantiser:
    """The one called ``name``; its libraries are imported now. Raises ``BadInputError`` naming those there are."""
    if name not in QUANTISERS:
        raise BadInputError(f"no target {name!r} to quantise for; there are: {', '.join(QUANTISERS)}")
    module, _, factory = QUANTISERS[name].partition(":")
    return cast(Quantiser, getattr(importlib.import_module(module), factory)())


def int8_variant(
    target: str, kind: Kind, blobs: Mapping[str, bytes], axes: str = "NCHW",
    levels: tuple[Quantisation, Quantisation] | None = None, needs: tuple[str, ...] = (),
) -> Variant:  # fmt: skip
    """``<target>-int8[-u8]`` of free size; ``levels``: of input and output where the file names them."""
    files = tuple(file_record(path, data) for path, data in blobs.items())
    given, wanted = (_tensor(name, kind, axes, levels[at] if levels else None) for at, name in enumerate(("lr", "sr")))
    id = f"{target}-int8{'-u8' if kind == 'u8' else ''}"
    return Variant(id, target, "int8", kind, files, (given,), (wanted,), source="onnx", needs=needs)


def _tensor(name: str, kind: Kind, axes: str, levels: Quantisation | None) -> TensorSpec:
    return luma_frame(name, kind, axes, levels)
