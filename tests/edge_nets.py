"""A small net of the edge family with weights that do something, and its bundle."""

from __future__ import annotations

import torch

from subpixel.bundle import Bundle
from subpixel.export.driver import export_module
from subpixel.manifest import Manifest
from subpixel.models.edge import Edge, Shape, edge_net
from subpixel.models.edge_fast import EdgeLines
from subpixel.spec import Provenance

SHAPE, HANDED_ON, SCALE = Shape(8, 2), Shape(8, 3, block=1, handed_on=True), 3


def learnt_net(shape: Shape = SHAPE) -> Edge:
    """Bicubic at the start, then moved: border, features and plane all show in the result."""
    return moved(Edge(SCALE, shape))


def learnt_lines() -> Edge:
    """The same with convolutions along one axis."""
    return moved(EdgeLines(SCALE, 8, 4))


def moved(net: Edge) -> Edge:
    """Initialised, and what is not kept a little elsewhere."""
    torch.manual_seed(11)
    net.initialise(torch.rand(8, 1, 16, 16))
    with torch.no_grad():
        net.last.weight.add_(0.02 * torch.randn_like(net.last.weight))
        for layer, kept in zip(net.inner(), net.kept, strict=True):
            assert layer.bias is not None
            layer.bias[kept:] += 0.05 * torch.randn_like(layer.bias[kept:])
    return net.eval()


def edge_bundle(net: Edge) -> Bundle:
    """Its ONNX, float and u8."""
    spec = edge_net("edge-test", HANDED_ON if net.handed_on else SHAPE).spec(SCALE)
    return export_module(net, Bundle(Manifest(spec, Provenance(), ()), {}))
