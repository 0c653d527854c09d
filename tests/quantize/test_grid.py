"""Grids: zero is a level, fine steps against cut extremes, sigmoid's table."""

from __future__ import annotations

import numpy as np
import pytest

from subpixel.quantize.grid import BYTES, Range, asymmetric, behind_sigmoid, cut, least_error, symmetric


@pytest.mark.parametrize("found", [Range(-0.7, 0.3), Range(0.2, 0.9), Range(-3.0, -1.0), Range(0.0, 0.0)])
def test_zero_is_a_level_so_that_padding_stays_exact(found: Range) -> None:
    for grid in (asymmetric(found), symmetric(found)):
        assert float(grid.quantised(np.zeros(1))[0]) == 0.0
        info = np.iinfo(grid.dtype)
        assert info.min <= grid.zero_point <= info.max


def test_every_byte_of_a_frame_is_a_level() -> None:
    levels = np.arange(256) / 255
    assert np.allclose(BYTES.quantised(levels), levels, atol=1e-12)


def test_rare_extremes_are_cut_for_finer_steps() -> None:
    values = np.random.default_rng(0).normal(0, 0.1, 20_000).astype(np.float32)
    values[0] = 2.0
    found = Range(float(values.min()), 2.0)
    whole = asymmetric(found)
    best = least_error(cut(found, asymmetric), values)
    assert best.scale < whole.scale
    assert np.mean((best.quantised(values) - values) ** 2) < np.mean((whole.quantised(values) - values) ** 2)


def test_what_a_tanh_flattens_is_cut_sooner() -> None:
    values = np.random.default_rng(0).uniform(-4, 4, 20_000).astype(np.float32)
    grids = cut(Range(-4.0, 4.0), asymmetric)
    assert least_error(grids, values, "Tanh").scale < least_error(grids, values).scale


@pytest.mark.parametrize("high", [0.1, 0.4, 0.9, 1.0])
def test_sigmoid_s_bytes_are_tanh_s(high: float) -> None:
    """tanh(x) = 2 sigmoid(2 x) - 1: the same byte means both, with the zero point at half of sigmoid's range."""
    grid = behind_sigmoid(high)
    x = np.linspace(-3, np.arctanh(min(high, 0.99)), 500)
    stored = np.clip(np.rint(1 / (1 + np.exp(-2 * x)) / (grid.scale / 2)), 0, 255)
    tanh = (stored - grid.zero_point) * grid.scale
    assert np.abs(tanh - np.tanh(x)).max() <= grid.scale
    assert grid.limits[1] >= min(high, 0.99) - grid.scale
