"""An open model: what it takes, what it gives, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import subpixel
from subpixel.bundle import Bundle
from subpixel.errors import BadInputError, EngineError
from subpixel.model import resized
from subpixel.quality.resize import upscale
from subpixel.quality.ycbcr import ycbcr_from_rgb

RNG = np.random.default_rng(11)
PICTURE: NDArray[np.uint8] = RNG.integers(0, 256, (21, 34, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model(shipped: Bundle) -> Iterator[subpixel.Model]:
    with subpixel.open(shipped, engine="onnxruntime") as opened:
        yield opened


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (5, 1), (21, 34), (1, 1, 3), (21, 34, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_every_picture_becomes_larger_and_stays_what_it_was(
    shape: tuple[int, ...], dtype: type[Any], model: subpixel.Model
) -> None:
    levels = RNG.integers(0, 256, shape)
    image: Any = levels.astype(np.uint8) if dtype is np.uint8 else levels.astype(np.float32) / np.float32(255)
    result = model.upscale(image)
    assert result.shape == (shape[0] * 3, shape[1] * 3, *shape[2:])
    assert result.dtype == dtype
    assert result.flags.writeable


def test_eight_bit_and_float_agree(model: subpixel.Model) -> None:
    real = model.upscale(PICTURE.astype(np.float32) / np.float32(255))
    assert np.abs(model.upscale(PICTURE) - real * 255).max() <= 0.51
    luma = PICTURE[..., 0]
    fine: NDArray[np.float32] = luma.astype(np.float32) / np.float32(255)
    assert np.abs(model.upscale(luma) - np.clip(model.upscale(fine) * 255, 0, 255)).max() <= 1


def test_only_luma_goes_through_the_model(model: subpixel.Model) -> None:
    given, found = ycbcr_from_rgb(PICTURE), ycbcr_from_rgb(model.upscale(PICTURE))
    inside = np.all((model.upscale(PICTURE) > 0) & (model.upscale(PICTURE) < 255), axis=2)
    assert np.abs(found[..., 1:] - upscale(given[..., 1:], 3))[inside].max() < 0.01
    assert np.abs(found[..., 0] - upscale(given[..., 0], 3))[inside].max() > 0.02


def test_both_engines_in_use_give_a_receipt(model: subpixel.Model) -> None:
    model.upscale(PICTURE[..., 0])
    model.upscale(PICTURE[..., 0].astype(np.float32) / np.float32(255))
    assert {receipt.engine for receipt in model.receipts} == {"onnxruntime"}
    assert {receipt.variant for receipt in model.receipts} == {"onnx-fp32-u8", "onnx-fp32"}


def test_frames_come_out_one_by_one_and_in_order(model: subpixel.Model) -> None:
    frames = [np.full((4, 6), level, np.uint8) for level in (30, 90, 200)]
    asked: list[int] = []

    def source() -> Iterator[NDArray[np.uint8]]:
        for index, frame in enumerate(frames):
            asked.append(index)
            yield frame

    results = model.upscale_video(source())
    assert np.array_equal(next(results), model.upscale(frames[0]))
    assert asked == [0]
    assert [np.array_equal(r, model.upscale(f)) for r, f in zip(results, frames[1:], strict=True)] == [True, True]


@pytest.mark.parametrize("dtype", [np.uint16, np.float64, np.int32, np.bool_])
def test_other_types_are_refused_with_what_is_needed(dtype: type[Any], model: subpixel.Model) -> None:
    wrong: Any = np.zeros((4, 4), dtype)
    with pytest.raises(BadInputError, match=rf"{np.dtype(dtype)}; needed \[H, W\]"):
        model.upscale(wrong)


@pytest.mark.parametrize("shape", [(4, 4, 4), (4, 4, 1), (4,), (0, 4), (4, 0, 3), (2, 4, 4, 3), ()])
def test_other_shapes_are_refused_with_what_is_needed(shape: tuple[int, ...], model: subpixel.Model) -> None:
    with pytest.raises(BadInputError, match=r"found an array.*needed \[H, W\]"):
        model.upscale(np.zeros(shape, np.uint8))


def test_a_closed_model_says_so(shipped: Bundle) -> None:
    model = subpixel.open(shipped, engine="onnxruntime")
    model.close()
    model.close()
    with pytest.raises(EngineError, match="closed"):
        model.upscale(PICTURE)


@pytest.mark.parametrize("size", [(1, 1), (7, 9), (16, 16), (33, 50)])
def test_frames_that_are_no_multiple_are_filled_up_and_cut(size: tuple[int, int], shipped: Bundle) -> None:
    """The same net declared to need multiples of 8: only the last rows and columns can tell."""
    manifest = replace(shipped.manifest, model=replace(shipped.spec, size_multiple=8))
    picky = Bundle(manifest, shipped.files)
    luma = RNG.integers(0, 256, size, dtype=np.uint8)
    with subpixel.open(picky, engine="onnxruntime") as padded, subpixel.open(shipped, engine="onnxruntime") as plain:
        result, wanted = padded.upscale(luma), plain.upscale(luma)
        padded.tile_px = 24
        tiled = padded.upscale(luma)
    assert result.shape == wanted.shape
    inner = slice(0, max(0, 3 * (size[0] - 4))), slice(0, max(0, 3 * (size[1] - 4)))
    assert np.array_equal(result[inner], wanted[inner])
    assert np.abs(tiled.astype(int) - result).max() <= 1


def test_a_variant_of_one_size_serves_larger_frames_in_tiles_and_refuses_smaller(shipped: Bundle) -> None:
    fixed = replace(shipped.reference, id="onnx-fixed", shapes=(24, 32))
    bundle = shipped.plus(fixed, {})
    luma = RNG.integers(0, 256, (50, 70), dtype=np.uint8)
    with subpixel.open(bundle, variant="onnx-fixed") as model, subpixel.open(shipped, variant="onnx-fp32") as free:
        assert np.abs(model.upscale(luma).astype(int) - free.upscale(luma)).max() <= 1
        assert np.array_equal(model.upscale(luma[:24, :32]), free.upscale(luma[:24, :32]))
        with pytest.raises(BadInputError, match="32x24"):
            model.upscale(luma[:10])


def test_a_model_that_can_not_be_tiled_refuses_what_is_too_large(
    shipped: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    unbounded = Bundle(replace(shipped.manifest, model=replace(shipped.spec, radius_px=None)), shipped.files)
    monkeypatch.setattr("subpixel.tiles.WHOLE_LIMIT_PX", 500)
    with subpixel.open(unbounded, engine="onnxruntime") as model:
        assert model.upscale(PICTURE[:10, :10]).shape == (30, 30, 3)
        with pytest.raises(BadInputError, match="can't work in tiles"):
            model.upscale(PICTURE)


def test_a_frame_as_wide_as_8k_is_served_in_tiles(model: subpixel.Model) -> None:
    frame = np.zeros((300, 7680), np.uint8)
    frame[200:210, 3000:3020] = PICTURE[:10, :20, 0]
    result = model.upscale(frame)
    assert result.shape == (900, 23040)
    around = model.upscale(frame[150:260, 2950:3070])[30:-30, 30:-30]
    assert np.abs(result[480:750, 8880:9180].astype(int) - around).max() <= 1


@pytest.mark.parametrize("size", [(21, 34), (13, 50), (100, 7)])
def test_an_exact_size_is_reached(size: tuple[int, int]) -> None:
    assert resized(PICTURE, *size).shape == (*size, 3)
    assert resized(PICTURE, *size).dtype == np.uint8
    real = resized(PICTURE.astype(np.float32) / np.float32(255), *size)
    assert np.abs(resized(PICTURE, *size) - np.clip(real * 255, 0, 255)).max() <= 0.51
