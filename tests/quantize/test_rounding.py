"""Calibrated rounding: results stay where nearest rounding moves them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from subpixel.quantize.rounding import TOP, Moments, Rounded, calibrated, nearest

Columns = NDArray[np.float32]


def layer(seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64], Columns]:
    """Weights, biases, and columns as images have them: neighbours alike, a mean."""
    random = np.random.default_rng(seed)
    weights, bias = random.normal(0, 0.2, (8, 25)), random.normal(0, 0.1, 8)
    smooth = random.normal(0, 1, (25, 3)) @ random.normal(0, 1, (3, 4000))
    return weights, bias, (0.5 + 0.1 * smooth + 0.01 * random.normal(0, 1, smooth.shape)).astype(np.float32)


def error(found: Rounded, columns: Columns, wanted: Columns) -> float:
    given = (found.levels * found.scale[:, None]) @ columns + found.bias[:, None]
    return float(np.mean((given - wanted) ** 2))


@pytest.mark.parametrize("seed", range(3))
def test_results_stay_far_better_than_by_the_nearest_level(seed: int) -> None:
    weights, bias, columns = layer(seed)
    wanted = (weights @ columns + bias[:, None]).astype(np.float32)
    moments = Moments(25, 8)
    moments.add(columns, wanted)
    by_results = calibrated(weights, moments.centred())
    assert error(by_results, columns, wanted) < 0.1 * error(nearest(weights, bias), columns, wanted)


def test_it_makes_up_for_an_input_that_is_already_coarse() -> None:
    weights, bias, columns = layer()
    wanted = (weights @ columns + bias[:, None]).astype(np.float32)
    coarse = (np.floor(columns * 20) / 20).astype(np.float32)
    moments = Moments(25, 8)
    moments.add(coarse, wanted)
    found = calibrated(weights, moments.centred())
    means = (found.levels * found.scale[:, None]) @ coarse.mean(1) + found.bias
    assert np.allclose(means, wanted.mean(1), atol=1e-3), "the bias of rounding down is gone"
    assert error(found, coarse, wanted) < 0.5 * error(nearest(weights, bias), coarse, wanted)


def test_the_largest_weight_of_each_row_is_the_last_level() -> None:
    """So any tool that takes the largest weight for its scale finds the same levels again."""
    weights, bias, columns = layer()
    moments = Moments(25, 8)
    moments.add(columns, (weights @ columns).astype(np.float32))
    for found in (nearest(weights, bias), calibrated(weights, moments.centred())):
        assert np.all(np.abs(found.levels.astype(int)).max(1) == TOP)
        real = found.levels * found.scale[:, None].astype(np.float64)
        again = nearest(real, bias)
        assert np.array_equal(again.levels, found.levels)
        assert np.allclose(again.scale, found.scale, rtol=1e-6)


def test_weights_count() -> None:
    """What counts more is kept better."""
    weights, bias, columns = layer()
    wanted = (weights @ columns + bias[:, None]).astype(np.float32)
    flat = np.full((25, 50), 0.9, np.float32)
    flat_wanted = (weights @ flat + bias[:, None]).astype(np.float32)
    errors = []
    for weight in (0.0, 100.0):
        moments = Moments(25, 8)
        moments.add(columns, wanted)
        moments.add(flat, flat_wanted, weight)
        errors.append(error(calibrated(weights, moments.centred()), flat, flat_wanted))
    assert errors[1] < 0.3 * errors[0]


def test_a_row_of_zeros_stays_zero() -> None:
    found = nearest(np.zeros((2, 4)), np.array([0.5, -0.5]))
    assert not found.levels.any()
    assert np.all(found.scale > 0)
    assert np.allclose(found.bias, [0.5, -0.5])
