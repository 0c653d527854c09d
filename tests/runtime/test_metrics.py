"""PSNR, SSIM and luma against slow versions written from their definitions; what gates make of odd figures."""

from __future__ import annotations

from math import exp, inf, isnan, log10, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from subpixel.quality.colour import luma
from subpixel.quality.gates import Verdict, all_passed
from subpixel.quality.metrics import psnr_db, shave, ssim
from subpixel.quality.ycbcr import rgb_from_ycbcr, ycbcr_from_rgb

Plane = NDArray[np.float64]


def noisy(height: int, width: int, seed: int, strength: float = 0.1) -> tuple[Plane, Plane]:
    rng = np.random.default_rng(seed)
    truth = rng.random((height, width))
    return truth + rng.normal(0, strength, truth.shape), truth


def slow_ssim(x: Plane, y: Plane, peak: float) -> float:
    """Wang et al. 2004, equation 13, a window at a time."""
    taps = [[exp(-(r * r + c * c) / (2 * 1.5**2)) for c in range(-5, 6)] for r in range(-5, 6)]
    weight = np.array(taps) / sum(map(sum, taps))
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    found = []
    for r in range(x.shape[0] - 10):
        for c in range(x.shape[1] - 10):
            a, b = x[r : r + 11, c : c + 11], y[r : r + 11, c : c + 11]
            mean_a, mean_b = (weight * a).sum(), (weight * b).sum()
            var_a, var_b = (weight * (a - mean_a) ** 2).sum(), (weight * (b - mean_b) ** 2).sum()
            both = (weight * (a - mean_a) * (b - mean_b)).sum()
            top = (2 * mean_a * mean_b + c1) * (2 * both + c2)
            found.append(top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2)))
    return float(np.mean(found))


@given(st.integers(11, 20), st.integers(11, 20), st.integers(0, 999), st.sampled_from((1.0, 255.0)))
@settings(max_examples=25, deadline=None)
def test_ssim_is_what_its_paper_says(height: int, width: int, seed: int, peak: float) -> None:
    result, truth = noisy(height, width, seed)
    assert ssim(result * peak, truth * peak, peak=peak) == pytest.approx(slow_ssim(result * peak, truth * peak, peak))


def test_ssim_leaves_the_border_out() -> None:
    result, truth = noisy(25, 27, 7)
    spoiled = result.copy()
    spoiled[:3], spoiled[:, -3:] = 9, -9
    assert (
        ssim(spoiled, truth, border=3) == ssim(result, truth, border=3) == ssim(result[3:-3, 3:-3], truth[3:-3, 3:-3])
    )


def test_ssim_of_equal_planes_is_one() -> None:
    assert ssim(noisy(12, 12, 1)[1], noisy(12, 12, 1)[1]) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("shape", "border"), [((10, 30), 0), ((12, 30), 1), ((5, 5), 3)])
def test_ssim_of_too_small_a_plane_is_refused(shape: tuple[int, int], border: int) -> None:
    with pytest.raises(ValueError, match="needs 11|nothing left"):
        ssim(np.zeros(shape), np.zeros(shape), border)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 999))
def test_psnr_is_what_its_formula_says(height: int, width: int, seed: int) -> None:
    result, truth = noisy(height, width, seed)
    mse = sum((float(a) - float(b)) ** 2 for a, b in zip(result.ravel(), truth.ravel(), strict=True)) / truth.size
    assert psnr_db(result, truth) == pytest.approx(10 * log10(1 / mse))
    assert psnr_db(result * 255, truth * 255, peak=255) == pytest.approx(10 * log10(1 / mse))


def test_psnr_of_whole_numbers_does_not_wrap_around() -> None:
    black, white = np.zeros((4, 4), np.uint8), np.full((4, 4), 255, np.uint8)
    assert psnr_db(black, white, peak=255) == psnr_db(white, black, peak=255) == 0


