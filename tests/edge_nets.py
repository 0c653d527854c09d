"""A small net of the edge family with weights that do something, and its bundle."""

from __future__ import annotations

import torch

from subpixel.bundle import Bundle
from subpixel.export.driver import export_module
from subpixel.manifest import Manifest
from subpixel.models.edge import Edge, Shape, edge_net
from subpixel.spec import Provenance

SHAPE, SCALE = Shape(8, 2), 3


def learnt_net() -> Edge:
    """Bicubic at the start, then moved: border, features and plane all show in the result."""
    torch.manual_seed(11)
    net = Edge(SCALE, SHAPE)
    net.initialise(torch.rand(8, 1, 16, 16))
    with torch.no_grad():
        net.last.weight.add_(0.02 * torch.randn_like(net.last.weight))
        for layer in net.inner():
            assert layer.bias is not None
            layer.bias.add_(0.05 * torch.randn_like(layer.bias))
    return net.eval()


def edge_bundle(net: Edge) -> Bundle:
    """Its ONNX, float and u8."""
    spec = edge_net("edge-test", SHAPE).spec(SCALE)
    return export_module(net, Bundle(Manifest(spec, Provenance(), ()), {}))
