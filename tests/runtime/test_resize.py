"""Bicubic resizing against a slow reference written from the paper, and against published figures."""

from __future__ import annotations

from math import ceil, floor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from subpixel.quality.colour import luma
from subpixel.quality.metrics import psnr_db
from subpixel.quality.resize import crop_to_multiple, downscale, resize, upscale

PUBLISHED_SET5_DB = {2: 33.66, 3: 30.39, 4: 28.42}
SMALL = st.integers(1, 24)


def keys(x: float) -> float:
    """Keys 1981, equation 15, a = -1/2."""
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    if x < 2:
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return 0.0


def mirrored(index: int, length: int) -> int:
    while not 0 <= index < length:
        index = -index - 1 if index < 0 else 2 * length - 1 - index
    return index


def slow_line(line: list[float], out_len: int) -> list[float]:
    """One line, a sample at a time: centres of pixels meet, the kernel is as wide as the reduction."""
    scale = out_len / len(line)
    wide = max(1.0, 1 / scale)
    result = []
    for at in range(out_len):
        centre = (at + 0.5) / scale - 0.5
        reach = range(floor(centre - 2 * wide) - 1, ceil(centre + 2 * wide) + 2)
        weights = [(keys((centre - k) / wide), mirrored(k, len(line))) for k in reach]
        result.append(sum(w * line[k] for w, k in weights) / sum(w for w, _ in weights))
    return result


def slow(image: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    rows = np.array([slow_line([float(v) for v in column], height) for column in image.T]).T
    return np.array([slow_line([float(v) for v in row], width) for row in rows])


@given(SMALL, SMALL, SMALL, SMALL)
@settings(max_examples=120, deadline=None)
def test_any_size_to_any_size_is_what_the_paper_says(h: int, w: int, height: int, width: int) -> None:
    image = np.random.default_rng(h * 31 + w).random((h, w))
    assert np.abs(resize(image, height, width) - slow(image, height, width)).max() < 1e-9


@given(SMALL, SMALL, st.integers(1, 5), st.floats(-5, 5))
@settings(deadline=None)
def test_a_flat_image_stays_flat(h: int, w: int, scale: int, value: float) -> None:
    assert np.abs(upscale(np.full((h, w), value), scale) - value).max() < 1e-12 * (1 + abs(value))


def test_the_same_size_is_the_same_image() -> None:
    image = np.random.default_rng(0).random((7, 9, 3))
    assert np.abs(resize(image, 7, 9) - image).max() < 1e-15


def test_a_slope_stays_a_slope_away_from_the_border() -> None:
    image = np.tile(np.arange(30.0), (6, 1))
    found = upscale(image, 3)[:, 9:-9]
    assert np.abs(found - ((np.arange(90) + 0.5) / 3 - 0.5)[9:-9]).max() < 1e-12


def test_turning_the_image_turns_the_result() -> None:
    image = np.random.default_rng(1).random((11, 8))
    assert np.abs(resize(np.rot90(image), 5, 19) - np.rot90(resize(image, 19, 5))).max() < 1e-12


def test_channels_do_not_know_each_other() -> None:
    image = np.random.default_rng(2).random((10, 12, 3))
    together = resize(image, 7, 31)
    assert np.array_equal(together, np.dstack([resize(image[..., c], 7, 31) for c in range(3)]))


def test_the_type_of_the_image_is_kept() -> None:
    image = np.random.default_rng(3).random((10, 12))
    single = resize(image.astype(np.float32), 30, 36)
    assert single.dtype == np.float32
    assert np.abs(single - resize(image, 30, 36)).max() < 1e-6


def test_whole_numbers_are_refused_rather_than_cut() -> None:
    with pytest.raises(TypeError, match="divide by 255"):
        resize(np.zeros((4, 4), np.uint8), 8, 8)


def test_a_low_resolution_image_comes_from_a_multiple_of_the_scale() -> None:
    image = np.random.default_rng(4).random((14, 17))
    assert crop_to_multiple(image, 4).shape == (12, 16)
    assert np.array_equal(downscale(image, 4), resize(image[:12, :16], 3, 4))


@pytest.mark.parametrize("scale", PUBLISHED_SET5_DB)
def test_bicubic_reproduces_its_published_set5_figure(scale: int, eval_data: Path) -> None:
    """The field's protocol: luma in whole levels before and after, LR unrounded, ``scale`` pixels of border left out.

    With luma left unrounded the means are 33.69, 30.41 and 28.43.
    """
    figures = []
    for file in sorted((eval_data / "eval" / "Set5").glob("*.png")):
        with Image.open(file) as image:
            hr = np.rint(luma(crop_to_multiple(np.asarray(image.convert("RGB")), scale)) * 255)
        result = np.rint(upscale(downscale(hr / 255, scale), scale) * 255)
        figures.append(psnr_db(result, hr, border=scale, peak=255))
    assert len(figures) == 5
    assert np.mean(figures) == pytest.approx(PUBLISHED_SET5_DB[scale], abs=0.005)
