"""OpenVINO, LiteRT and TensorRT: real conversions, run by the runtime's own engines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from subpixel.bundle import Bundle, file_record
from subpixel.errors import BadInputError, BundleError, NotFoundError
from subpixel.evidence import Evidence, evidence_of, is_trusted
from subpixel.export.driver import add_variant
from subpixel.export.graph import as_u8
from subpixel.export.openvino import intermediate
from subpixel.export.parity import UNLIKE_EXPORT
from subpixel.export.rebuild import rebuilt, rebuilt_or_none
from subpixel.export.targets import TARGETS, Converted, Material, converted, target
from subpixel.models.architecture import TrainedModel
from subpixel.quality.gates import HALF_MIN_DB
from subpixel.spec import Variant

WEIGHT_COUNT = 64 * 25 + 64 + 32 * 64 * 9 + 32 + 9 * 32 * 9 + 9


def read(bundle: Bundle, id: str) -> tuple[Variant, Evidence]:
    variant = bundle.manifest.variant(id)
    found = evidence_of(bundle, variant)
    assert found is not None
    return variant, found


@pytest.mark.parametrize("id", ["openvino-fp32", "openvino-fp32-u8"])
def test_openvino_passes_in_fp32_and_in_its_own_choice(openvino_bundle: Bundle, id: str) -> None:
    variant, found = read(openvino_bundle, id)
    assert found.passed
    assert (found.engine, found.status, variant.source) == ("openvino", "run", "onnx")
    assert found.verdicts[0].gate == "parity"
    for own in found.verdicts[1:]:  # there is one where the processor has bf16 or fp16
        assert (own.limit, own.at_least) == (HALF_MIN_DB, True)


def test_openvino_weights_stay_in_fp32(openvino_bundle: Bundle) -> None:
    text, weights = openvino_bundle.blobs(openvino_bundle.manifest.variant("openvino-fp32"))
    assert b'element_type="f16"' not in text
    assert len(weights) >= 4 * WEIGHT_COUNT


def test_openvino_conversion_gives_the_same_bytes_again(openvino_bundle: Bundle) -> None:
    blobs = openvino_bundle.blobs(openvino_bundle.manifest.variant("openvino-fp32"))
    assert intermediate(openvino_bundle.blobs(openvino_bundle.reference)[0]) == blobs


@pytest.mark.parametrize("id", ["litert-fp32", "litert-fp32-u8"])
def test_litert_takes_every_size(litert_bundle: Bundle, id: str) -> None:
    variant, found = read(litert_bundle, id)
    assert found.passed
    assert (found.engine, found.status, variant.source, variant.shapes) == ("litert", "run", "torch", None)
    assert variant.inputs[0].axes == variant.outputs[0].axes == "NHWC"
    assert sum(key.endswith("max_abs") for key in found.figures) == 2 * len(UNLIKE_EXPORT)


def test_litert_ends_in_its_own_shuffle_and_has_named_tensors(litert_bundle: Bundle) -> None:
    from ai_edge_litert.interpreter import Interpreter

    for id, dtype in (("litert-fp32", np.float32), ("litert-fp32-u8", np.uint8)):
        interpreter = Interpreter(model_content=litert_bundle.blobs(litert_bundle.manifest.variant(id))[0])
        (given,), (wanted,) = interpreter.get_input_details(), interpreter.get_output_details()
        assert (given["name"], wanted["name"]) == ("lr", "sr")
        assert given["dtype"] == wanted["dtype"] == dtype
        assert list(given["shape_signature"]) == [-1, -1, -1, 1]
        assert list(interpreter.get_signature_list()) == ["serving_default"]


class Colours(nn.Module):
    """A small net of three colours, to see that planes and phases don't get mixed up."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(7)
        self.last, self.shuffle = nn.Conv2d(3, 12, 3, padding=1), nn.PixelShuffle(2)

    def trunk(self, unit: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.last(unit)
        return result

    def forward(self, unit: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.shuffle(self.trunk(unit))
        return result


@pytest.fixture(scope="module")
def coloured(bundle_of: Callable[..., Bundle]) -> Bundle:
    return bundle_of(Colours(), 2, "rgb")


def test_litert_keeps_the_planes_of_a_colour_model(coloured: Bundle, require: Callable[[str], None]) -> None:
    require("litert")
    require("litert_torch")
    bundle = add_variant(coloured, target("litert"), Colours())
    for id in ("litert-fp32", "litert-fp32-u8"):
        _, found = read(bundle, id)
        assert found.passed, found.verdicts


def test_litert_refuses_a_shuffle_it_cannot_reach(exported: Bundle, require: Callable[[str], None]) -> None:
    require("litert_torch")
    no_trunk = nn.Sequential(nn.Conv2d(1, 9, 3, padding=1), nn.PixelShuffle(3))
    with pytest.raises(BundleError, match=r"'shuffle/DepthToSpace'.*`trunk`"):
        add_variant(exported, target("litert"), no_trunk)


@pytest.mark.parametrize("id", ["tensorrt-fp32", "tensorrt-fp32-u8", "tensorrt-fp16", "tensorrt-fp16-u8"])
def test_tensorrt_is_parsed_and_built_and_never_called_run(tensorrt_bundle: Bundle, id: str) -> None:
    variant, found = read(tensorrt_bundle, id)
    assert found.status == "parsed and built"
    assert not found.passed
    assert not is_trusted(tensorrt_bundle, variant)
    assert all(found.verdicts)
    assert "not run" in found.notes[0]
    assert "tensorrt_rtx" in found.notes[0]


def test_tensorrt_fp16_computes_in_fp16_between_float_or_byte_frames(tensorrt_bundle: Bundle) -> None:
    for id, kind in (("tensorrt-fp16", onnx.TensorProto.FLOAT), ("tensorrt-fp16-u8", onnx.TensorProto.UINT8)):
        graph = onnx.load_model_from_string(tensorrt_bundle.blobs(tensorrt_bundle.manifest.variant(id))[0]).graph
        weights = [t for t in graph.initializer if t.dims]
        assert {tensor.data_type for tensor in weights} == {onnx.TensorProto.FLOAT16}
        assert graph.input[0].type.tensor_type.elem_type == graph.output[0].type.tensor_type.elem_type == kind


def test_tensorrt_in_fp32_is_the_reference_file_itself(tensorrt_bundle: Bundle) -> None:
    assert tensorrt_bundle.manifest.variant("tensorrt-fp32").files == tensorrt_bundle.reference.files


def test_what_tensorrt_cannot_build_is_refused_with_its_words(exported: Bundle, require: Callable[[str], None]) -> None:
    require("tensorrt_rtx")
    bytes_through_the_shuffle = as_u8(exported.blobs(exported.reference)[0], "openvino")
    with pytest.raises(BundleError, match=r"tensorrt-fp32: .*tensorrt_rtx"):
        add_variant(with_reference(exported, bytes_through_the_shuffle), target("tensorrt"))


def with_reference(bundle: Bundle, model: bytes) -> Bundle:
    item = converted("onnx", "fp32", "float", bundle.spec, {"model.fp32.onnx": model}, "onnx")
    return bundle.plus(item.variant, item.blobs)


@pytest.mark.parametrize("name", ["litert", "tensorrt"])
def test_a_scatter_that_adds_is_refused_by_node_reason_and_way_out(
    exported: Bundle, scatter_model: bytes, name: str, require: Callable[[str], None]
) -> None:
    require("litert_torch" if name == "litert" else "onnx")
    material = Material(with_reference(exported, scatter_model), nn.Identity())
    with pytest.raises(BundleError, match=r"'warp/Scatter' \(ScatterElements with a reduction\).*gather.*openvino"):
        target(name).requires(material)


def test_openvino_takes_a_scatter_that_adds(
    exported: Bundle, scatter_model: bytes, require: Callable[[str], None]
) -> None:
    require("openvino")
    material = Material(with_reference(exported, scatter_model))
    target("openvino").requires(material)
    assert all(isinstance(item, Converted) for item in target("openvino").convert(material))


def test_a_foreign_bundle_goes_to_openvino_and_not_to_litert(coloured: Bundle, require: Callable[[str], None]) -> None:
    require("openvino")
    require("litert_torch")
    assert rebuilt_or_none(coloured) is None
    with pytest.raises(BundleError, match="names no architecture of this package"):
        rebuilt(coloured)
    with pytest.raises(BundleError, match="litert is converted from torch"):
        add_variant(coloured, target("litert"))
    _, found = read(add_variant(coloured, target("openvino")), "openvino-fp32")
    assert found.passed
    assert found.reference == "onnx-fp32"


def test_the_net_is_rebuilt_from_the_weights_whose_hash_the_bundle_names(
    exported: Bundle, espcn: TrainedModel, tmp_path: Path
) -> None:
    file = tmp_path / "mine.safetensors"
    file.write_bytes(espcn.weights)
    frame = torch.rand(1, 1, 6, 7)
    for net in (rebuilt(exported), rebuilt(exported, file)):
        torch.testing.assert_close(net(frame), espcn.module()(frame), rtol=0, atol=0)


def test_other_weights_than_the_bundle_was_made_from_are_refused(exported: Bundle, tmp_path: Path) -> None:
    file = tmp_path / "other.safetensors"
    file.write_bytes(b"something else")
    with pytest.raises(BundleError, match="is another file"):
        rebuilt_or_none(exported, file)
    with pytest.raises(NotFoundError, match="no such file"):
        rebuilt(exported, tmp_path / "absent.safetensors")


def test_an_unknown_target_is_refused_with_those_there_are() -> None:
    with pytest.raises(BadInputError, match=", ".join(TARGETS)):
        target("coreml")


def test_evidence_names_the_file_it_measured(openvino_bundle: Bundle) -> None:
    for variant in openvino_bundle.manifest.variants:
        record = json.loads(openvino_bundle.files[f"evidence/{variant.id}.json"])
        assert record["sha256"] == file_record("", openvino_bundle.blobs(variant)[0]).sha256
