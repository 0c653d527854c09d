"""A small net of the edge family with weights that do something, and its bundle."""

from __future__ import annotations

import torch

from subpixel.bundle import Bundle
from subpixel.export.driver import export_module
from subpixel.manifest import Manifest
from subpixel.models.edge import Edge, Shape, edge_net
from subpixel.spec import Provenance

SHAPE, HANDED_ON, SCALE = Shape(8, 2), Shape(8, 3, block=1, handed_on=True), 3


def learnt_net(shape: Shape = SHAPE) -> Edge:
    """Bicubic at the start, then moved: border, features and plane all show in the result."""
    torch.manual_seed(11)
    net = Edge(SCALE, shape)
    net.initialise(torch.rand(8, 1, 16, 16))
    with torch.no_grad():
        net.last.weight.add_(0.02 * torch.randn_like(net.last.weight))
        for layer in net.inner():
            assert layer.bias is not None
            layer.bias[shape.handed_on :] += 0.05 * torch.randn_like(layer.bias[shape.handed_on :])
    return net.eval()


def edge_bundle(net: Edge) -> Bundle:
    """Its ONNX, float and u8."""
    spec = edge_net("edge-test", HANDED_ON if net.handed_on else SHAPE).spec(SCALE)
    return export_module(net, Bundle(Manifest(spec, Provenance(), ()), {}))
