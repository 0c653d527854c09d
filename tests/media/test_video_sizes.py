"""Sizes: odd and tiny frames, a result of another size than the model's, the model that fits it, a comparison."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from subpixel.errors import BadInputError
from subpixel.media import SizeWish, UpscaleOptions, VideoReport, upscale_file
from subpixel.media.options import parse_duration, parse_option
from subpixel.media.pixels import plane_of
from subpixel.media.plan import choose_model
from subpixel.media.size import parse_size, parse_to


def enlarge(source: Path, target: Path, **wanted: Any) -> VideoReport:
    report = upscale_file(source, target, UpscaleOptions(**{"model": "bicubic-x3", **wanted}))
    assert isinstance(report, VideoReport)
    return report


@pytest.mark.parametrize("size", [(53, 37), (52, 37), (53, 36), (1, 1), (1, 40), (7, 3)])
@pytest.mark.parametrize("form", ["yuv420p", "yuv422p"])
def test_odd_sizes_stay_odd_where_the_encoder_can(
    size: tuple[int, int], form: str, clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    codec = "ffv1" if min(size) > 30 else "libvpx-vp9"  # FFV1 wants a few pixels for each of its slices
    source = clip_of(name="clip.mkv", codec=codec, size=size, pixel_format=form, times=(0, 512, 1024))
    enlarge(source, tmp_path / "large.mkv", encoder=codec)
    after = facts_of(tmp_path / "large.mkv")
    assert (after.size, after.pixel_format, len(after.times)) == ((3 * size[0], 3 * size[1]), form, 3)


@pytest.mark.parametrize("size", [(53, 37), (1, 1)])
def test_odd_sizes_are_filled_up_where_the_encoder_needs_even_ones(
    size: tuple[int, int], clip_of: Callable[..., Path], frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    source = clip_of(name="clip.mkv", codec="libvpx-vp9", size=size, times=(0, 512, 1024))
    lossless = (("qp", "0"), ("preset", "ultrafast"))
    report = enlarge(source, tmp_path / "large.mp4", encoder_options=lossless)
    frame = frames_of(tmp_path / "large.mp4")[0]
    width, height = 3 * size[0], 3 * size[1]
    assert (frame.width, frame.height) == report.target_size == (width + width % 2, height + height % 2)
    assert "needs even sides" in " ".join(report.notes)
    assert np.array_equal(plane_of(frame, 0)[:, -1], plane_of(frame, 0)[:, -2])
    assert np.array_equal(plane_of(frame, 0)[-1], plane_of(frame, 0)[-2])


@pytest.mark.parametrize(
    ("wish", "size"), [("180p", (270, 180)), ("144p", (216, 144)), ("96x64", (96, 64)), ("300x200", (300, 200))]
)
@pytest.mark.parametrize("form", ["yuv420p", "yuv420p10le", "gray", "yuv444p"])
def test_a_result_of_another_size_is_resized_exactly(
    wish: str, size: tuple[int, int], form: str, clip_of: Callable[..., Path], frames_of: Callable[..., list[Any]],
    tmp_path: Path,
) -> None:  # fmt: skip
    source = clip_of(pixel_format=form, options=(("qp", "0"), ("preset", "ultrafast")))
    parsed = parse_size(wish) if "x" in wish else parse_to(wish)
    report = enlarge(source, tmp_path / "large.mp4", size=parsed, encoder_options=(("qp", "0"),))
    before, after = frames_of(source)[3], frames_of(tmp_path / "large.mp4")[3]
    assert (after.width, after.height) == report.target_size == size
    assert abs(plane_of(after, 0).mean() - plane_of(before, 0).mean()) / (1 << (8 if form[-2:] == "le" else 6)) < 0.02
    assert "resized" in " ".join(report.notes)


def test_the_shape_shown_is_kept_when_the_sides_dont_grow_alike(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source = clip_of(aspect=Fraction(16, 15))
    report = enlarge(source, tmp_path / "large.mp4", size=SizeWish(exact=(192, 192)))
    assert facts_of(tmp_path / "large.mp4").aspect == Fraction(16, 15) * Fraction(3, 2)
    assert "the shape shown is kept" in " ".join(report.notes)


def test_portrait_sizes_go_by_the_shorter_side() -> None:
    assert SizeWish(lines=1080).resolve(360, 640) == (1080, 1920)
    assert SizeWish(lines=1080).resolve(640, 360) == (1920, 1080)
    assert SizeWish(lines=1080).resolve(641, 360, even=True) == (1924, 1080)
    assert SizeWish(lines=480).resolve(1, 1) == (480, 480)


@pytest.mark.parametrize("text", ["", "big", "1080", "0p", "-720p", "1080i"])
def test_a_senseless_to_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="--to"):
        parse_to(text)


@pytest.mark.parametrize("text", ["", "1920", "1920x", "0x100", "1920x1080x3", "-1x5", "axb"])
def test_a_senseless_size_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="--size"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "seconds"), [("3s", 3), ("500ms", 1 / 2), ("2.5", 5 / 2), ("1m", 60), ("1h", 3600), ("1:02:03.5", 3723.5)]
)
def test_durations_are_read_exactly(text: str, seconds: Any) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0s", "-3s", "three", "3d", "1:75"])
def test_a_senseless_duration_is_refused(text: str) -> None:
    with pytest.raises(BadInputError, match="--duration"):
        parse_duration(text)


def test_an_encoder_option_needs_a_key_and_a_value() -> None:
    assert parse_option("x264-params=keyint=30") == ("x264-params", "keyint=30")
    for text in ("crf", "=20", ""):
        with pytest.raises(BadInputError, match="key=value"):
            parse_option(text)


def test_named_sizes() -> None:
    assert (parse_to("4K").lines, parse_to("720p").lines, parse_to("8k").lines) == (2160, 720, 4320)


def test_the_model_that_fits_the_size_is_chosen() -> None:
    """Where nothing was asked for: the smallest shipped factor that reaches the size, else the largest."""
    from subpixel.catalogue import shipped_names

    assert choose_model(UpscaleOptions(), (640, 360)) == "edge-x3"
    assert choose_model(UpscaleOptions(scale=2), (640, 360)) == "edge-x2"
    assert choose_model(UpscaleOptions(model="x"), (640, 360)) == "x"
    factors = sorted(int(name[-1]) for name in shipped_names() if name.startswith("edge-x"))
    for lines, factor in ((540, 1.5), (1080, 3), (1440, 4), (4320, 12)):
        wanted = next((f for f in factors if f >= factor), factors[-1])
        assert choose_model(UpscaleOptions(size=SizeWish(lines=lines)), (640, 360)) == f"edge-x{wanted}"


def test_a_comparison_is_twice_as_wide_and_differs_between_its_halves(
    clip_of: Callable[..., Path], frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    enlarge(clip_of(), tmp_path / "both.mp4", model="espcn-x3", compare=True, tune=False)
    frame = frames_of(tmp_path / "both.mp4")[3]
    assert (frame.width, frame.height) == (576, 192)
    luma = plane_of(frame, 0).astype(int)
    sharpness = [np.abs(np.diff(half, axis=1)).mean() for half in (luma[:, :288], luma[:, 288:])]
    assert sharpness[1] > sharpness[0]
