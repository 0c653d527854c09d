"""Colour models: all three channels go through the net, and luma goes as grey."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import subpixel
from subpixel.errors import BadInputError
from subpixel.quality.ycbcr import ycbcr_from_rgb

PICTURE = np.random.default_rng(8).integers(0, 256, (13, 22, 3), np.uint8)
ENGINES = ("onnxruntime", "openvino")


def larger(image: Any) -> Any:
    return image.repeat(2, axis=0).repeat(2, axis=1)


@pytest.mark.parametrize("engine", ENGINES)
def test_colours_go_through_the_net_each_in_its_place(engine: str, require: Any, toy_nets: Any) -> None:
    require(engine)
    with subpixel.open(toy_nets.turned_colours(), engine=engine, precision="fp32") as model:
        assert np.array_equal(model.upscale(PICTURE), larger(PICTURE)[..., [1, 2, 0]])
        real = PICTURE.astype(np.float32) / np.float32(255)
        assert np.allclose(model.upscale(real), larger(real)[..., [1, 2, 0]], atol=1e-6)
        assert model.upscale(real).dtype == np.float32


def test_luma_goes_as_grey_and_comes_back_as_luma(toy_nets: Any) -> None:
    luma = np.arange(16, 236, dtype=np.uint8).reshape(10, 22)
    with subpixel.open(toy_nets.turned_colours(), engine="onnxruntime") as model:
        assert np.array_equal(model.upscale(luma), larger(luma))
        real = np.linspace(-0.1, 1.1, 60, dtype=np.float32).reshape(6, 10)
        assert np.abs(model.upscale_luma(real) - larger(real)).max() < 1e-5


def test_grey_pictures_and_their_luma_agree(toy_nets: Any) -> None:
    grey = np.repeat(PICTURE[..., :1], 3, axis=2).astype(np.float32) / np.float32(255)
    with subpixel.open(toy_nets.same_colours(), engine="onnxruntime") as model:
        as_colours = ycbcr_from_rgb(model.upscale(grey))[..., 0]
        assert np.abs(model.upscale(ycbcr_from_rgb(grey)[..., 0]) - as_colours).max() < 1e-5


def test_large_pictures_go_in_tiles(toy_nets: Any) -> None:
    with subpixel.open(toy_nets.turned_colours(), engine="onnxruntime") as model:
        model.tile_px = 8
        assert np.array_equal(model.upscale(PICTURE), larger(PICTURE)[..., [1, 2, 0]])


def test_videos_are_enlarged_frame_by_frame(toy_nets: Any) -> None:
    with subpixel.open(toy_nets.turned_colours(), engine="onnxruntime") as model:
        results = list(model.upscale_video([PICTURE, PICTURE[::-1]]))
    assert np.array_equal(results[1], larger(PICTURE[::-1])[..., [1, 2, 0]])


def test_planes_of_another_number_are_refused(toy_nets: Any) -> None:
    with (
        subpixel.open(toy_nets.same_colours(), engine="onnxruntime") as model,
        pytest.raises(BadInputError, match=r"needed \[3, H, W\]"),
    ):
        model.upscale_planes(PICTURE[..., 0][None])
