"""``--layers``: the first tensor that differs is found, and nothing else is blamed."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import numpy_helper
from torch import nn

from subpixel.bundle import Bundle
from subpixel.errors import BundleError
from subpixel.export.layers import compare_layers, first_difference
from subpixel.export.onnx import export_float, parsed
from subpixel.export.parity import layer_frame
from subpixel.models.architecture import TrainedModel
from subpixel.spec import ModelSpec

LAYERS = ["features", "mapping", "subpixel", "shuffle"]


def with_changed_weight(model: bytes, name: str) -> bytes:
    broken = parsed(model)
    for tensor in broken.graph.initializer:
        if tensor.name == name:
            changed = numpy_helper.to_array(tensor).copy()
            changed.flat[0] += 1
            tensor.CopyFrom(numpy_helper.from_array(changed, name))
    data: bytes = broken.SerializeToString()
    return data


def test_a_sound_graph_has_every_layer_and_no_difference(exported: Bundle, espcn: TrainedModel) -> None:
    model = exported.blobs(exported.reference)[0]
    found = compare_layers(espcn.module(), model, layer_frame(exported.spec))
    assert [layer.module for layer in found] == [*LAYERS, "the result"]
    assert first_difference(found) is None


@pytest.mark.parametrize("layer", ["features", "mapping", "subpixel"])
def test_the_layer_with_the_broken_weight_is_named(exported: Bundle, espcn: TrainedModel, layer: str) -> None:
    model = with_changed_weight(exported.blobs(exported.reference)[0], f"{layer}.weight")
    found = compare_layers(espcn.module(), model, layer_frame(exported.spec))
    first = first_difference(found)
    assert first is not None
    assert (first.module, first.node) == (layer, f"{layer}/Conv")
    assert not any(before.differs for before in found[: LAYERS.index(layer)])


def test_a_module_that_runs_twice_is_compared_at_each_call() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.block = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Tanh())

        def forward(self, unit: nn.Module) -> nn.Module:
            return self.block(self.block(unit))  # type: ignore[no-any-return]

    spec = ModelSpec("twice-x1", "1", 1, "image", "y", 2)
    net = Twice()
    found = compare_layers(net, export_float(net, spec), layer_frame(spec))
    assert {"block", "block@1", "block.0", "block.0@1"} <= {layer.module for layer in found}
    assert len({layer.node for layer in found if layer.module.startswith("block.1")}) == 2
    assert first_difference(found) is None


def test_a_graph_that_does_not_run_is_refused_in_words(exported: Bundle, espcn: TrainedModel) -> None:
    two_channels = np.zeros((1, 2, 8, 8), np.float32)
    model = exported.blobs(exported.reference)[0]
    widened = nn.Sequential(nn.Conv2d(2, 1, 1), espcn.module())
    with pytest.raises(BundleError, match="can't be run layer by layer"):
        compare_layers(widened, model, two_channels)
