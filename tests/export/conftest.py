"""Real exports and conversions, made once for all tests here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="export needs torch")
pytest.importorskip("onnx", reason="export needs onnx")

import onnx
from onnx import TensorProto, helper
from torch import nn

from subpixel.bundle import Bundle
from subpixel.export.driver import add_variant, export_module, export_trained
from subpixel.export.targets import target
from subpixel.manifest import Manifest
from subpixel.models.architecture import TrainedModel
from subpixel.models.registry import trained
from subpixel.spec import Colour, ModelSpec, Provenance


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to type commands in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def espcn() -> TrainedModel:
    """The committed weights."""
    return trained("espcn-x3")


@pytest.fixture(scope="session")
def exported(espcn: TrainedModel) -> Bundle:
    """As `subpixel export espcn --scale 3` makes it."""
    return export_trained(espcn)


@pytest.fixture(scope="session")
def openvino_bundle(exported: Bundle, espcn: TrainedModel, require: Callable[[str], None]) -> Bundle:
    require("openvino")
    return add_variant(exported, target("openvino"), espcn.module())


@pytest.fixture(scope="session")
def litert_bundle(exported: Bundle, espcn: TrainedModel, require: Callable[[str], None]) -> Bundle:
    require("litert")
    require("litert_torch")
    return add_variant(exported, target("litert"), espcn.module())


@pytest.fixture(scope="session")
def tensorrt_bundle(exported: Bundle, espcn: TrainedModel, require: Callable[[str], None]) -> Bundle:
    require("tensorrt_rtx")
    return add_variant(exported, target("tensorrt"), espcn.module())


@pytest.fixture(scope="session")
def bundle_of() -> Callable[..., Bundle]:
    """A bundle of any torch net: no registry, no weights."""

    def make(net: nn.Module, scale: int, colour: Colour = "y") -> Bundle:
        return export_module(net, empty_bundle(scale, colour))

    return make


def empty_bundle(scale: int, colour: Colour = "y") -> Bundle:
    """A contract without a variant."""
    spec = ModelSpec(f"toy-x{scale}", "1", scale, "image", colour, 4)
    return Bundle(Manifest(spec, Provenance(), ()), {})


@pytest.fixture(scope="session")
def scatter_model() -> bytes:
    """An ONNX graph with a scatter that adds, as forward warping has it."""
    axes = ["N", 1, "H", "W"]
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["lr"], ["where"], to=TensorProto.INT64),
            helper.make_node("ScatterElements", ["lr", "where", "lr"], ["sr"], "warp/Scatter", axis=3, reduction="add"),
        ],
        "toy",
        [helper.make_tensor_value_info("lr", TensorProto.FLOAT, axes)],
        [helper.make_tensor_value_info("sr", TensorProto.FLOAT, axes)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString()
    return data
