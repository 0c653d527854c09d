"""Chroma is enlarged where it sits: ramps of 4 levels a pixel tell where every sample was taken from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.video.frame import VideoFrame

from subpixel.media import UpscaleOptions, upscale_file
from subpixel.media.colour import ColourTags
from subpixel.media.enlarge import Preparer
from subpixel.media.pixels import WORKING, bits_of, plane_of, subsampling, working_format
from subpixel.media.probe import probe
from subpixel.media.scaling import Scaler, Shape
from subpixel.media.siting import OFFSETS

BT709 = ColourTags(1, 1, 1, 1)
STEP, BASE = 8, 20


def ramp_frame(width: int, height: int, form: str, siting: str) -> VideoFrame:
    """U grows by 4 levels a luma pixel to the right, V downwards, wherever the samples sit."""
    frame = VideoFrame(width, height, form)
    plane_of(frame, 0)[:] = 100
    for index, axis in ((1, 1), (2, 0)):
        plane = plane_of(frame, index)
        step = subsampling(form)[1 - axis]
        luma = np.arange(plane.shape[axis]) * step + (step - 1) * OFFSETS[siting][1 - axis]
        levels = np.rint(BASE + STEP / 2 * luma)
        plane[:] = levels if axis == 1 else levels[:, None]
    return frame


def worst_error(frame: VideoFrame, siting: str, scale: float) -> float:
    """Of an enlarged ramp's inner samples: how far from the level of their place, beyond what rounding explains."""
    worst = 0.0
    for index, axis in ((1, 1), (2, 0)):
        plane = plane_of(frame, index).astype(float)
        step = subsampling(frame.format.name)[1 - axis]
        line = plane[plane.shape[0] // 2] if axis == 1 else plane[:, plane.shape[1] // 2]
        luma = (np.arange(len(line)) * step + (step - 1) * OFFSETS[siting][1 - axis] + 0.5) / scale - 0.5
        border = int(3 * scale)
        errors = np.abs(line - BASE - STEP / 2 * luma)[border:-border]
        worst = max(worst, float(errors.max()) - 0.5)
    return worst


@pytest.mark.parametrize("siting", OFFSETS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_chroma_of_4_2_0_stays_at_its_siting(siting: str, scale: int) -> None:
    frame = ramp_frame(48, 40, "yuv420p", siting)
    base = Preparer(BT709, siting, (48 * scale, 40 * scale))(frame).base
    assert worst_error(base, siting, scale) < 0.1


@pytest.mark.parametrize(("width", "height"), [(53, 37), (52, 37), (53, 36), (1, 40), (40, 1), (1, 1)])
def test_odd_sizes_round_up_and_do_not_drift(width: int, height: int) -> None:
    frame = ramp_frame(width, height, "yuv420p", "left")
    base = Preparer(BT709, "left", (3 * width, 3 * height))(frame).base
    assert (base.width, base.height) == (3 * width, 3 * height)
    if min(width, height) > 16:
        assert worst_error(base, "left", 3) < 0.1
        last = plane_of(base, 1)[5, -4:].astype(float)
        assert np.all(np.diff(last) >= 0)


def test_both_ways_of_enlarging_agree() -> None:
    """The exact one for odd sizes is libswscale's up to rounding where both can work."""
    frame = ramp_frame(64, 48, "yuv420p", "left")
    noise = np.random.default_rng(0)
    for index in range(3):
        plane_of(frame, index)[:] = noise.integers(30, 220, plane_of(frame, index).shape)
    preparer = Preparer(BT709, "left", (192, 144))
    fast, exact = preparer(frame).base, preparer._exactly(frame)
    for index in range(3):
        inner = np.s_[8:-8, 8:-8]
        difference = plane_of(fast, index)[inner].astype(int) - plane_of(exact, index)[inner]
        assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("form", ["yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p12le"])
def test_other_subsamplings_and_depths_too(form: str) -> None:
    frame = ramp_frame(48, 40, form, "left")
    base = Preparer(BT709, "left", (144, 120))(frame).base
    assert worst_error(base, "left", 3) < 0.1


@pytest.mark.parametrize("form", WORKING)
@pytest.mark.parametrize("tags", [(1, 1), (6, 2), (9, 1), (2, 2)])
def test_scaling_changes_no_level(form: str, tags: tuple[int, int]) -> None:
    """A conversion of matrix or range that slipped in would move a flat picture."""
    shape = Shape(32, 16, form, tags[1], tags[0])
    frame = VideoFrame(32, 16, form)
    for index in range(len(frame.planes)):
        plane_of(frame, index)[:] = 77
    larger = Scaler(shape, shape.sized(64, 32))(frame)
    assert all(set(plane_of(larger, index).flat) == {77} for index in range(len(larger.planes)))


@pytest.mark.parametrize(
    ("name", "working"),
    [("nv12", "yuv420p"), ("yuyv422", "yuv422p"), ("yuvj420p", "yuv420p"), ("p010le", "yuv420p10le"),
     ("rgb24", "gbrp"), ("bgr0", "gbrp"), ("rgba", "gbrap"), ("pal8", "gbrap"), ("rgb48be", "gbrp16le"),
     ("gray16be", "gray16le"), ("yuv444p10be", "yuv444p10le")],
)  # fmt: skip
def test_every_format_finds_a_planar_one_that_holds_it(name: str, working: str) -> None:
    assert working_format(name) == working
    assert bits_of(working) >= 8


@pytest.mark.parametrize("name", ["nv12", "yuyv422", "yuvj420p", "p010le", "rgb24", "bgr0", "gray16be"])
def test_packed_formats_keep_every_level(name: str) -> None:
    """Packed and planar hold the same samples, at the size they had."""
    plain = VideoFrame(32, 16, working_format(name))
    noise = np.random.default_rng(1)
    for index in range(len(plain.planes)):
        plane = plane_of(plain, index)
        plane[:] = noise.integers(0, 1 << bits_of(plain.format.name), plane.shape)
    tags = ColourTags(1, 2 if "yuvj" in name or "gray" in name or plain.format.is_rgb else 1, 1, 1)
    shape = Shape(32, 16, plain.format.name, tags.range, tags.matrix)
    if "yuvj" in name:
        packed = VideoFrame(32, 16, name)
        for index in range(3):
            plane_of(packed, index)[:] = plane_of(plain, index)
    else:
        packed = Scaler(shape, Shape(32, 16, name, tags.range, tags.matrix))(plain)
    lr = Preparer(tags, "left", (64, 32))(packed).lr
    for index in range(len(plain.planes)):
        assert np.array_equal(plane_of(lr, index), plane_of(plain, index))


@pytest.mark.parametrize("siting", ["left", "center", "topleft"])
@pytest.mark.parametrize("form", ["yuv420p", "yuv420p10le"])
def test_the_streams_own_siting_is_found_and_passed_on(
    siting: str, form: str, clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    source = clip_of(pixel_format=form, options=(("chroma_sample_location", siting),))
    assert (probe(source).video.siting.name, probe(source).video.siting.origin) == (siting, "stream")
    report = upscale_file(source, tmp_path / "large.mp4", UpscaleOptions(model="bicubic-x2"))
    assert probe(tmp_path / "large.mp4").video.siting.name == siting
    assert f"chroma siting {siting}" in " ".join(report.notes)


def test_what_no_stream_says_is_the_codecs_default(clip_of: Callable[..., Path]) -> None:
    vp9 = probe(clip_of(name="clip.webm", codec="libvpx-vp9")).video.siting
    jpeg = probe(clip_of(name="j.mkv", codec="mjpeg", pixel_format="yuvj420p", colours=(6, 2, 1, 1))).video.siting
    assert (vp9.name, vp9.origin) == ("left", "codec")
    assert jpeg.name == "center"
    assert "assumed" in str(vp9)


def test_the_bicubic_half_of_a_comparison_is_the_fields_bicubic(
    clip_of: Callable[..., Path], frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    """Left and right are the same when the model is bicubic itself: same kernel, same phase, same borders inside."""
    lossless = (("qp", "0"), ("preset", "ultrafast"))
    options = UpscaleOptions(model="bicubic-x3", compare=True, encoder_options=lossless)
    upscale_file(clip_of(), tmp_path / "both.mp4", options)
    frame = frames_of(tmp_path / "both.mp4")[4]
    assert (frame.width, frame.height) == (2 * 288, 192)
    luma = plane_of(frame, 0).astype(int)
    left, right = luma[:, :288], luma[:, 288:]
    difference = np.abs(left - right)[6:-6, 6:-6]
    assert np.mean(difference > 1) < 0.01  # libswscale clips between its two passes, so beside hard edges of black
    assert difference.mean() < 0.3
    for index in (1, 2):
        chroma = plane_of(frame, index)
        assert np.array_equal(chroma[:, :144], chroma[:, 144:])


SUBSAMPLED = [name for name in WORKING if "yuv4" in name and subsampling(name) != (1, 1)]


@pytest.mark.parametrize("form", SUBSAMPLED)
@pytest.mark.parametrize("siting", OFFSETS)
def test_chroma_alone_is_what_it_is_beside_luma(form: str, siting: str) -> None:
    noise = np.random.default_rng(5)
    frame = VideoFrame(64, 32, form)
    for index in range(3):
        plane_of(frame, index)[:] = noise.integers(0, 1 << bits_of(form), plane_of(frame, index).shape)
    for size in ((128, 64), (192, 96), (160, 128)):
        whole = Preparer(BT709, siting, size)(frame).base
        alone = Preparer(BT709, siting, size, chroma_only=True)(frame).base
        assert (alone.width, alone.height, alone.format.name) == (*size, form)
        for index in (1, 2):
            assert np.abs(plane_of(alone, index).astype(int) - plane_of(whole, index)).max() <= 1


@pytest.mark.parametrize(("form", "size"), [("gray", (64, 32)), ("yuv420p", (53, 37)), ("yuva420p", (64, 32)),
                                            ("yuv444p", (64, 32)), ("gbrp", (64, 32))])  # fmt: skip
def test_chroma_alone_is_asked_for_of_any_format(form: str, size: tuple[int, int]) -> None:
    frame, larger = VideoFrame(*size, form), (3 * size[0], 3 * size[1])
    for index in range(len(frame.planes)):
        plane_of(frame, index)[:] = 90 + index
    whole, alone = (Preparer(BT709, "left", larger, chroma_only=only)(frame).base for only in (False, True))
    assert (alone.width, alone.height, alone.format.name) == (whole.width, whole.height, whole.format.name)
    for index in range(1, len(frame.planes)):
        assert np.array_equal(plane_of(alone, index), plane_of(whole, index))
