"""Tiles can't be seen: the same pixels as the whole frame, at every size."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import subpixel
from subpixel.bundle import Bundle
from subpixel.errors import BadInputError
from subpixel.quality.resize import upscale
from subpixel.tiles import BAND_PX, LEAST_HALOS, WHOLE_PX, Span, band_rows, run_in_bands, run_tiled, spans

MULTIPLES = st.sampled_from((1, 1, 2, 3, 4, 8))


@st.composite
def cuttings(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """A length, a tile that has room for its halo, the halo, the size multiple."""
    halo, multiple = draw(st.integers(0, 20)), draw(MULTIPLES)
    least = -(-(2 * halo + multiple) // multiple) * multiple
    return draw(st.integers(1, 400)), draw(st.integers(least, least + 120)), halo, multiple


@given(cuttings())
def test_spans_keep_every_pixel_once_and_in_order(cutting: tuple[int, int, int, int]) -> None:
    length, tile, halo, multiple = cutting
    found = spans(length, tile, halo, multiple)
    kept = [at for span in found for at in range(span.keep_start, span.keep_stop)]
    assert kept == list(range(length))


@given(cuttings())
def test_spans_lie_inside_and_have_their_halo(cutting: tuple[int, int, int, int]) -> None:
    length, tile, halo, multiple = cutting
    for span in spans(length, tile, halo, multiple):
        assert 0 <= span.start <= span.keep_start < span.keep_stop <= span.stop <= length
        assert span.stop - span.start <= max(tile, multiple)
        assert span.start % multiple == 0
        assert span.start == 0 or span.keep_start - span.start >= halo
        assert span.stop == length or span.stop - span.keep_stop >= halo


@given(st.integers(1, 400), st.integers(1, 60), st.integers(0, 10))
def test_tiles_of_one_fixed_size_are_all_of_that_size(length: int, tile: int, halo: int) -> None:
    """What a variant of fixed shapes needs."""
    if length < tile or tile <= 2 * halo:
        return
    assert {span.stop - span.start for span in spans(length, tile, halo)} == {tile}


@given(st.integers(1, 200), st.integers(1, 30), MULTIPLES)
def test_a_tile_without_room_for_its_halo_is_refused(length: int, halo: int, multiple: int) -> None:
    tile = 2 * halo
    if tile >= length:
        assert spans(length, tile, halo, multiple) == [Span(0, length, 0, length)]
    else:
        with pytest.raises(BadInputError, match="halo"):
            spans(length, tile, halo, multiple)


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(BadInputError, match="empty"):
        run_tiled(np.zeros((1, 0, 5), np.float32), 2, (8, 8), 1, lambda piece: piece)


sizes = st.integers(1, 200)


def frame(height: int, width: int, channels: int = 1) -> NDArray[np.float64]:
    return np.random.default_rng(height * 1000 + width).random((channels, height, width))


def bicubic(planes: NDArray[np.float64], scale: int) -> NDArray[np.float64]:
    return np.stack([upscale(plane, scale) for plane in planes])


@given(sizes, sizes, st.integers(6, 90), st.integers(6, 90), st.integers(2, 4), st.integers(1, 3))
@settings(max_examples=100, deadline=None)
def test_bicubic_in_tiles_is_bicubic_of_the_whole(
    height: int, width: int, rows: int, columns: int, scale: int, channels: int
) -> None:
    planes = frame(height, width, channels)
    tiled = run_tiled(planes, scale, (rows, columns), 2, partial(bicubic, scale=scale))
    assert np.abs(tiled - bicubic(planes, scale)).max() < 1e-12


@given(sizes, sizes, st.integers(5, 90))
@settings(max_examples=40, deadline=None)
def test_a_halo_too_small_would_be_seen(height: int, width: int, tile: int) -> None:
    """The test above can fail: one pixel less of halo changes the picture wherever there is more than one tile."""
    planes = frame(height, width)
    tiled = run_tiled(planes, 3, (tile, tile), 1, partial(bicubic, scale=3))
    whole = tile >= height and tile >= width
    assert (np.abs(tiled - bicubic(planes, 3)).max() < 1e-12) == whole


@given(sizes, sizes, st.integers(6, 90), st.integers(2, 4), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_bicubic_in_bands_is_bicubic_of_the_whole(
    height: int, width: int, rows: int, scale: int, channels: int
) -> None:
    planes = frame(height, width, channels)
    result = np.full((channels, height * scale, width * scale), np.nan)

    def run(piece: NDArray[np.float64], into: NDArray[np.float64]) -> None:
        into[:] = bicubic(piece, scale)

    run_in_bands(planes, result, scale, rows, 2, run)
    assert np.abs(result - bicubic(planes, scale)).max() < 1e-12


@given(st.integers(1, 9000), st.integers(1, 9000), st.integers(0, 40), MULTIPLES)
def test_bands_are_equal_and_as_few_as_fit(height: int, width: int, halo: int, multiple: int) -> None:
    height, halo = -(-height // multiple) * multiple, -(-halo // multiple) * multiple
    rows = band_rows(height, width, halo, multiple)
    bands = spans(height, rows, halo, multiple)
    assert {band.stop - band.start for band in bands} == {rows}
    if height * width <= WHOLE_PX:
        assert rows == height
        return
    most = max(BAND_PX // width, LEAST_HALOS * halo, multiple)
    assert rows < most + multiple
    fewer = len(bands) - 1
    assert fewer * most - 2 * halo * (fewer - 1) < height or not fewer


def test_frames_of_540_rows_are_whole_and_of_720_go_in_bands() -> None:
    assert band_rows(540, 960, 14, 2) == 540
    assert band_rows(720, 1280, 14, 2) == 202
    assert band_rows(720, 1280, 3) == 185


@pytest.fixture(scope="module")
def espcn(shipped: Bundle) -> Iterator[subpixel.Model]:
    with subpixel.open(shipped, engine="onnxruntime") as model:
        yield model


def in_tiles(model: subpixel.Model, luma: NDArray[np.uint8], tile_px: int) -> NDArray[np.uint8]:
    model.tile_px = tile_px
    try:
        return model.upscale(luma)
    finally:
        model.tile_px = None


@given(sizes, sizes, st.integers(9, 220))
@settings(max_examples=60, deadline=None)
def test_a_trained_net_in_tiles_is_within_a_level_of_the_whole(
    espcn: subpixel.Model, height: int, width: int, tile: int
) -> None:
    rng = np.random.default_rng(height * 1000 + width)
    luma = rng.integers(0, 256, (height, width), dtype=np.uint8)
    difference = in_tiles(espcn, luma, tile).astype(int) - espcn.upscale(luma).astype(int)
    assert np.abs(difference).max() <= 1


def test_large_frames_go_in_bands_by_themselves(espcn: subpixel.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    luma = np.random.default_rng(9).integers(0, 256, (130, 170), dtype=np.uint8)
    whole = espcn.upscale(luma).astype(int)
    monkeypatch.setattr("subpixel.tiles.BAND_PX", 5000)
    monkeypatch.setattr("subpixel.tiles.WHOLE_PX", 5000)
    in_bands = np.zeros_like(whole, np.uint8)
    espcn.upscale_luma(luma, in_bands)
    for found in (espcn.upscale(luma), in_bands):
        assert np.abs(found.astype(int) - whole).max() <= 1
