"""Nets of several frames and with states through the exporter: the contract, parity with states carried, targets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from subpixel.bundle import Bundle
from subpixel.errors import BadInputError, BundleError
from subpixel.evidence import Evidence, evidence_of, is_trusted
from subpixel.export.cli import frame_size
from subpixel.export.driver import add_variant, export_module
from subpixel.export.layers import compare_layers
from subpixel.export.onnx import parsed
from subpixel.export.parity import CARRIED, UNLIKE_EXPORT, TorchReference, cases, differences, evidence, layer_frame
from subpixel.export.targets import Converted, target
from subpixel.manifest import Manifest
from subpixel.models.registry import architecture
from subpixel.models.warping import warp
from subpixel.spec import ModelSpec, Provenance, StateSpec

VIDEO = ModelSpec("follows-x2", "1", 2, "video", "y", None, window=3, lookahead=1)
CARRIES = ModelSpec(
    "adds-x2", "1", 2, "recurrent", "y", None, window=2, lookahead=0, states=(StateSpec("sum", 3), StateSpec("last", 1))
)


class Follows(nn.Module):
    """Warps the frame before by what changed, and enlarges: order, flow and borders all show in the result."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(3, 4, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)

    def trunk(self, window: torch.Tensor) -> torch.Tensor:
        flow = torch.cat((window[:, 2:] - window[:, 1:2], window[:, :1] - window[:, 1:2]), dim=1) * 3
        moved = warp(window[:, :1], flow)
        result: torch.Tensor = self.mix(torch.cat((moved, window[:, 1:]), dim=1))
        return result

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.shuffle(self.trunk(window))
        return result


class Adds(nn.Module):
    """Two states of different channels, both of use in the next result."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Conv2d(6, 4, 3, padding=1)
        self.shuffle = nn.PixelShuffle(2)

    def forward(self, window: torch.Tensor, sum: torch.Tensor, last: torch.Tensor) -> tuple[torch.Tensor, ...]:
        result = self.shuffle(self.mix(torch.cat((window, sum, last), dim=1)))
        return result, 0.5 * sum + window[:, 1:] - 0.3 * last, window[:, :1]


class Forgets(Adds):
    """As if every frame were a clip's first."""

    def forward(self, window: torch.Tensor, sum: torch.Tensor, last: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return super().forward(window, torch.zeros_like(sum), torch.zeros_like(last))


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(11)
    return build().eval()


def exported_net(net: nn.Module, spec: ModelSpec) -> Bundle:
    return export_module(net, Bundle(Manifest(spec, Provenance(), ()), {}))


@pytest.fixture(scope="module")
def video() -> Bundle:
    return exported_net(seeded(Follows), VIDEO)


@pytest.fixture(scope="module")
def recurrent() -> Bundle:
    return exported_net(seeded(Adds), CARRIES)


def read(bundle: Bundle, id: str) -> Evidence:
    found = evidence_of(bundle, bundle.manifest.variant(id))
    assert found is not None
    return found


def assert_passed_everywhere(bundle: Bundle, id: str) -> None:
    found = read(bundle, id)
    assert found.passed, (found.verdicts, found.notes)
    assert is_trusted(bundle, bundle.manifest.variant(id))
    for height, width in UNLIKE_EXPORT:
        for content in ("noise", "picture"):
            assert found.figures[f"{width}x{height} {content} max_abs"] <= found.verdicts[0].limit


def test_a_window_is_one_tensor_of_frames(video: Bundle) -> None:
    for variant, dtype in ((video.manifest.variant("onnx-fp32"), "float32"), (video.manifest.variants[1], "uint8")):
        assert [(t.name, t.axes, t.dtype, t.role) for t in variant.inputs] == [("lr", "NTHW", dtype, "frame")]
        assert [(t.name, t.axes, t.dtype) for t in variant.outputs] == [("sr", "NCHW", dtype)]


def test_states_are_tensors_beside_the_frame_and_float_in_every_kind(recurrent: Bundle) -> None:
    for variant, dtype in zip(recurrent.manifest.variants, ("float32", "uint8"), strict=True):
        found = [(t.name, t.dtype, t.role) for t in (*variant.inputs, *variant.outputs)]
        states = [(name, "float32", "state") for name in ("sum", "last", "sum_next", "last_next")]
        assert found == [("lr", dtype, "frame"), *states[:2], ("sr", dtype, "frame"), *states[2:]]
        graph = parsed(recurrent.blobs(variant)[0]).graph
        assert [i.name for i in graph.input] == ["lr", "sum", "last"]
        assert [o.name for o in graph.output] == ["sr", "sum_next", "last_next"]


@pytest.mark.parametrize("id", ["onnx-fp32", "onnx-fp32-u8"])
def test_windows_and_states_pass_at_every_size(video: Bundle, recurrent: Bundle, id: str) -> None:
    assert_passed_everywhere(video, id)
    assert_passed_everywhere(recurrent, id)


@pytest.mark.parametrize("id", ["openvino-fp32", "openvino-fp32-u8"])
def test_openvino_takes_windows_and_states(
    video: Bundle, recurrent: Bundle, id: str, require: Callable[[str], None]
) -> None:
    require("openvino")
    for bundle, net in ((video, seeded(Follows)), (recurrent, seeded(Adds))):
        assert_passed_everywhere(add_variant(bundle, target("openvino"), net), id)


@pytest.mark.parametrize("spec", [VIDEO, CARRIES])
def test_frames_of_a_case_differ_and_states_see_several(spec: ModelSpec) -> None:
    for case in cases(spec, eight_bit=True):
        assert len(case.planes) == (3 if spec is VIDEO else 2 + CARRIED - 1)
        for before, after in zip(case.planes[:-1], case.planes[1:], strict=True):
            assert not np.array_equal(before, after), case.name
    assert CARRIED >= 3


def test_a_graph_that_carries_its_states_is_not_one_that_forgets(recurrent: Bundle) -> None:
    variant = recurrent.manifest.variant("onnx-fp32")
    item = Converted(variant, {file.path: recurrent.files[file.path] for file in variant.files})
    found = evidence(recurrent, item, TorchReference(seeded(Forgets), CARRIES))
    assert not found.passed
    assert found.verdicts[0].figure > 0.01


def test_layers_of_a_net_with_states_can_be_compared(recurrent: Bundle, video: Bundle) -> None:
    for bundle, net in ((recurrent, seeded(Adds)), (video, seeded(Follows))):
        found = compare_layers(net, bundle.blobs(bundle.reference)[0], layer_frame(bundle.spec))
        assert {"mix", "shuffle"} <= {layer.module for layer in found}
        assert not any(layer.differs for layer in found)


def test_litert_wants_the_frame_size_of_a_net_that_warps(video: Bundle, require: Callable[[str], None]) -> None:
    require("litert_torch")
    with pytest.raises(BundleError, match=r"GridSample.*--size 640x360"):
        add_variant(video, target("litert"), seeded(Follows))


def test_litert_holds_a_warping_net_for_one_frame_size(video: Bundle, require: Callable[[str], None]) -> None:
    require("litert")
    require("litert_torch")
    bundle = add_variant(video, target("litert"), seeded(Follows), size=(22, 30))
    for id in ("litert-fp32", "litert-fp32-u8"):
        found, variant = read(bundle, id), bundle.manifest.variant(id)
        assert found.passed, (found.verdicts, found.notes)
        assert variant.shapes == (22, 30)
        assert variant.inputs[0].axes == "NHWT"
        assert {name.split()[0] for name in found.figures} == {"30x22"}


def test_litert_refuses_states(recurrent: Bundle, require: Callable[[str], None]) -> None:
    require("litert_torch")
    with pytest.raises(BundleError, match="carries states; use openvino or onnxruntime"):
        add_variant(recurrent, target("litert"), seeded(Adds), size=(22, 30))


def test_tensorrt_keeps_a_warping_net_in_fp32(video: Bundle, require: Callable[[str], None]) -> None:
    require("tensorrt_rtx")
    bundle = add_variant(video, target("tensorrt"), seeded(Follows))
    made = {v.id: read(bundle, v.id) for v in bundle.manifest.variants if v.target == "tensorrt"}
    assert set(made) == {"tensorrt-fp32", "tensorrt-fp32-u8"}
    assert all(found.status == "parsed and built" and all(found.verdicts) for found in made.values())


@pytest.mark.parametrize(("text", "size"), [(None, None), ("640x360", (360, 640)), ("1x7", (7, 1))])
def test_a_frame_size_is_said_width_first(text: str | None, size: tuple[int, int] | None) -> None:
    assert frame_size(text) == size


@pytest.mark.parametrize("text", ["640", "0x4", "640x", "axb", "640x360x2"])
def test_a_frame_size_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="WIDTHxHEIGHT"):
        frame_size(text)


