"""Engines of models that carry states: the states stay inside, in every library, and everything else is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from subpixel.bundle import Bundle, file_record
from subpixel.choice import Candidate
from subpixel.engines.base import Engine, Request
from subpixel.engines.table import engine_row
from subpixel.errors import BadInputError
from subpixel.manifest import Manifest
from subpixel.spec import ModelSpec, Provenance, StateSpec, Variant, tensors_in, tensors_out

LEVELS = (0.1, 0.25, 0.4, 0.7)


@pytest.fixture(params=["onnxruntime", "openvino"])
def engine(request: pytest.FixtureRequest, require: Any, toy_nets: Any) -> Iterator[Engine]:
    """The running sum of windows of two frames, float."""
    require(request.param)
    bundle = toy_nets.running_sum(2, 1)
    opened = Candidate(engine_row(request.param), bundle, bundle.reference, Request(precision="fp32")).open()
    yield opened
    opened.close()


def window(level: float, shape: tuple[int, int] = (5, 7), batch: int = 1) -> dict[str, Any]:
    """The first of the two frames counts, the second is one to be ignored."""
    frames = np.full((batch, 2, *shape), 0.9, np.float32)
    frames[:, 0] = level
    return {"lr": frames}


def test_callers_see_frames_only_and_each_adds_up(engine: Engine) -> None:
    for number, level in enumerate(LEVELS, 1):
        results = engine.run(window(level))
        assert set(results) == {"sr"}
        assert results["sr"].shape == (1, 1, 10, 14)
        assert np.allclose(results["sr"], sum(LEVELS[:number]) / 16, atol=1e-6)


def test_reset_starts_from_zeros(engine: Engine) -> None:
    engine.run(window(0.8))
    engine.reset()
    assert np.allclose(engine.run(window(0.4))["sr"], 0.4 / 16, atol=1e-6)


@pytest.mark.parametrize("other", [{"shape": (6, 7)}, {"shape": (5, 6)}, {"batch": 2}])
def test_frames_of_another_size_start_from_zeros(other: dict[str, Any], engine: Engine) -> None:
    engine.run(window(0.8))
    assert np.allclose(engine.run(window(0.4, **other))["sr"], 0.4 / 16, atol=1e-6)
    assert np.allclose(engine.run(window(0.4, **other))["sr"], 0.8 / 16, atol=1e-6)
    assert np.allclose(engine.run(window(0.4))["sr"], 0.4 / 16, atol=1e-6)


def test_results_go_where_the_caller_says(engine: Engine) -> None:
    for number, level in enumerate(LEVELS, 1):
        mine = {"sr": np.full((1, 1, 10, 14), 7, np.float32)}
        assert engine.run(window(level), mine)["sr"] is mine["sr"]
        assert np.allclose(mine["sr"], sum(LEVELS[:number]) / 16, atol=1e-6)
    apart = np.zeros((1, 1, 10, 28), np.float32)[..., ::2]
    engine.run(window(0.0), {"sr": apart})
    assert np.allclose(apart, sum(LEVELS) / 16, atol=1e-6)


def test_states_of_the_caller_and_other_windows_are_refused(engine: Engine) -> None:
    with pytest.raises(BadInputError, match="found inputs"):
        engine.run({**window(0.1), "total": np.zeros((1, 1, 5, 7), np.float32)})
    with pytest.raises(BadInputError, match="window of 3 frames, needed 2"):
        engine.run({"lr": np.zeros((1, 3, 5, 7), np.float32)})
    with pytest.raises(BadInputError, match="found outputs"):
        engine.run(window(0.1), {"sr": np.zeros((1, 1, 10, 14), np.float32), "total_next": np.zeros(1, np.float32)})


def test_a_refused_frame_does_not_count(engine: Engine) -> None:
    engine.run(window(0.8))
    with pytest.raises(BadInputError):
        engine.run({"lr": np.zeros((1, 2, 5), np.float32)})
    assert np.allclose(engine.run(window(0.4))["sr"], 1.2 / 16, atol=1e-6)


def test_litert_carries_states_in_its_own_layout(require: Any) -> None:
    """Converted from torch, channels last, its tensors in the file's order."""
    require("litert")
    require("litert_torch")
    spec = ModelSpec("sum-x1", "1", 1, "recurrent", "y", None, 1, 2, 1, (StateSpec("total", 1),))
    bundle = litert_sum(spec)
    opened = Candidate(engine_row("litert"), bundle, bundle.manifest.variants[0], Request()).open()
    try:
        for shape in ((6, 9), (4, 5)):
            for number, level in enumerate(LEVELS, 1):
                frames = np.moveaxis(window(level, shape)["lr"], 1, -1)
                found = opened.run({"lr": frames})["sr"]
                assert found.shape == (1, *shape, 1)
                assert np.allclose(found, sum(LEVELS[:number]) / 16, atol=1e-6)
    finally:
        opened.close()


def litert_sum(spec: ModelSpec) -> Bundle:
    import litert_torch
    import torch

    class Sum(torch.nn.Module):
        def forward(self, lr: torch.Tensor, total: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            following = total + lr[..., :1] / 16
            return following * 1.0, following

    example = (torch.zeros(1, 6, 9, 2), torch.zeros(1, 6, 9, 1))
    data = litert_torch.convert(Sum().eval(), example).model_content()
    record = file_record("model.tflite", data)
    variant = Variant(
        "litert-fp32", "litert", "fp32", "float", (record,), tensors_in(spec, "float", "NHWC"),
        tensors_out(spec, "float", "NHWC"), "torch",
    )  # fmt: skip
    empty = Bundle(Manifest(replace(spec), Provenance(created_by="the tests"), ()), {})
    return empty.plus(variant, {record.path: data})
