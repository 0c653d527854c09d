"""LiteRT (TFLite) from torch: the net without its sub-pixel shuffle, channels last, and LiteRT's own shuffle behind it.

A shuffle converted from torch becomes reshapes with the traced size baked in. The trunk alone takes any size, and so
does the native DEPTH_TO_SPACE operator that is appended to it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as functional
from torch import nn

from subpixel.errors import BundleError, faults_as
from subpixel.export.litert_file import finished, with_shuffle
from subpixel.export.onnx import channels, quiet_libraries, traced_size
from subpixel.export.targets import Converted, Material, Source, converted, refuse_adding_scatters, suffix
from subpixel.spec import Kind, ModelSpec

SHUFFLES = ("DepthToSpace",)
STANDARD_STREAMS = (1, 2)


class LiteRtTarget:
    """Made from torch: the converter reads no ONNX."""

    name = "litert"
    source: Source = "torch"

    def requires(self, material: Material) -> None:
        """A sub-pixel shuffle only at the end, behind ``trunk``; no scatter with a reduction."""
        graph = material.graph
        refuse_adding_scatters(graph, self.name)
        for node in graph.node:
            if node.op_type in SHUFFLES and not hasattr(material.net, "trunk"):
                raise BundleError(
                    f"litert: node {node.name!r} ({node.op_type}) is converted with the traced size baked in; "
                    "give the net a method `trunk` (all before the shuffle), or use openvino or onnxruntime"
                )

    def convert(self, material: Material) -> tuple[Converted, ...]:
        """The float and the u8 kind, NHWC."""
        return tuple(self._variant(material, kind) for kind in ("float", "u8"))

    def _variant(self, material: Material, kind: Kind) -> Converted:
        assert material.net is not None  # the driver refuses a target from torch without a net
        spec = material.spec
        has_trunk = hasattr(material.net, "trunk")
        with faults_as(BundleError, f"litert_torch can't convert {spec.name}"):
            file = flat(ChannelsLast(material.net, spec, kind), spec)
            file = finished(with_shuffle(file, spec.scale) if has_trunk else file)
        path = f"litert/model.fp32{suffix(kind, '.')}.tflite"
        return converted("litert", "fp32", kind, spec, {path: file}, "torch", axes="NHWC")


class ChannelsLast(nn.Module):
    """The net (its trunk, where it has one) from ``[N, H, W, C]`` to ``[N, H, W, C']``; u8: with the casts around it.

    The channels are put in the order that DEPTH_TO_SPACE reads: torch's shuffle has the plane first, LiteRT's last.
    """

    order: torch.Tensor

    def __init__(self, net: nn.Module, spec: ModelSpec, kind: Kind) -> None:
        super().__init__()
        self.net, self.kind, self.planes = net, kind, channels(spec)
        self.register_buffer("order", plane_last(self.planes, spec.scale**2))

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        planes = frame.permute(0, 3, 1, 2)
        if self.kind != "u8":
            return self._run(planes).permute(0, 2, 3, 1)
        result = self._run(planes.to(torch.float32) / 255) * 255
        return torch.round(torch.clamp(result, 0, 255)).to(torch.uint8).permute(0, 2, 3, 1)

    def _run(self, planes: torch.Tensor) -> torch.Tensor:
        trunk = getattr(self.net, "trunk", None)
        if trunk is None:
            whole: torch.Tensor = self.net(planes)
            return whole
        result: torch.Tensor = trunk(planes)
        return result if self.planes == 1 else functional.conv2d(result, self.order)


def plane_last(planes: int, phases: int) -> torch.Tensor:
    """Puts channel ``plane * phases + phase`` at ``phase * planes + plane``, as the weight of a 1x1 convolution.

    It only multiplies by 1 and adds 0. An index would do, but the converter bakes the frame's size into that.
    """
    order = torch.arange(planes * phases).reshape(planes, phases).T.flatten()
    return torch.eye(planes * phases)[order][:, :, None, None]


def flat(module: ChannelsLast, spec: ModelSpec) -> bytes:
    """The TFLite file of a channels-last module."""
    shape = (1, *traced_size(spec), module.planes)
    dtype = torch.uint8 if module.kind == "u8" else torch.float32
    with quiet_libraries(), muted():
        import litert_torch  # here, for it takes seconds and speaks while it loads

        data: bytes = litert_torch.convert(module.eval(), (torch.zeros(shape, dtype=dtype),)).model_content()
    return data


@contextmanager
def muted() -> Iterator[None]:
    """Native code of the converter writes to the process's stdout and stderr; none of it is for the user.

    What goes wrong comes as an exception.
    """
    os.environ.setdefault("LITERT_TORCH_SHOW_PROGRESS", "n")
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {stream: os.dup(stream) for stream in STANDARD_STREAMS}
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in kept:
            os.dup2(nowhere, stream)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for stream, copy in kept.items():
            os.dup2(copy, stream)
            os.close(copy)
        os.close(nowhere)
