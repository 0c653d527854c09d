"""Colour models in files: through RGB and back by the stream's own matrix, range and siting; pictures with alpha."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import subpixel
from subpixel.catalogue import bicubic_bundle
from subpixel.media import UpscaleOptions, upscale_file
from subpixel.media.pixels import plane_of
from subpixel.media.size import SizeWish

BT601, BT709, BT2020 = (6, 1, 6, 6), (1, 1, 1, 1), (9, 1, 9, 1)


@pytest.fixture
def lossless(clip_of: Callable[..., Path]) -> Callable[..., Path]:
    """Three frames of the shipped clip, coded without loss."""

    def make(**wanted: Any) -> Path:
        given = {"name": "in.mkv", "codec": "ffv1", "times": (0, 40, 90), "time_base": Fraction(1, 1000), **wanted}
        return clip_of(**given)

    return make


def enlarged(source: Path, bundle: Any, name: str = "out.mkv", **options: Any) -> Any:
    target = source.with_name(name)
    with subpixel.open(bundle) as model:
        report = upscale_file(source, target, UpscaleOptions(encoder="ffv1", **options), model=model)
    return report, target


def larger(plane: Any) -> Any:
    return plane.repeat(2, axis=0).repeat(2, axis=1)


def planes(frame: Any) -> list[Any]:
    return [plane_of(frame, index).astype(np.float64) for index in range(3)]


@pytest.mark.parametrize("colours", [BT601, BT709, BT2020, (6, 2, 6, 6), (1, 2, 1, 1)])
@pytest.mark.parametrize("pixel_format", ["yuv444p", "yuv444p10le"])
def test_a_net_that_changes_nothing_leaves_the_codes_as_they_were(
    colours: tuple[int, int, int, int], pixel_format: str, lossless: Callable[..., Path], frames_of: Any, toy_nets: Any
) -> None:
    """Wrong matrices or ranges on one of the two ways would move them by many levels.

    libswscale's chroma of full range comes out half a level low.
    """
    source = lossless(colours=colours, pixel_format=pixel_format)
    report, target = enlarged(source, toy_nets.same_colours())
    step = 1 if pixel_format == "yuv444p" else 4
    for before, after in zip(frames_of(source), frames_of(target), strict=True):
        assert (after.colorspace, after.color_range) == (before.colorspace, before.color_range)
        for found, wanted in zip(planes(after), planes(before), strict=True):
            difference = np.abs(found - larger(wanted)) / step
            assert np.percentile(difference, 99) <= (0.5 if step == 4 and colours[1] == 1 else 1)
            assert difference.mean() < (0.4 if colours[1] == 1 else 0.6)
    assert report.receipt.variant == ("onnx-fp32-u8" if step == 1 else "onnx-fp32")


def test_times_and_numbers_are_kept(lossless: Callable[..., Path], facts_of: Any, toy_nets: Any) -> None:
    source = lossless()
    report, target = enlarged(source, toy_nets.same_colours())
    assert facts_of(target).times == facts_of(source).times
    assert (report.frames_out, report.latency_frames) == (3, 0)


@pytest.mark.parametrize("size", [(96, 64), (97, 63), (33, 50)])
def test_half_size_chroma_stays_in_its_place(
    size: tuple[int, int], lossless: Callable[..., Path], frames_of: Any, toy_nets: Any
) -> None:
    source = lossless(size=size, colours=BT709)
    _, target = enlarged(source, toy_nets.same_colours())
    _, other = enlarged(source, bicubic_bundle(2), "bicubic.mkv")
    for found, wanted in zip(frames_of(target), frames_of(other), strict=True):
        assert (found.width, found.height) == (2 * size[0], 2 * size[1])
        for index in (1, 2):
            difference = plane_of(found, index).astype(float) - plane_of(wanted, index)
            assert np.abs(difference).mean() < 1
            assert abs(difference.mean()) < 0.2


def test_rgb_video_goes_through_as_it_is(lossless: Callable[..., Path], frames_of: Any, toy_nets: Any) -> None:
    source = lossless(pixel_format="bgr0", colours=(0, 2, 1, 1))
    _, target = enlarged(source, toy_nets.turned_colours())
    for before, after in zip(frames_of(source), frames_of(target), strict=True):
        rgb = before.to_ndarray(format="rgb24")
        assert np.array_equal(after.to_ndarray(format="rgb24"), larger(rgb)[..., [1, 2, 0]])


def test_grey_video_stays_grey(lossless: Callable[..., Path], frames_of: Any, toy_nets: Any) -> None:
    source = lossless(pixel_format="gray", colours=(1, 2, 1, 1))
    _, target = enlarged(source, toy_nets.turned_colours())
    for before, after in zip(frames_of(source), frames_of(target), strict=True):
        assert after.format.name == "gray"
        assert np.abs(plane_of(after, 0).astype(int) - larger(plane_of(before, 0))).max() <= 1


@pytest.mark.parametrize("compare", [False, True])
def test_another_size_and_a_comparison_are_served(
    compare: bool, lossless: Callable[..., Path], frames_of: Any, toy_nets: Any
) -> None:
    source = lossless(colours=BT709)
    _, target = enlarged(source, toy_nets.same_colours(), size=SizeWish(exact=(150, 100)), compare=compare)
    _, other = enlarged(source, bicubic_bundle(2), "bicubic.mkv", size=SizeWish(exact=(150, 100)), compare=compare)
    for found, wanted in zip(frames_of(target), frames_of(other), strict=True):
        assert (found.width, found.height) == (300 if compare else 150, 100)
        for index in range(3):
            assert np.abs(plane_of(found, index).astype(float) - plane_of(wanted, index)).mean() < 4


def test_pictures_have_their_colours_by_the_net_and_their_alpha_as_before(toy_nets: Any, tmp_path: Path) -> None:
    rgba = np.random.default_rng(2).integers(1, 256, (20, 30, 4), np.uint8)
    source = tmp_path / "in.png"
    Image.fromarray(rgba).save(source)
    for name, bundle in (("turned.png", toy_nets.turned_colours()), ("bicubic.png", bicubic_bundle(2))):
        with subpixel.open(bundle) as model:
            upscale_file(source, tmp_path / name, model=model)
    found, plain = (np.asarray(Image.open(tmp_path / name)) for name in ("turned.png", "bicubic.png"))
    assert np.array_equal(found[..., :3], larger(rgba)[..., [1, 2, 0]])
    assert np.array_equal(found[..., 3], plain[..., 3])


def test_grey_pictures_stay_grey(toy_nets: Any, tmp_path: Path) -> None:
    grey = np.random.default_rng(2).integers(0, 256, (20, 30), np.uint8)
    Image.fromarray(grey).save(tmp_path / "in.png")
    with subpixel.open(toy_nets.turned_colours()) as model:
        upscale_file(tmp_path / "in.png", tmp_path / "out.png", model=model)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), larger(grey))


def test_large_pictures_go_in_tiles(toy_nets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("subpixel.tiles.WHOLE_LIMIT_PX", 500)
    monkeypatch.setattr("subpixel.tiles.TILE_PX", 16)
    rgb = np.random.default_rng(2).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(rgb).save(tmp_path / "in.png")
    with subpixel.open(toy_nets.turned_colours()) as model:
        upscale_file(tmp_path / "in.png", tmp_path / "out.png", model=model)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), larger(rgb)[..., [1, 2, 0]])
