"""What a conversion target is, and the table of them: a new target is one file and one row here."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, cast

import onnx
from torch import nn

from subpixel.bundle import Bundle, file_record
from subpixel.errors import BadInputError, BundleError, missing_package
from subpixel.export.onnx import parsed
from subpixel.spec import Kind, ModelSpec, Variant, tensors_in, tensors_out

Source = Literal["onnx", "torch"]


@dataclass(frozen=True)
class Material:
    """What a target may start from: the bundle's fp32 ONNX, and the torch net where it is at hand.

    ``size``: the one frame size, height and width, that a file may be fixed to where it can't be free.
    """

    bundle: Bundle
    net: nn.Module | None = None
    size: tuple[int, int] | None = None

    @property
    def spec(self) -> ModelSpec:
        """The bundle's contract."""
        return self.bundle.spec

    @property
    def reference(self) -> bytes:
        """The reference's ONNX file."""
        return self.bundle.blobs(self.bundle.reference)[0]

    @property
    def graph(self) -> onnx.GraphProto:
        """The reference's graph."""
        return parsed(self.reference).graph


@dataclass(frozen=True)
class Converted:
    """A variant made, with the bytes of its files by path.

    ``stand_in``: the target whose engine computes the file here where its own can't run (TensorRT without a GPU);
    ``status``: then, what was proved instead of running it; ``notes`` go into the evidence.
    """

    variant: Variant
    blobs: Mapping[str, bytes]
    stand_in: str | None = None
    status: str = "run"
    notes: tuple[str, ...] = ()


class Target(Protocol):
    """``source``: what it is made from. The driver calls ``requires`` before ``convert`` and measures what comes."""

    name: str
    source: Source

    def requires(self, material: Material) -> None:
        """Raise ``BundleError`` for a graph this target can't have: the node, the reason, the way out."""

    def convert(self, material: Material) -> tuple[Converted, ...]:
        """The variants of this target."""


@dataclass(frozen=True)
class TargetRow:
    """Where a target's class is, and the packages (import names) that it needs beyond torch and onnx."""

    module: str
    factory: str
    packages: tuple[str, ...] = ()


TARGETS: dict[str, TargetRow] = {
    "openvino": TargetRow("subpixel.export.openvino", "OpenVinoTarget", ("openvino",)),
    "litert": TargetRow("subpixel.export.litert", "LiteRtTarget", ("litert_torch", "ai_edge_litert", "flatbuffers")),
    "tensorrt": TargetRow("subpixel.export.tensorrt", "TensorRtTarget"),
}


def target(name: str) -> Target:
    """The target called ``name``; its library is imported now.

    Raises ``BadInputError`` naming those there are, ``MissingPackageError`` for a library that isn't installed.
    """
    if name not in TARGETS:
        raise BadInputError(f"no target {name!r}; there are: {', '.join(TARGETS)}")
    row = TARGETS[name]
    for package in row.packages:
        if importlib.util.find_spec(package) is None:
            raise missing_package(package, "export", f"converting to {name}")
    return cast(Target, getattr(importlib.import_module(row.module), row.factory)())


def converted(
    target: str, precision: str, kind: Kind, spec: ModelSpec, blobs: Mapping[str, bytes], source: Source,
    axes: str = "NCHW", needs: tuple[str, ...] = (), shapes: tuple[int, int] | None = None,
) -> Converted:  # fmt: skip
    """The variant ``<target>-<precision>[-u8]``, of free size or of ``shapes``; ``blobs[0]`` is what the engine opens.

    ``axes``: of an image, ``NCHW`` or ``NHWC``; a window of frames has ``T`` in place of ``C``.
    """
    files = tuple(file_record(path, data) for path, data in blobs.items())
    given, wanted = tensors_in(spec, kind, axes), tensors_out(spec, kind, axes)
    id = f"{target}-{precision}{suffix(kind, '-')}"
    variant = Variant(id, target, precision, kind, files, given, wanted, source, shapes, needs)
    return Converted(variant, blobs)


def suffix(kind: Kind, mark: str) -> str:
    """``-u8`` or ``.u8`` for the 8-bit kind, else nothing."""
    return f"{mark}u8" if kind == "u8" else ""


def adding_scatters(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """The nodes that scatter with a reduction, which LiteRT and TensorRT can't run."""
    for node in graph.node:
        reductions = [a.s.decode() for a in node.attribute if a.name == "reduction"]
        if node.op_type.startswith("Scatter") and reductions and reductions[0] != "none":
            yield node


def refuse_adding_scatters(graph: onnx.GraphProto, target: str) -> None:
    """Raise ``BundleError`` for the first scatter with a reduction."""
    for node in adding_scatters(graph):
        raise BundleError(
            f"{target}: node {node.name!r} ({node.op_type} with a reduction) has no counterpart there; "
            "write the scatter as a gather over its possible sources, or use onnxruntime or openvino"
        )
