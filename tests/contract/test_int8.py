"""int8 through every engine that has it: what runs is int8, at any size, close to fp32, into any arrays.

The files are the targets' own tools' (``plain``), made from the seeded net: real int8, whatever its quality.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from subpixel.bundle import Bundle
from subpixel.choice import Candidate
from subpixel.engines.base import Request
from subpixel.engines.table import engine_row
from subpixel.errors import EngineError
from subpixel.frames import from_tensor, to_tensor
from subpixel.quality.metrics import psnr_db
from subpixel.spec import Array, Arrays

PLAIN_DB = 25.0  # noise through a random net is hard on 256 levels; a wrong scale or layout gives less than 10
TOOLS = {"onnxruntime": "onnxruntime.quantization", "openvino": "nncf", "litert": "ai_edge_quantizer"}


@pytest.fixture(scope="module", params=TOOLS)
def candidate(request: pytest.FixtureRequest, full_bundle: Bundle, require: Callable[[str], None]) -> Candidate:
    """An int8 variant with its engine."""
    name = request.param
    for package in (name, "torch", "onnx", TOOLS[name].partition(".")[0]):
        require(package)

    from subpixel.quantize.calibration import calibration
    from subpixel.quantize.targets import Material, quantiser

    pictures = Path(__file__).parents[2] / "runtime" / "gate_set"
    maker = quantiser(name)
    made = maker.plain(Material(full_bundle, calibration(pictures, 3, count=4)), frozenset())
    return Candidate(engine_row(name), full_bundle.plus(made.variant, made.blobs), made.variant, Request())


def frame(candidate: Candidate, height: int, width: int) -> Arrays:
    levels = np.random.default_rng((height, width)).integers(16, 236, (1, height, width), np.uint8)
    return {"lr": to_tensor(levels, candidate.variant.inputs[0])}


def planes(candidate: Candidate, results: Arrays) -> Array:
    return np.clip(from_tensor(results["sr"], candidate.variant.outputs[0], np.float32), 0, 1)


def test_what_runs_is_int8(candidate: Candidate) -> None:
    engine = candidate.open()
    assert engine.receipt.precision == "int8"
    assert engine.receipt.fallback is None
    engine.close()


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 5), (64, 48), (31, 40)], ids=lambda size: f"{size[1]}x{size[0]}")
def test_it_stays_near_the_reference_at_every_size(
    candidate: Candidate, size: tuple[int, int], expected: Callable[[Any], Any]
) -> None:
    inputs = frame(candidate, *size)
    engine = candidate.open()
    found = planes(candidate, engine.run(inputs))
    engine.close()
    given = from_tensor(inputs["lr"], candidate.variant.inputs[0], np.float32)
    needed = np.clip(expected(given[None].astype(np.float32))[0], 0, 1)
    assert found.shape == needed.shape
    assert psnr_db(found[0], needed[0]) >= PLAIN_DB


def test_given_arrays_get_what_would_have_been_returned(candidate: Candidate) -> None:
    inputs, wanted = frame(candidate, 12, 10), candidate.variant.outputs[0]
    engine = candidate.open()
    needed = np.array(engine.run(inputs)["sr"])
    outputs = {"sr": np.zeros(needed.shape, wanted.dtype)}
    engine.run(inputs, outputs)
    engine.close()
    assert np.array_equal(outputs["sr"], needed)


def test_float_arithmetic_of_an_int8_file_is_refused(candidate: Candidate) -> None:
    asked = Candidate(candidate.row, candidate.bundle, candidate.variant, Request(precision="fp32"))
    with pytest.raises(EngineError, match="int8"):
        asked.open()


def test_a_manifest_with_other_levels_than_the_file_is_refused(candidate: Candidate) -> None:
    """Levels read with a wrong scale would be a picture, only a wrong one."""
    from dataclasses import replace

    given = candidate.variant.inputs[0]
    if given.quantisation is None:
        pytest.skip(f"{candidate.variant.id} takes {given.dtype}: the manifest names no scale")
    wrong = replace(given, quantisation=replace(given.quantisation, scale=given.quantisation.scale * 2))
    lying = replace(candidate, variant=replace(candidate.variant, inputs=(wrong,)))
    with pytest.raises(EngineError, match="in the file"):
        lying.open()
