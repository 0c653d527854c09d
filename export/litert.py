"""LiteRT (TFLite) from torch: the net without its sub-pixel shuffle, channels last, and LiteRT's own shuffle behind it.

A shuffle converted from torch becomes reshapes with the traced size baked in. The trunk alone takes any size, and so
does the native DEPTH_TO_SPACE operator that is appended to it. The same holds of a border made of slices, in front.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import torch
import torch.nn.functional as functional
from torch import nn

from subpixel.errors import BundleError, faults_as
from subpixel.export.litert_file import finished, with_shuffle, with_symmetric_border
from subpixel.export.onnx import quiet_libraries, traced_size
from subpixel.export.targets import Converted, Material, Source, converted, refuse_adding_scatters, suffix
from subpixel.spec import SR, Kind, ModelSpec, frame_tensor

SHUFFLES = ("DepthToSpace",)
BAKED = (*SHUFFLES, "GridSample")
STANDARD_STREAMS = (1, 2)


class LiteRtTarget:
    """Made from torch: the converter reads no ONNX."""

    name = "litert"
    source: Source = "torch"

    def requires(self, material: Material) -> None:
        """A sub-pixel shuffle only at the end, behind ``trunk``, or one frame size; no scatter with a reduction."""
        graph = material.graph
        refuse_adding_scatters(graph, self.name)
        if material.spec.states:
            raise BundleError(f"litert: {material.spec.name} carries states; use openvino or onnxruntime")
        node = sized(graph, hasattr(material.net, "trunk"))
        if node is not None and material.size is None:
            raise BundleError(
                f"litert: node {node.name!r} ({node.op_type}) is converted with the frame's size baked in; name the "
                "size it is for (--size 640x360), give the net a method `trunk` (all before its only shuffle), or use "
                "openvino or onnxruntime"
            )

    def convert(self, material: Material) -> tuple[Converted, ...]:
        """The float and the u8 kind, NHWC (a window of frames: NHWT)."""
        return tuple(self._variant(material, kind) for kind in ("float", "u8"))

    def _variant(self, material: Material, kind: Kind) -> Converted:
        assert material.net is not None  # the driver refuses a target from torch without a net
        spec = material.spec
        has_trunk = hasattr(material.net, "trunk")
        fixed = None if sized(material.graph, has_trunk) is None else material.size
        with faults_as(BundleError, f"litert_torch can't convert {spec.name}"):
            block = shuffle_block(material.graph) if has_trunk else 1
            file = flat(ChannelsLast(material.net, spec, kind, block), fixed or traced_size(spec))
            file = with_shuffle(file, block) if has_trunk else file
            border = border_of(material.net)
            file = with_symmetric_border(file, border) if border else file
            file = finished(file, is_free=fixed is None)
        path = f"litert/model.fp32{suffix(kind, '.')}.tflite"
        return converted("litert", "fp32", kind, spec, {path: file}, "torch", axes="NHWC", shapes=fixed)


def sized(graph: onnx.GraphProto, has_trunk: bool) -> onnx.NodeProto | None:
    """The first node that the converter bakes the frame's size into; ``None``: the file takes every size.

    A shuffle at the very end, behind the net's ``trunk``, is not converted.
    """
    ends = has_trunk and graph.node[-1].op_type in SHUFFLES
    inner = graph.node[:-1] if ends else graph.node
    return next((node for node in inner if node.op_type in BAKED), None)


def shuffle_block(graph: onnx.GraphProto) -> int:
    """By how much the shuffle at the end enlarges: the scale, or more where the trunk works at less than LR size."""
    (block,) = (attribute.i for attribute in graph.node[-1].attribute if attribute.name == "blocksize")
    return int(block)


def border_of(net: nn.Module) -> int:
    """By how many pixels a net continues the frame before all else; it then has ``inside`` for what follows."""
    border = getattr(net, "border_px", 0)
    return int(border)


class ChannelsLast(nn.Module):
    """The net (its trunk, where it has one) from ``[N, H, W, C]`` to ``[N, H, W, C']``; u8: with the casts around it.

    A window of frames comes as ``[N, H, W, T]``. ``block``: of the shuffle behind the trunk.

    The channels are put in the order that DEPTH_TO_SPACE reads: torch's shuffle has the plane first, LiteRT's last.
    """

    order: torch.Tensor

    def __init__(self, net: nn.Module, spec: ModelSpec, kind: Kind, block: int) -> None:
        super().__init__()
        self.net, self.kind, self.given = net, kind, spec.planes
        self.planes = frame_tensor(SR, "float", colour=spec.colour).channels
        self.register_buffer("order", plane_last(self.planes, block**2))

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        planes = frame.permute(0, 3, 1, 2)
        if self.kind != "u8":
            return self._run(planes).permute(0, 2, 3, 1)
        result = self._run(planes.to(torch.float32) / 255) * 255
        return torch.round(torch.clamp(result, 0, 255)).to(torch.uint8).permute(0, 2, 3, 1)

    def _run(self, planes: torch.Tensor) -> torch.Tensor:
        trunk = getattr(self.net, "inside" if border_of(self.net) else "trunk", None)
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


def flat(module: ChannelsLast, size: tuple[int, int]) -> bytes:
    """The TFLite file of a channels-last module, traced at a height and width."""
    border = 2 * border_of(module.net)
    shape = (1, size[0] + border, size[1] + border, module.given)
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
