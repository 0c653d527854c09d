"""PSNR and SSIM as the field measures them, in float64."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.generic]
SSIM_TAPS = 11
SSIM_SIGMA = 1.5


def shave(plane: Plane, border: int) -> Plane:
    """``plane`` without ``border`` pixels at each side."""
    return plane[border : plane.shape[0] - border, border : plane.shape[1] - border] if border else plane


def psnr_db(result: Plane, truth: Plane, border: int = 0, peak: float = 1.0) -> float:
    """Peak signal-to-noise ratio in dB without ``border`` pixels at each side. Equal: ``inf``; NaN stays NaN.

    Raises ``ValueError`` when the shapes differ or nothing is left inside the border.
    """
    inner, inner_truth = _pair(result, truth, border)
    difference = inner - inner_truth
    mse = float(np.mean(difference**2))
    if mse == 0:
        return float("inf")
    return float(10 * np.log10(peak**2 / mse))


def _pair(result: Plane, truth: Plane, border: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Both without their border; of one shape, or numpy would repeat the smaller one unasked."""
    if result.shape != truth.shape:
        raise ValueError(f"found planes of {result.shape} and {truth.shape}; needed one shape")
    if min(result.shape[:2]) <= 2 * border:
        raise ValueError(f"{result.shape} has nothing left inside a border of {border} pixels; needed a larger plane")
    return shave(result, border).astype(np.float64), shave(truth, border).astype(np.float64)


def gaussian_taps() -> NDArray[np.float64]:
    """The 11 weights of SSIM's window, sigma 1.5, sum 1."""
    x = np.arange(SSIM_TAPS) - SSIM_TAPS // 2
    weight = np.exp(-(x**2) / (2 * SSIM_SIGMA**2))
    result: NDArray[np.float64] = weight / weight.sum()
    return result


def blur_valid(plane: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian window over the places where it fits whole: ``[H - 10, W - 10]``."""
    for axis in (0, 1):
        windows = np.lib.stride_tricks.sliding_window_view(plane, SSIM_TAPS, axis=axis)
        plane = windows @ gaussian_taps()
    return plane


def ssim(result: Plane, truth: Plane, border: int = 0, peak: float = 1.0) -> float:
    """Structural similarity, mean over the valid windows. Wang et al. 2004: 11x11 Gaussian, K1 0.01, K2 0.03."""
    x, y = _pair(result, truth, border)
    if min(x.shape) < SSIM_TAPS:
        raise ValueError(f"SSIM needs {SSIM_TAPS} pixels a side after cropping, found {x.shape}")
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    mean_x, mean_y = blur_valid(x), blur_valid(y)
    var_x = blur_valid(x * x) - mean_x**2
    var_y = blur_valid(y * y) - mean_y**2
    covariance = blur_valid(x * y) - mean_x * mean_y
    top = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    bottom = (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    return float(np.mean(top / bottom))
