"""Parity: what is measured, and that a graph which lost something does not pass."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
import torch
import torch.nn.functional as functional
from torch import nn

from subpixel.bundle import Bundle
from subpixel.evidence import Evidence, evidence_of, is_trusted
from subpixel.export.driver import measured
from subpixel.export.onnx import EXPORT_SIZE, checked_bytes, parsed
from subpixel.export.parity import UNLIKE_EXPORT, OnnxReference, TorchReference, cases, evidence
from subpixel.export.targets import converted
from subpixel.models.architecture import TrainedModel
from subpixel.spec import ModelSpec


def read(bundle: Bundle, id: str) -> Evidence:
    found = evidence_of(bundle, bundle.manifest.variant(id))
    assert found is not None
    return found


def test_the_sizes_are_unlike_the_export_and_of_many_shapes() -> None:
    assert EXPORT_SIZE not in UNLIKE_EXPORT
    assert len(UNLIKE_EXPORT) >= 4
    assert any(height % 2 and width % 2 for height, width in UNLIKE_EXPORT)
    assert any(width == 2 * height for height, width in UNLIKE_EXPORT)
    assert any(height == 2 * width for height, width in UNLIKE_EXPORT)
    assert (5, 3) in UNLIKE_EXPORT


@pytest.mark.parametrize(("colour", "channels"), [("y", 1), ("rgb", 3)])
def test_each_size_is_measured_on_noise_and_on_a_picture(colour: str, channels: int) -> None:
    spec = ModelSpec("toy-x2", "1", 2, "image", "y" if colour == "y" else "rgb", 1, size_multiple=2)
    found = list(cases(spec, eight_bit=False))
    assert len(found) == 2 * len(UNLIKE_EXPORT)
    for case in found:
        assert case.planes.shape[0] == channels
        assert case.planes.shape[1] % 2 == case.planes.shape[2] % 2 == 0
        assert 0 <= case.planes.min() < case.planes.max() <= 1


@pytest.mark.parametrize("id", ["onnx-fp32", "onnx-fp32-u8"])
def test_an_exported_model_passes_with_figures_for_every_size(exported: Bundle, id: str) -> None:
    found = read(exported, id)
    assert found.passed
    assert found.engine == "onnxruntime"
    assert found.reference.startswith("torch ")
    for height, width in UNLIKE_EXPORT:
        for content in ("noise", "picture"):
            assert found.figures[f"{width}x{height} {content} max_abs"] <= found.verdicts[0].limit


class SamplingGrid(nn.Module):
    """A grid from `linspace` of the frame's sides: right in torch at every size, specialised when it is exported."""

    def forward(self, unit: torch.Tensor) -> torch.Tensor:
        batch, _, height, width = unit.shape
        rows, columns = torch.linspace(-1, 1, height), torch.linspace(-1, 1, width)
        grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij")[::-1], dim=-1)
        return functional.grid_sample(unit, grid[None].expand(batch, -1, -1, -1), align_corners=True)


@pytest.fixture(scope="module")
def specialised(bundle_of: Callable[..., Bundle]) -> Bundle:
    return bundle_of(SamplingGrid(), 1)


def test_a_net_specialised_to_the_export_size_fails(specialised: Bundle) -> None:
    for variant in specialised.manifest.variants:
        found = read(specialised, variant.id)
        assert not found.passed
        assert not is_trusted(specialised, variant)
        assert any("3x5" in note for note in found.notes)


def test_a_specialised_graph_that_says_it_is_dynamic_fails_too(specialised: Bundle) -> None:
    blobs = {"model.fp32.onnx": claims_to_be_free(specialised)}
    lying = converted("onnx", "fp32", "float", specialised.spec, blobs, "torch")
    found = read(measured(specialised, [lying], TorchReference(SamplingGrid())), "onnx-fp32")
    assert not found.passed
    assert len(found.notes) == 2 * len(UNLIKE_EXPORT)


def claims_to_be_free(bundle: Bundle) -> bytes:
    model = parsed(bundle.blobs(bundle.reference)[0])
    for tensor in (model.graph.input[0], model.graph.output[0]):
        axes = tensor.type.tensor_type.shape.dim
        for at, name in ((0, "N"), (2, f"H_{tensor.name}"), (3, f"W_{tensor.name}")):
            axes[at].dim_param = name
    onnx.checker.check_model(model)
    data: bytes = model.SerializeToString()
    return data


def test_a_weight_changed_a_little_fails_with_its_figures(exported: Bundle, espcn: TrainedModel) -> None:
    net = espcn.module()
    with torch.no_grad():
        net.get_parameter("subpixel.bias").add_(0.001)
    item = converted("onnx", "fp32", "float", exported.spec, {"model.fp32.onnx": reference_of(exported)}, "torch")
    found = evidence(exported, item, TorchReference(net))
    assert not found.passed
    assert found.verdicts[0].figure == pytest.approx(0.001, rel=0.01)


def reference_of(bundle: Bundle) -> bytes:
    return bundle.blobs(bundle.reference)[0]


def test_a_variant_can_be_measured_against_the_onnx_where_torch_has_no_net(exported: Bundle) -> None:
    model = parsed(reference_of(exported))
    item = converted("onnx", "fp32", "float", exported.spec, {"model.fp32.onnx": checked_bytes(model)}, "onnx")
    found = evidence(exported, item, OnnxReference(exported))
    assert found.passed
    assert found.reference == "onnx-fp32"
    assert found.verdicts[0].figure == 0


def test_a_file_its_engine_cannot_open_fails_with_the_engine_s_words(exported: Bundle, espcn: TrainedModel) -> None:
    item = converted("onnx", "fp32", "float", exported.spec, {"model.fp32.onnx": b"not a model"}, "torch")
    broken = measured(exported, [item], TorchReference(espcn.module()))
    found = read(broken, "onnx-fp32")
    assert not found.passed
    assert all("can't open espcn-x3" in note for note in found.notes)