def test_psnr_of_equal_planes_is_infinite_and_of_nan_is_nan() -> None:
    plane = noisy(6, 6, 2)[1]
    assert psnr_db(plane, plane) == inf
    broken = plane.copy()
    broken[3, 3] = nan
    assert isnan(psnr_db(broken, plane))
    assert isnan(ssim(np.full((12, 12), nan), np.zeros((12, 12))))


def test_psnr_leaves_the_border_out() -> None:
    plane = noisy(9, 9, 3)[1]
    spoiled = plane.copy()
    spoiled[0], spoiled[:, -1] = 7, 7
    assert psnr_db(spoiled, plane, border=1) == inf
    assert psnr_db(spoiled, plane) < 10


@pytest.mark.parametrize("other", [(4, 1), (1, 5), (5, 4), (4, 5, 1)])
def test_planes_of_different_shapes_are_never_compared(other: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="one shape"):
        psnr_db(np.zeros((4, 5)), np.zeros(other))


@pytest.mark.parametrize("border", [2, 3, 50])
def test_a_border_that_leaves_nothing_is_refused(border: int) -> None:
    with pytest.raises(ValueError, match="nothing left"):
        psnr_db(np.zeros((4, 9)), np.ones((4, 9)), border)


def test_shaving_nothing_is_the_same_plane() -> None:
    plane = noisy(5, 6, 4)[1]
    assert np.array_equal(shave(plane, 0), plane)
    assert np.array_equal(shave(plane, 2), plane[2:3, 2:4])


@pytest.mark.parametrize(
    ("rgb", "y"), [((0, 0, 0), 16), ((255, 255, 255), 235), ((255, 0, 0), 81.481), ((0, 255, 0), 144.553)]
)
def test_luma_has_studio_swing(rgb: tuple[int, int, int], y: float) -> None:
    """ITU-R BT.601: black at 16, white at 235; the primaries by their coefficients."""
    assert luma(np.array([[rgb]], np.uint8))[0, 0] * 255 == pytest.approx(y, abs=1e-3)
    assert luma(np.array([[rgb]]) / 255)[0, 0] * 255 == pytest.approx(y, abs=1e-3)
    assert ycbcr_from_rgb(np.array([[rgb]], np.uint8))[0, 0, 0] * 255 == pytest.approx(y, abs=1e-3)


def test_grey_has_no_chroma() -> None:
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    assert np.abs(ycbcr_from_rgb(grey)[..., 1:] * 255 - 128).max() < 1e-3


def test_colours_survive_the_way_to_luma_and_chroma_and_back() -> None:
    rgb = np.random.default_rng(5).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert np.array_equal(rgb_from_ycbcr(ycbcr_from_rgb(rgb), np.uint8), rgb)
    real = rgb.astype(np.float32) / np.float32(255)
    assert np.abs(rgb_from_ycbcr(ycbcr_from_rgb(real), np.float32) - real).max() < 1e-5


@pytest.mark.parametrize(
    ("figure", "limit", "at_least", "passed"),
    [
        (0.1, 0.1, False, True), (0.1001, 0.1, False, False), (50.0, 50.0, True, True), (49.99, 50.0, True, False),
        (nan, 0.1, False, False), (nan, 50.0, True, False), (inf, 50.0, True, True), (inf, 0.1, False, False),
        (-inf, 0.1, False, True), (-inf, 50.0, True, False),
    ],
)  # fmt: skip
def test_a_gate_passes_at_its_limit_and_never_on_nan(figure: float, limit: float, at_least: bool, passed: bool) -> None:
    verdict = Verdict("gate", figure, limit, "dB", "butterfly", at_least)
    assert bool(verdict) == passed
    assert ("passed" in str(verdict)) == passed
    assert "butterfly" in str(verdict)


def test_no_verdict_is_not_a_pass() -> None:
    good, bad = Verdict("a", 0.0, 1.0, "", ""), Verdict("b", 2.0, 1.0, "", "")
    assert all_passed([good])
    assert not all_passed([])
    assert not all_passed([good, bad])
