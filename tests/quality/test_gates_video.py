"""The gates on models of several frames, with states and in colour: good ones pass, and each kind of damage is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from subpixel.bundle import Bundle
from subpixel.choice import Candidate
from subpixel.engines.base import Request
from subpixel.engines.table import engine_row
from subpixel.feeding import as_fed, clip_by
from subpixel.measuring import ImageSet, Run, gate_set, measure, onnx_reference, reference_candidate
from subpixel.quality.gate_measure import Frame, Plane
from subpixel.spec import ModelSpec, StateSpec


@pytest.fixture(scope="module")
def small() -> ImageSet:
    """A corner of a gate image."""
    whole = gate_set(2).frames[0]
    assert whole.hr is not None
    return ImageSet("corner", (Frame(whole.name, whole.lr[:40, :48].copy(), whole.hr[:80, :96].copy()),))


@pytest.fixture(scope="module", autouse=True)
def quick() -> Any:
    """Smaller frames to time: nothing here looks at the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("subpixel.measuring.TIMED_SIZE", (36, 64))
        yield


def run(good: Bundle, found: Bundle, id: str, sets: ImageSet, engine: str = "onnxruntime") -> Run:
    """Variant ``id`` of ``found`` against ``good``'s reference."""
    variant = found.manifest.variant(id)
    candidate = Candidate(engine_row(engine), found, variant, Request(precision="fp32"))
    return measure(candidate, onnx_reference(reference_candidate(Candidate(
        engine_row(engine), good, good.reference, Request()))), (sets,))  # fmt: skip


def gates_of(found: Run) -> dict[str, bool]:
    return {verdict.gate: bool(verdict) for verdict in found.verdicts}


@pytest.mark.parametrize("id", ["onnx-fp32", "onnx-fp32-u8"])
@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_good_ones_pass(id: str, engine: str, require: Any, toy_nets: Any, small: ImageSet) -> None:
    require(engine)
    for bundle, tiled in (
        (toy_nets.picks(2), True),
        (toy_nets.running_sum(2, 1), False),
        (toy_nets.same_colours(), True),
    ):
        found = run(bundle, bundle, id, small, engine)
        assert gates_of(found) == {"parity": True} | ({"tiled against whole": True} if tiled else {})
        assert found.max_abs <= (1 if id.endswith("u8") else 1e-6)
        assert found.ms > 0


def test_a_window_in_the_wrong_order_fails_parity(toy_nets: Any, small: ImageSet) -> None:
    assert gates_of(run(toy_nets.picks(2), toy_nets.picks(0), "onnx-fp32", small))["parity"] is False


def test_colours_in_the_wrong_order_fail_parity(toy_nets: Any) -> None:
    coloured = gate_set(2, "rgb").frames[0]
    assert coloured.hr is not None
    corner = ImageSet("corner", (Frame("corner", coloured.lr[:40, :48].copy(), coloured.hr[:80, :96].copy()),))
    assert gates_of(run(toy_nets.same_colours(), toy_nets.same_colours(), "onnx-fp32", corner))["parity"]
    assert not gates_of(run(toy_nets.same_colours(), toy_nets.turned_colours(), "onnx-fp32", corner))["parity"]


def test_flicker_and_flat_patches_are_measured_on_clips(toy_nets: Any, small: ImageSet) -> None:
    """Variants that call themselves int8 go through these gates; the same net passes them all."""
    for make in (lambda: toy_nets.picks(1), toy_nets.running_sum, toy_nets.same_colours):
        bundle = make()
        marked = replace(bundle.manifest.variant("onnx-fp32-u8"), id="onnx-int8-u8", precision="int8")
        both = bundle.plus(marked, {})
        variant = both.manifest.variant("onnx-int8-u8")
        candidate = Candidate(engine_row("onnxruntime"), both, variant, Request())
        found = measure(candidate, onnx_reference(reference_candidate(candidate)), (small,))
        passed = gates_of(found)
        assert {"int8 loss", "int8 mean bias", "int8 flat patches", "flicker"} <= set(passed)
        assert all(passed.values()), [str(v) for v in found.verdicts if not v]


def test_a_clip_is_played_with_its_windows_and_states() -> None:
    model = ModelSpec("toy", "1", 1, "recurrent", "y", None, 1, 3, 1, (StateSpec("h", 1),))
    starts: list[bool] = []

    def step(planes: Plane, starts_clip: bool) -> Plane:
        starts.append(starts_clip)
        return planes[2:]

    clip = [np.full((4, 4), level, np.float32) for level in (0.1, 0.2, 0.3)]
    assert [float(f[0, 0]) for f in clip_by(step, model)(clip)] == pytest.approx([0.2, 0.3, 0.3])
    assert starts == [True, False, False]


def test_a_stills_window_moves_by_parts_of_a_pixel_and_keeps_the_still_in_its_place() -> None:
    model = ModelSpec("toy", "1", 2, "video", "y", 4, 1, 3, 1)
    slope = np.add.outer(4 * np.arange(12), 2 * np.arange(16)).astype(np.float32) / np.float32(255)
    window = as_fed(slope, model)
    assert np.array_equal(window[1], slope)
    step = 4 * 0.25 + 2 * 0.5
    assert np.allclose((window[2] - slope)[2:-2, 2:-2] * 255, step)
    assert np.allclose((window[0] - slope)[2:-2, 2:-2] * 255, -step)
    assert np.allclose(window * 255, np.rint(window * 255), atol=1e-4)
