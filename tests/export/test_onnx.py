"""The ONNX files: their bytes, their axes, their rounding."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from subpixel.bundle import Bundle
from subpixel.errors import BadInputError
from subpixel.export.graph import Reader, as_half, as_u8
from subpixel.export.onnx import IR_LIMIT, OPSET, export_float
from subpixel.models.architecture import TrainedModel
from subpixel.onnx_scan import names_external_data
from subpixel.spec import ModelSpec

ROOT = Path(__file__).parents[2]
KINDS = {"onnx-fp32": onnx.TensorProto.FLOAT, "onnx-fp32-u8": onnx.TensorProto.UINT8}


def file_of(bundle: Bundle, variant: str) -> bytes:
    return bundle.blobs(bundle.manifest.variant(variant))[0]


def run(model: bytes, frame: np.ndarray) -> np.ndarray:
    result: np.ndarray = onnxruntime.InferenceSession(model).run(None, {"lr": frame})[0]
    return result


@pytest.mark.parametrize("variant", KINDS)
def test_batch_height_and_width_are_free_and_tensors_have_their_names(exported: Bundle, variant: str) -> None:
    graph = onnx.load_model_from_string(file_of(exported, variant)).graph
    (given,), (wanted,) = graph.input, graph.output
    assert (given.name, wanted.name) == ("lr", "sr")
    assert [axis.dim_param or axis.dim_value for axis in given.type.tensor_type.shape.dim] == ["N", 1, "H", "W"]
    assert given.type.tensor_type.elem_type == wanted.type.tensor_type.elem_type == KINDS[variant]


@pytest.mark.parametrize("variant", KINDS)
def test_older_runtimes_can_read_the_file(exported: Bundle, variant: str) -> None:
    data = file_of(exported, variant)
    model = onnx.load_model_from_string(data)
    assert model.ir_version <= IR_LIMIT
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", OPSET)]
    assert not names_external_data(data)


@pytest.mark.parametrize("variant", KINDS)
def test_nothing_of_the_exporting_machine_is_in_the_file(exported: Bundle, variant: str) -> None:
    data = file_of(exported, variant)
    for trace in (str(ROOT), str(Path.home()), str(Path(torch.__file__).parent), "site-packages", ".py", "stack_trace"):
        assert trace.encode() not in data, trace
    model = onnx.load_model_from_string(data)
    assert not any(node.metadata_props or node.doc_string for node in model.graph.node)


def test_the_same_weights_give_the_same_bytes(exported: Bundle, espcn: TrainedModel) -> None:
    again = export_float(espcn.module(), exported.spec)
    assert again == file_of(exported, "onnx-fp32")
    assert as_u8(again) == file_of(exported, "onnx-fp32-u8")


def test_nodes_are_named_after_the_module_they_come_from(exported: Bundle) -> None:
    graph = onnx.load_model_from_string(file_of(exported, "onnx-fp32")).graph
    names = [node.name for node in graph.node]
    assert [n for n in names if "/" in n] == ["features/Conv", "mapping/Conv", "subpixel/Conv", "shuffle/DepthToSpace"]
    assert len(names) == len(set(names))


class Halves(nn.Module):
    """Looks levels up in a table whose entries lie exactly between two levels."""

    def __init__(self) -> None:
        super().__init__()
        between = (np.arange(256, dtype=np.float32) + np.float32(0.5)) / np.float32(255)
        self.table = nn.Parameter(torch.from_numpy(between))

    def forward(self, unit: torch.Tensor) -> torch.Tensor:
        return self.table[(unit * 255).round().to(torch.int64)]


def test_u8_rounds_halves_to_even_as_numpy_does_and_clamps() -> None:
    model = as_u8(export_float(Halves(), ModelSpec("halves-x1", "1", 1, "image", "y", 0)))
    levels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    real = Halves().table.detach().numpy()[levels] * np.float32(255)
    halves = int(np.sum(real[real < 255] % 2 == 0.5))
    assert halves > 50, "rounding up would not be told from rounding to even"
    np.testing.assert_array_equal(run(model, levels), np.clip(np.rint(real), 0, 255).astype(np.uint8))


@pytest.mark.parametrize("reader", get_args(Reader))
def test_the_u8_kind_is_the_float_kind_scaled_rounded_and_clipped(exported: Bundle, reader: Reader) -> None:
    plain = file_of(exported, "onnx-fp32")
    levels = np.random.default_rng(3).integers(0, 256, (2, 1, 19, 34), dtype=np.uint8)
    wanted = np.clip(np.rint(run(plain, levels / np.float32(255)) * np.float32(255)), 0, 255)
    found = run(as_u8(plain, reader), levels)
    assert found.dtype == np.uint8
    assert np.abs(found - wanted).max() <= 1
    assert np.mean(found != wanted) < 0.001


def test_half_precision_keeps_float_tensors_at_both_ends(exported: Bundle) -> None:
    model = onnx.load_model_from_string(as_half(file_of(exported, "onnx-fp32")))
    assert {tensor.data_type for tensor in model.graph.initializer} == {onnx.TensorProto.FLOAT16}
    for tensor in (model.graph.input[0], model.graph.output[0]):
        assert tensor.type.tensor_type.elem_type == onnx.TensorProto.FLOAT


def test_a_net_that_cannot_be_traced_is_refused_in_words() -> None:
    class Branching(nn.Module):
        def forward(self, unit: torch.Tensor) -> torch.Tensor:
            return unit if unit.sum().item() > 0 else -unit

    with pytest.raises(BadInputError, match="branching-x1 can't be exported to ONNX"):
        export_float(Branching(), ModelSpec("branching-x1", "1", 1, "image", "y", 0))
