"""Every awkward kind of clip, made from the shipped one: streams, times and tags before and after are the same."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from subpixel.media import UpscaleOptions, VideoReport, upscale_file

KINDS: dict[str, dict[str, Any]] = {
    "constant rate": {},
    "variable rate": {"times": (0, 1001, 2002, 6006, 7007, 12012, 12013, 20020), "time_base": Fraction(1, 30000)},
    "late start": {"times": tuple(5000 + 1001 * n for n in range(8)), "time_base": Fraction(1, 30000)},
    "10 bit 4:2:0": {"pixel_format": "yuv420p10le"},
    "10 bit 4:2:2": {"pixel_format": "yuv422p10le"},
    "8 bit 4:2:2": {"pixel_format": "yuv422p"},
    "8 bit 4:4:4": {"pixel_format": "yuv444p"},
    "grey": {"pixel_format": "gray", "colours": (1, 1, 1, 1)},
    "full range BT.601": {"colours": (6, 2, 6, 6)},
    "limited range BT.601": {"colours": (6, 1, 6, 6)},
    "BT.2020 PQ": {"pixel_format": "yuv420p10le", "colours": (9, 1, 9, 16)},
    "BT.2020 HLG": {"pixel_format": "yuv420p10le", "colours": (9, 1, 9, 18)},
    "rotated": {"rotation": 90},
    "rotated the other way": {"rotation": -90},
    "anamorphic": {"aspect": Fraction(16, 15)},
    "HEVC": {"codec": "libx265", "options": (("x265-params", "log-level=none"),)},
    "in Matroska": {"name": "clip.mkv", "time_base": Fraction(1, 1000), "times": tuple(40 * n for n in range(8))},
    "nothing tagged": {"colours": (2, 0, 2, 2)},
    "VP9 in WebM": {"name": "clip.webm", "codec": "libvpx-vp9", "time_base": Fraction(1, 1000),
                    "times": (0, 33, 67, 100, 267, 300)},
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_times_and_tags_stay_and_the_size_doubles(
    kind: str, clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source = clip_of(**KINDS[kind])
    target = tmp_path / f"large{source.suffix}"
    report = upscale_file(source, target, UpscaleOptions(model="bicubic-x2"))
    before, after = facts_of(source), facts_of(target)
    assert isinstance(report, VideoReport)
    assert report.lost == ()
    assert report.frames_in == report.frames_out == len(before.times)
    assert after.times == before.times
    assert after.size == (2 * before.size[0], 2 * before.size[1])
    assert after.pixel_format == before.pixel_format
    assert after.colours == before.colours
    assert after.aspect == before.aspect
    assert after.rotation == before.rotation


def test_a_transport_stream_keeps_its_clock(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    times = tuple(3600 * n for n in range(12))
    source = clip_of(name="clip.ts", time_base=Fraction(1, 90000), times=times, audio=(("aac", "eng", ""),))
    upscale_file(source, tmp_path / "large.mp4", UpscaleOptions(model="bicubic-x2"))
    before, after = facts_of(source), facts_of(tmp_path / "large.mp4")
    assert before.times[0] > 0
    assert after.times == before.times
    old, new = before.of_kind("audio")[0], after.of_kind("audio")[0]
    assert len(new.packets) == len(old.packets)
    assert abs(new.packets[0][0] - old.packets[0][0]) < Fraction(1, 40000)


def test_hdr_side_data_is_told_when_it_is_left_out(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    display = "G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50)"
    options = (("x265-params", f"log-level=none:hdr10=1:master-display={display}:max-cll=1000,400"),)
    source = clip_of(codec="libx265", pixel_format="yuv420p10le", colours=(9, 1, 9, 16), options=options)
    report = upscale_file(source, tmp_path / "large.mp4", UpscaleOptions(model="bicubic-x2"))
    assert "HDR side data left out: mastering display, content light level" in report.notes
    assert "HDR: the tags are kept" in " ".join(report.notes)
    assert facts_of(tmp_path / "large.mp4").colours == (9, 1, 9, 16)


def test_a_gif_becomes_a_video_with_its_times(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source = clip_of(name="clip.gif", codec="gif", pixel_format="rgb8", time_base=Fraction(1, 100),
                     times=(0, 10, 15, 40), colours=(0, 2, 2, 2))  # fmt: skip
    upscale_file(source, tmp_path / "large.mp4", UpscaleOptions(model="bicubic-x2"))
    before, after = facts_of(source), facts_of(tmp_path / "large.mp4")
    assert after.times == before.times
    assert after.size == (192, 128)


def test_interlaced_frames_come_out_progressive_one_for_one(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source = clip_of(options=(("flags", "+ildct+ilme"), ("x264-params", "tff=1")))
    target = tmp_path / "large.mp4"
    report = upscale_file(source, target, UpscaleOptions(model="bicubic-x2"))
    before, after = facts_of(source), facts_of(target)
    assert before.interlaced and not after.interlaced
    assert after.times == before.times
    assert f"{len(before.times)} interlaced frames deinterlaced by bwdif" in " ".join(report.notes)  # type: ignore[union-attr]


@pytest.mark.parametrize(("mode", "words"), [("off", "taken as it is"), ("on", "12 interlaced frames deinterlaced")])
def test_deinterlacing_can_be_forced_and_forbidden(
    mode: Any, words: str, clip_of: Callable[..., Path], tmp_path: Path, facts_of: Callable[[Path], Any]
) -> None:
    options = (("flags", "+ildct+ilme"), ("x264-params", "tff=1")) if mode == "off" else ()
    source, target = clip_of(options=options), tmp_path / "large.mp4"
    report = upscale_file(source, target, UpscaleOptions(model="bicubic-x2", deinterlace=mode))
    assert words in " ".join(report.notes)
    assert facts_of(target).times == facts_of(source).times


@pytest.mark.parametrize("pixel_format", ["gbrp", "rgb24"])
def test_rgb_stays_rgb_with_an_encoder_that_has_it(
    pixel_format: str, clip_of: Callable[..., Path], frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    codec = {"gbrp": "ffv1", "rgb24": "libx264rgb"}[pixel_format]
    lossless = (("qp", "0"),) if codec == "libx264rgb" else ()
    source = clip_of(name="clip.mkv", codec=codec, pixel_format="bgr0" if codec == "ffv1" else pixel_format,
                     colours=(0, 2, 1, 13), options=lossless)  # fmt: skip
    target = tmp_path / "large.mkv"
    upscale_file(source, target, UpscaleOptions(model="bicubic-x2", encoder=codec, encoder_options=lossless))
    before, after = frames_of(source)[3], frames_of(target)[3]
    assert after.format.is_rgb and (after.width, after.height) == (192, 128)
    small = after.reformat(96, 64, "rgb24", interpolation="AREA").to_ndarray().astype(int)
    wanted = before.to_ndarray(format="rgb24").astype(int)
    assert np.abs(small - wanted).mean() < 3
    assert abs((small - wanted).mean()) < 0.5


def test_rgb_becomes_4_4_4_of_bt709_for_the_default_encoder_and_it_is_said(
    clip_of: Callable[..., Path], frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    source = clip_of(name="clip.mkv", codec="ffv1", pixel_format="bgr0", colours=(0, 2, 1, 13))
    target = tmp_path / "large.mp4"
    report = upscale_file(source, target, UpscaleOptions(model="bicubic-x2", encoder_options=(("crf", "1"),)))
    before, after = frames_of(source)[3], frames_of(target)[3]
    assert (after.format.name, after.colorspace, after.color_range) == ("yuv444p", 1, 1)
    assert "RGB and Y'CbCr are exchanged" in " ".join(report.notes)
    small = after.to_ndarray(format="rgb24").astype(int)
    wanted = before.reformat(192, 128, "rgb24", interpolation="BICUBIC").to_ndarray().astype(int)
    assert np.abs(small - wanted).mean() < 3
    assert abs((small - wanted).mean()) < 0.6


def test_the_colours_seen_stay_for_every_coding(
    clip_of: Callable[..., Path], frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    """A wrong matrix or range anywhere on the way moves the mean by several levels."""
    for number, colours in enumerate([(1, 1, 1, 1), (6, 1, 6, 6), (6, 2, 6, 6), (1, 2, 1, 1)]):
        source = clip_of(name=f"{number}.mp4", colours=colours, options=(("crf", "4"),))
        target = tmp_path / f"large{number}.mp4"
        upscale_file(source, target, UpscaleOptions(model="bicubic-x2", encoder_options=(("crf", "4"),)))
        before, after = (seen(frames_of(path)[5]) for path in (source, target))
        assert np.abs(before - after).max() < 0.4, colours


def seen(frame: Any) -> Any:
    """The mean of R, G and B as the tags tell to show them."""
    return frame.to_ndarray(format="rgb24").reshape(-1, 3).mean(axis=0)


def test_more_bits_than_eight_come_out_finer_than_eight(
    clip_of: Callable[..., Path], frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    lossless = (("qp", "0"), ("preset", "ultrafast"))
    source, target = clip_of(pixel_format="yuv420p10le"), tmp_path / "large.mp4"
    upscale_file(source, target, UpscaleOptions(model="bicubic-x2", encoder_options=lossless))
    levels = np.frombuffer(frames_of(target)[0].planes[0], "<u2")
    assert levels.max() > 255
    assert np.mean(levels % 4 != 0) > 0.5


def test_grey_that_an_encoder_lacks_becomes_yuv_with_the_same_levels(
    clip_of: Callable[..., Path], frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    source, target = clip_of(pixel_format="gray"), tmp_path / "large.webm"
    upscale_file(source, target, UpscaleOptions(model="bicubic-x2", encoder_options=(("crf", "4"),)))
    before, after = frames_of(source)[2], frames_of(target)[2]
    assert after.format.name == "yuv420p"
    means = [np.frombuffer(f.planes[0], np.uint8).reshape(f.height, -1)[:, : f.width].mean() for f in (before, after)]
    assert abs(means[0] - means[1]) < 0.6