def lively(name: str, scale: int) -> tuple[nn.Module, ModelSpec]:
    """A published net with weights that make it move: flows of some pixels, states that matter."""
    known = architecture(name)
    torch.manual_seed(7)
    net = known.build(scale)
    net.initialise(torch.rand(2, 3, 16, 16))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return net.eval(), known.spec(scale)


@pytest.mark.timeout(1200)  # the exporter takes a minute of a core over their symbolic sizes
@pytest.mark.parametrize(("name", "scale"), [("vespcn", 3), ("spmc-recurrent", 4)])
def test_published_video_nets_pass_in_onnxruntime_and_openvino(
    name: str, scale: int, require: Callable[[str], None]
) -> None:
    require("openvino")
    net, spec = lively(name, scale)
    bundle = add_variant(exported_net(net, spec), target("openvino"), net)
    for variant in bundle.manifest.variants:
        assert_passed_everywhere(bundle, variant.id)
    if spec.states:
        for refusing in ("litert", "tensorrt"):
            with pytest.raises(BundleError, match="ScatterElements with a reduction"):
                add_variant(bundle, target(refusing), net, size=(24, 20))


def test_a_result_of_the_wrong_shape_is_a_failure_with_its_shapes(video: Bundle) -> None:
    from subpixel.choice import Candidate
    from subpixel.engines.base import Request
    from subpixel.export.parity import row_for

    engine = Candidate(row_for("onnx"), video, video.reference, Request(precision="fp32")).open()
    case = next(cases(VIDEO, eight_bit=False))
    (found,) = differences(engine, [(case, np.zeros((1, 3, 3), np.float32))])
    assert np.isnan(found.max_abs)
    assert "needed (1, 3, 3)" in found.fault
