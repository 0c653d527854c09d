"""int8 of nets whose features meet the frame's plane in one convolution: both stand on one grid of its levels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from subpixel.bundle import Bundle
from subpixel.choice import Candidate
from subpixel.engines.base import Request
from subpixel.engines.table import engine_row
from subpixel.evidence import evidence_of
from subpixel.export.driver import add_variant
from subpixel.export.targets import target
from subpixel.quantize.calibration import Calibration
from subpixel.quantize.driver import Options, add_int8
from subpixel.quantize.grid import Grid
from subpixel.quantize.kernels import laid_out
from subpixel.quantize.qdq import quantised_graph, with_byte_edges
from subpixel.quantize.targets import Material, quantiser
from subpixel.quantize.tuning import plan_for
from subpixel.spec import LR, SR

Require = Callable[[str], None]
NEEDED: dict[str, tuple[str, ...]] = {
    "onnxruntime": (),
    "openvino": ("openvino",),
    "litert": ("litert", "litert_torch", "ai_edge_quantizer"),
}
IDS = {"onnxruntime": "onnx-int8-u8", "openvino": "openvino-int8-u8", "litert": "litert-int8-u8"}
LEVEL = 6 / 255  # of a frame's byte in a tensor that lies in [0, 6]


@pytest.fixture(scope="module")
def bundle(edge_nets: Any) -> Bundle:
    made: Bundle = edge_nets.edge_bundle(edge_nets.learnt_net())
    return made


@pytest.fixture(scope="module")
def handing_on(edge_nets: Any) -> Bundle:
    made: Bundle = edge_nets.edge_bundle(edge_nets.learnt_net(edge_nets.HANDED_ON))
    return made


def test_what_is_joined_and_the_frame_s_plane_have_the_levels_of_the_frame(bundle: Bundle, used: Calibration) -> None:
    material = Material(bundle, used)
    (scheme,) = {recipe.scheme for recipe in quantiser("onnxruntime").recipes[:1]}
    plan = plan_for(material.graph, used, scheme, "nearest", lambda layer: None)
    last = material.graph.layers[-1].source
    parts = material.graph.parts_of(last)
    assert material.graph.maker_of(last) == "Concat"
    assert len(parts) == 2
    assert {plan.inputs[name] for name in (last, *parts)} == {Grid(LEVEL, 0, "uint8")}


def test_a_plane_that_layers_hand_on_keeps_its_levels_to_the_last_bit(handing_on: Bundle, used: Calibration) -> None:
    material = Material(handing_on, used)
    graph = material.graph
    (scheme,) = {recipe.scheme for recipe in quantiser("onnxruntime").recipes[:1]}
    plan = plan_for(graph, used, scheme, "calibrated", lambda layer: None)
    inner = [layer.source for layer in graph.layers[1:]]
    assert {plan.inputs[name] for name in inner} == {Grid(1 / 64, 0, "uint8")}
    assert [graph.step_of(name, 1) for name in inner] == [None] * len(inner), "only the first channel holds it"
    model = quantised_graph(graph, plan)
    kept = [onnx.helper.make_tensor_value_info(f"{name}/q", onnx.TensorProto.UINT8, None) for name in inner]
    model.graph.output.extend(kept)
    levels = np.arange(256, dtype=np.float32).reshape(1, 1, 16, 16)
    session = ort.InferenceSession(model.SerializeToString())
    for plane in session.run([value.name for value in kept], {LR: levels / 255}):
        np.testing.assert_array_equal(plane[0, 0, 1:-1, 1:-1], levels[0, 0])


def test_a_plane_mixed_along_one_axis_stands_on_its_own_levels_with_room_for_white(
    edge_nets: Any, used: Calibration
) -> None:
    graph = Material(edge_nets.edge_bundle(edge_nets.learnt_lines()), used).graph
    (scheme,) = {recipe.scheme for recipe in quantiser("onnxruntime").recipes[:1]}
    plan = plan_for(graph, used, scheme, "calibrated", lambda layer: None)
    inner = [layer.source for layer in graph.layers[1:]]
    steps = [graph.step_of(name, channel) for channel in range(edge_nets.SCALE) for name in inner[-1:]]
    np.testing.assert_allclose(steps, 1 / 64, rtol=1e-6)
    assert graph.step_of(inner[-1], edge_nets.SCALE) is None, "the next channel is learnt"
    np.testing.assert_allclose([plan.inputs[name].scale for name in inner], 1 / 64, rtol=1e-6)


@pytest.mark.parametrize("form", ("beside", "handed on", "lines"))
@pytest.mark.parametrize("name", NEEDED)
def test_the_int8_net_stays_within_a_level_or_two_of_the_float_net(
    name: str, form: str, edge_nets: Any, used: Calibration, require: Require
) -> None:
    for package in NEEDED[name]:
        require(package)
    net = {
        "beside": edge_nets.learnt_net,
        "handed on": lambda: edge_nets.learnt_net(edge_nets.HANDED_ON),
        "lines": edge_nets.learnt_lines,
    }[form]()
    bundle = edge_nets.edge_bundle(net)
    if name == "litert":
        bundle = add_variant(bundle, target("litert"), net)
    made = add_int8(bundle, name, used, Options())
    variant = made.manifest.variant(IDS[name])
    evidence = evidence_of(made, variant)
    assert evidence is not None
    assert [str(v) for v in evidence.verdicts if not v] == []
    frame = used.frames[0][:, :, :, None] if variant.inputs[0].axes == "NHWC" else used.frames[0][None]
    found = run(made, name, IDS[name], frame.reshape(1, *frame.shape[-3:]))
    wanted = run(made, "onnxruntime", "onnx-fp32-u8", used.frames[0].reshape(1, 1, *used.frames[0].shape[-2:]))
    off = np.abs(found.astype(int) - wanted.astype(int))
    assert off.mean() < 0.6
    assert np.quantile(off, 0.999) <= 2


def test_every_convolution_gets_a_shape_that_onnxruntime_s_fast_kernels_take_and_the_same_bytes(
    bundle: Bundle, used: Calibration
) -> None:
    """The last features are clipped before they are rounded; the widened layers' cuts stand behind the shuffle."""
    material = Material(bundle, used)
    (scheme,) = {recipe.scheme for recipe in quantiser("onnxruntime").recipes[:1]}
    plan = plan_for(material.graph, used, scheme, "nearest", lambda layer: None)
    before = with_byte_edges(quantised_graph(material.graph, plan, integer_bias=True))
    after = laid_out(before)
    graph = onnx.load_model_from_string(after).graph
    assert not [node.name for node in graph.node if node.op_type == "DepthToSpace"]
    levels = {tensor.name: tensor.dims for tensor in graph.initializer if tensor.name.endswith("/levels")}
    convolutions = {name: dims[0] for name, dims in levels.items() if len(dims) == 4}
    assert convolutions
    assert {count % 16 for count in convolutions.values()} == {0}, convolutions
    frame = used.frames[0].reshape(1, 1, *used.frames[0].shape[-2:])
    found, wanted = (ort.InferenceSession(model).run(None, {LR: frame})[0] for model in (after, before))
    np.testing.assert_array_equal(found, wanted)


def run(bundle: Bundle, engine: str, id: str, frame: Any) -> Any:
    opened = Candidate(engine_row(engine), bundle, bundle.manifest.variant(id), Request()).open()
    result = np.squeeze(opened.run({LR: np.ascontiguousarray(frame)})[SR]).copy()
    opened.close()
    return result
