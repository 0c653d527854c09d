"""Every engine gives what the model gives, at any size, into any arrays."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from math import log10
from typing import Any

import numpy as np
import pytest

from subpixel.quality.gates import HALF_MIN_DB, PARITY_MAX_ABS, PARITY_U8_LEVELS
from subpixel.spec import Arrays

SIZES = ((1, 1), (1, 9), (9, 1), (7, 5), (64, 48))  # height and width
Subject = Any  # the class of conftest.py, which can't be imported


def limit(subject: Subject) -> float:
    return PARITY_U8_LEVELS if subject.variant.kind == "u8" else PARITY_MAX_ABS


def copied(results: Arrays) -> Arrays:
    return {name: np.array(array) for name, array in results.items()}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[1]}x{size[0]}")
def test_fp32_is_the_reference_at_every_size(subject: Subject, size: tuple[int, int]) -> None:
    inputs = subject.inputs(*size)
    with subject.opened(precision="fp32") as engine:
        assert subject.error(inputs, engine.run(inputs)) <= limit(subject)


def test_the_librarys_own_precision_passes_the_gate_of_that_precision(subject: Subject) -> None:
    inputs = subject.inputs(64, 48)
    with subject.opened() as engine:
        error, precision = subject.error(inputs, engine.run(inputs)), engine.receipt.precision
    full_scale = 255.0 if subject.variant.kind == "u8" else 1.0
    if precision in ("bf16", "fp16"):
        assert -20 * log10(error / full_scale + 1e-12) >= HALF_MIN_DB - 15  # the gate is on the mean, this is the peak
    else:
        assert error <= limit(subject)


def test_one_engine_takes_sizes_in_any_order(subject: Subject) -> None:
    with subject.opened(precision="fp32") as engine:
        for size in ((7, 5), (31, 40), (7, 5), (1, 1), (40, 31)):
            inputs = subject.inputs(*size)
            assert subject.error(inputs, engine.run(inputs)) <= limit(subject)


def test_a_batch_is_its_frames(subject: Subject) -> None:
    inputs = subject.inputs(12, 17, batch=3)
    with subject.opened(precision="fp32") as engine:
        results = engine.run(inputs)
        assert next(iter(results.values())).shape[0] == 3
        assert subject.error(inputs, results) <= limit(subject)


def test_results_are_written_into_the_arrays_that_are_given(subject: Subject) -> None:
    inputs = subject.inputs(7, 5)
    outputs = subject.outputs(inputs)
    with subject.opened(precision="fp32") as engine:
        returned = engine.run(inputs, outputs)
        assert {name: id(array) for name, array in returned.items()} == {n: id(a) for n, a in outputs.items()}
        assert subject.error(inputs, outputs) <= limit(subject)


def test_given_arrays_are_left_alone_by_later_calls(subject: Subject) -> None:
    inputs, others = subject.inputs(7, 5), subject.inputs(9, 5)
    outputs = subject.outputs(inputs)
    with subject.opened(precision="fp32") as engine:
        kept = copied(engine.run(inputs, outputs))
        engine.run(others)
        engine.run({name: 1 - array for name, array in inputs.items()})
        engine.run(inputs, subject.outputs(inputs))
    assert all(np.array_equal(outputs[name], kept[name]) for name in kept)


def test_arrays_of_another_size_can_be_given_each_time(subject: Subject) -> None:
    with subject.opened(precision="fp32") as engine:
        for size in ((5, 7), (64, 48), (5, 7)):
            inputs = subject.inputs(*size)
            assert subject.error(inputs, engine.run(inputs, subject.outputs(inputs))) <= limit(subject)


def test_inputs_are_not_changed(subject: Subject) -> None:
    inputs = subject.inputs(7, 5)
    before = copied(inputs)
    with subject.opened() as engine:
        engine.run(inputs)
        engine.run(inputs, subject.outputs(inputs))
    assert all(np.array_equal(inputs[name], before[name]) for name in before)


def strided(arrays: Arrays) -> Arrays:
    """The same values, every second row of taller arrays."""
    return {name: np.repeat(array, 2, axis=-2)[..., ::2, :] for name, array in arrays.items()}


def test_strided_arrays_are_taken_and_filled(subject: Subject) -> None:
    inputs = subject.inputs(14, 10)
    outputs = strided(subject.outputs(inputs))
    with subject.opened(precision="fp32") as engine:
        needed = copied(engine.run(inputs))
        found = copied(engine.run(strided(inputs)))
        engine.run(strided(inputs), outputs)
    assert all(np.array_equal(found[name], array) for name, array in needed.items())
    assert all(np.array_equal(outputs[name], array) for name, array in needed.items())


def test_read_only_inputs_are_taken(subject: Subject) -> None:
    inputs = subject.inputs(14, 10)
    with subject.opened(precision="fp32") as engine:
        needed = copied(engine.run(inputs))
        for array in inputs.values():
            array.flags.writeable = False
        found = engine.run(inputs)
        assert all(np.array_equal(found[name], array) for name, array in needed.items())


def test_results_outlive_the_engine_when_they_were_copied_into_given_arrays(subject: Subject) -> None:
    inputs = subject.inputs(64, 48)
    outputs = subject.outputs(inputs)
    with subject.opened(precision="fp32") as engine:
        engine.run(inputs, outputs)
    assert subject.error(inputs, outputs) <= limit(subject)


def test_reset_changes_nothing_of_an_image_model(subject: Subject) -> None:
    inputs = subject.inputs(7, 5)
    with subject.opened() as engine:
        first = copied(engine.run(inputs))
        engine.reset()
        again = engine.run(inputs)
        assert all(np.array_equal(again[name], first[name]) for name in first)


def test_frames_side_by_side_come_out_as_one_by_one(subject: Subject) -> None:
    if not subject.row.side_by_side:
        pytest.skip(f"{subject.row.name} takes one frame at a time")
    frames = [subject.inputs(24 + 8 * (index % 2), 40) for index in range(8)]
    with subject.opened() as engine:
        alone = [engine.run(frame, subject.outputs(frame)) for frame in frames]
    with subject.opened(threads=2, streams=2) as engine, ThreadPoolExecutor(2) as pool:
        assert engine.receipt.streams == 2
        assert engine.receipt.threads == 2
        found = list(pool.map(lambda frame: engine.run(frame, subject.outputs(frame)), frames))
    for one, other in zip(alone, found, strict=True):
        for name, array in one.items():
            assert np.abs(other[name].astype(float) - array).max() <= (1 if array.dtype == np.uint8 else 1e-5)
