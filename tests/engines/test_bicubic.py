"""The bicubic engine gives what ``quality.resize`` gives, to the bit, whatever the size and the factor."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import subpixel
from subpixel.catalogue import bicubic_bundle
from subpixel.engines.base import Request
from subpixel.engines.bicubic import REACH, STRIP, BicubicEngine, phases
from subpixel.quality.resize import resize_axis

SIZES = [(1, 1), (1, 7), (2, 1), (2, 3), (5, 4), (33, 31), (STRIP, 17), (STRIP + 1, 40), (3 * STRIP - 1, 64), (3, 1921)]


def by_definition(plane: NDArray[Any], scale: int) -> NDArray[Any]:
    """Rows first, then columns, in float32; bytes are rounded to even and clipped."""
    rows = resize_axis(plane.astype(np.float32), scale * plane.shape[0], scale, 0)
    result = resize_axis(rows, scale * plane.shape[1], scale, 1)
    return np.clip(np.rint(result), 0, 255).astype(np.uint8) if plane.dtype == np.uint8 else result


def noise(shape: tuple[int, ...], kind: Any) -> NDArray[Any]:
    """All bytes, black and white more often than others, or numbers around [0, 1]; seeded."""
    rng = np.random.default_rng(sum(shape))
    if kind is np.float32:
        return rng.normal(0.5, 0.4, shape).astype(np.float32)
    return np.clip(rng.integers(-80, 336, shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, 8, 16])
def test_every_size_is_enlarged_as_the_definition_says(scale: int, kind: Any) -> None:
    with subpixel.open(f"bicubic-x{scale}") as model:
        for size in SIZES:
            plane = noise(size, kind)
            np.testing.assert_array_equal(model.upscale_luma(plane), by_definition(plane, scale), str(size))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_frame_of_video_is_enlarged_as_the_definition_says(scale: int) -> None:
    plane = noise((1080 // scale, 1920 // scale), np.uint8)
    out = np.zeros((1080 // scale * scale, 1920 // scale * scale), np.uint8)
    with subpixel.open(f"bicubic-x{scale}") as model:
        model.upscale_luma(plane, out)
    np.testing.assert_array_equal(out, by_definition(plane, scale))


def test_several_frames_and_channels_in_another_order_of_axes() -> None:
    bundle = bicubic_bundle(3)
    (variant,) = (found for found in bundle.manifest.variants if found.kind == "u8")
    given, wanted = (replace(tensor, axes="NHWC") for tensor in (variant.inputs[0], variant.outputs[0]))
    last = replace(variant, inputs=(given,), outputs=(wanted,))
    frames = noise((2, 9, 12, 1), np.uint8)
    result = BicubicEngine((), last, bundle.spec, Request()).run({given.name: frames})[wanted.name]
    assert result.shape == (2, 27, 36, 1)
    for frame, larger in zip(frames, result, strict=True):
        np.testing.assert_array_equal(larger[..., 0], by_definition(frame[..., 0], 3))


@pytest.mark.parametrize("scale", range(1, 17))
def test_the_samples_of_one_phase_have_the_same_shifts_and_few(scale: int) -> None:
    for shifts in phases(4096, scale):
        assert 1 <= len(shifts) <= 4
        assert all(0 <= shift <= 2 * REACH for shift, _ in shifts)
        np.testing.assert_allclose(sum(weight for _, weight in shifts), 1, atol=1e-6)
        assert all(np.ptp(weight) <= 1e-7 for _, weight in shifts)


def test_what_was_given_stays_as_it_was() -> None:
    plane = noise((40, 30), np.float32)
    before = plane.copy()
    with subpixel.open("bicubic-x2") as model:
        model.upscale_luma(plane)
    np.testing.assert_array_equal(plane, before)
