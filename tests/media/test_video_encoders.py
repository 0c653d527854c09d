"""``--encoder`` and the encoders that are taken without it: their options, clocks and pixel formats."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.codec import Codec
from av.codec.context import CodecContext
from av.video.frame import VideoFrame

from subpixel.cpu import instruction_sets
from subpixel.errors import BadInputError
from subpixel.media import UpscaleOptions, VideoReport, upscale_file
from subpixel.media.colour import ColourTags
from subpixel.media.containers import CONTAINERS
from subpixel.media.encoder import EncoderWish, choose_encoding, nearest_format, video_encoders
from subpixel.media.pixels import plane_of
from subpixel.media.scaling import Scaler, Shape

BICUBIC = UpscaleOptions(model="bicubic-x2")
BT709 = ColourTags(1, 1, 1, 1)
WISH = EncoderWish("yuv420p", (96, 64), Fraction(1, 12800), Fraction(25), None, BT709, "left")
WITHOUT_H264 = replace(CONTAINERS[0], encoders=("libx264-which-is-missing", "mpeg4"))


def luma_error(found: list[Any], wanted: list[Any]) -> float:
    """PSNR of luma in dB, of all frames together."""
    pairs = zip(found, wanted, strict=True)
    squares = [np.square(plane_of(one, 0).astype(float) - plane_of(other, 0)).mean() for one, other in pairs]
    return float(10 * np.log10(255**2 / np.mean(squares)))


def test_mpeg4_takes_the_place_of_a_missing_h264_encoder_with_options_it_knows() -> None:
    found = choose_encoding(WISH, WITHOUT_H264)
    assert (found.name, dict(found.options), found.notes) == ("mpeg4", {"qmin": "3", "qmax": "3"}, ())


def test_mpeg4_is_as_good_as_the_usual_encoder(
    clip_of: Callable[..., Path], frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    source = clip_of(size=(192, 128))
    for encoder, name in (("ffv1", "exact.mkv"), ("libx264", "usual.mp4"), ("mpeg4", "fallback.mp4")):
        report = upscale_file(source, tmp_path / name, replace(BICUBIC, encoder=encoder))
        assert isinstance(report, VideoReport)
        assert (report.encoder, report.frames_out) == (encoder, 12)
    exact, usual, fallback = (frames_of(tmp_path / name) for name in ("exact.mkv", "usual.mp4", "fallback.mp4"))
    assert luma_error(fallback, exact) > max(40, luma_error(usual, exact) - 1.5)
    assert [frame.pts * frame.time_base for frame in fallback] == [frame.pts * frame.time_base for frame in usual]


@pytest.mark.parametrize(
    ("asked", "wanted"), [("", "asm=avx2"), ("keyint=12", "keyint=12:asm=avx2"), ("asm=sse4:me=hex", "asm=sse4:me=hex"),
                          ("no-asm=1", "no-asm=1")]
)  # fmt: skip
def test_what_must_be_repeatable_keeps_x264_from_avx512(asked: str, wanted: str) -> None:
    if "avx2" not in instruction_sets():
        pytest.skip("this processor has no AVX2, so x264 is left as it is")
    options = (("x264-params", asked),) if asked else ()
    usual = replace(WISH, options=options)
    wishes = replace(usual, repeatable=True), usual, replace(WISH, name="mpeg4", repeatable=True)
    found = [dict(choose_encoding(wish, CONTAINERS[0]).options).get("x264-params", "") for wish in wishes]
    assert found == [wanted, asked, ""]


@pytest.mark.parametrize(
    ("asked", "known"), [("b", {"b"}), ("qmin", {"qmin"}), ("global_quality", {"global_quality"}),
                         ("g", {"qmin", "qmax", "g"})]
)  # fmt: skip
def test_a_bit_rate_or_quantiser_that_is_asked_of_mpeg4_replaces_ours(asked: str, known: set[str]) -> None:
    found = choose_encoding(replace(WISH, options=((asked, "9"),)), WITHOUT_H264)
    assert set(dict(found.options)) == known


def test_a_quantisers_limit_leaves_the_usual_encoder_its_quality() -> None:
    found = choose_encoding(replace(WISH, options=(("qmin", "5"),)), CONTAINERS[0])
    assert dict(found.options) == {"preset": "veryfast", "crf": "18", "qmin": "5"}


@pytest.mark.parametrize(
    ("ticks", "coded", "most_us"), [(90_000, 45_000, 11), (1_000_000, 62_500, 8), (65_537, 32_768, 15)]
)
def test_a_clock_that_mpeg4_cant_count_becomes_a_coarser_one_and_is_told(
    ticks: int, coded: int, most_us: int, clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source = clip_of(times=tuple(n * ticks * 1001 // 30_000 for n in range(12)), time_base=Fraction(1, ticks))
    report = upscale_file(source, tmp_path / "large.mp4", replace(BICUBIC, encoder="mpeg4"))
    assert isinstance(report, VideoReport)
    pairs = zip(facts_of(tmp_path / "large.mp4").times, facts_of(source).times, strict=True)
    assert max(abs(one - other) for one, other in pairs) <= Fraction(1, 2 * coded)
    assert f"mpeg4 counts time in 1/{coded} s: frames are off by {most_us} us at most" in report.notes


def test_a_clock_that_mpeg4_can_count_stays() -> None:
    found = choose_encoding(replace(WISH, time_base=Fraction(1, 65_535)), WITHOUT_H264)
    assert (found.time_base, found.notes) == (Fraction(1, 65_535), ())


@pytest.mark.parametrize("name", ["h264_cuvid", "libdav1d", "h264_dec", "libx26", "mjpg"])
def test_an_unknown_encoder_is_answered_with_encoders_of_video(name: str) -> None:
    with pytest.raises(BadInputError, match="no such encoder") as refusal:
        choose_encoding(replace(WISH, name=name), CONTAINERS[0])
    _, _, near = str(refusal.value).partition("did you mean ")
    assert near
    for suggested in near.rstrip("?").split(" or "):
        assert suggested != name
        codec = Codec(suggested, "w")
        assert (codec.is_encoder, codec.type) == (True, "video")


@pytest.mark.parametrize(
    ("offered", "working", "chosen"),
    [(("nv12", "qsv"), "yuv420p", "nv12"), (("qsv", "nv12"), "yuv420p10le", "nv12"),
     (("nv12", "p010le", "qsv"), "yuv420p10le", "p010le"), (("nv12", "p010le", "qsv"), "yuv420p", "nv12"),
     (("vaapi", "yuv420p", "cuda"), "yuv444p", "yuv420p"), (("nv12", "nv16", "yuv444p"), "yuv422p", "yuv444p"),
     (("nv12", "p010le", "rgbaf16le"), "yuv420p16le", "p010le"), ((), "yuv420p", "yuv420p")],
)  # fmt: skip
def test_a_format_in_ordinary_memory_is_chosen(offered: tuple[str, ...], working: str, chosen: str) -> None:
    assert nearest_format("h264_qsv", offered, working)[0] == chosen


@pytest.mark.parametrize("offered", [("vaapi",), ("cuda", "vulkan"), ("d3d11", "qsv"), ("videotoolbox_vld",)])
def test_an_encoder_of_frames_on_a_device_alone_is_refused(offered: tuple[str, ...]) -> None:
    with pytest.raises(
        BadInputError, match=rf"h264_vaapi: found .*{offered[0]}.*needed one in ordinary memory.*another"
    ):
        nearest_format("h264_vaapi", offered, "yuv420p")


@pytest.mark.parametrize("working", ["yuv420p", "yuv422p", "yuv420p10le", "yuv444p16le", "yuva420p", "gray", "gbrp"])
def test_what_is_chosen_of_any_encoders_formats_can_be_made(working: str) -> None:
    lists = {tuple(form.name for form in Codec(name, "w").video_formats or ()) for name in video_encoders()}
    for offered in sorted(lists):
        if all(name.startswith("yuvj") for name in offered):
            continue
        chosen, _ = nearest_format("any", offered, working)
        frame = VideoFrame(32, 32, working)
        made = frame if chosen == working else Scaler(Shape(32, 32, working), Shape(32, 32, chosen))(frame)
        assert made.format.name == chosen
        assert len(made.planes) > 0


def test_frames_for_hardware_hold_the_same_pixels(pictures: list[VideoFrame]) -> None:
    """libx264 stands for the card: it takes nv12 too."""
    usual = choose_encoding(replace(WISH, options=(("qp", "0"),)), CONTAINERS[0])
    decoded = []
    for encoding in (usual, replace(usual, pixel_format="nv12")):
        context: Any = CodecContext.create(encoding.name, "w")
        encoding.set_up(context)
        frame = pictures[0].reformat(96, 64, "yuv420p")
        fitted = frame
        if encoding.pixel_format != "yuv420p":
            fitted = Scaler(Shape(96, 64, "yuv420p"), Shape(96, 64, encoding.pixel_format))(frame)
        fitted.pts, fitted.pict_type = 0, 0
        packets = [*context.encode(fitted), *context.encode(None)]
        reader = CodecContext.create("h264", "r")
        found: list[Any] = [f for packet in packets for f in reader.decode(packet)] + reader.decode(None)
        decoded.append([plane_of(found[0], index).tobytes() for index in range(3)])
        assert decoded[-1] == [plane_of(frame, index).tobytes() for index in range(3)]
    assert decoded[0] == decoded[1]


def test_a_job_with_mpeg4_can_be_cut_in_segments(
    clip_of: Callable[..., Path], frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    source = clip_of(times=tuple(3003 * n for n in range(12)), time_base=Fraction(1, 90_000))
    wanted = replace(BICUBIC, encoder="mpeg4", resume=True, segment_seconds=Fraction(1, 5))
    upscale_file(source, tmp_path / "parts.mp4", wanted)
    upscale_file(source, tmp_path / "whole.mp4", replace(BICUBIC, encoder="mpeg4"))
    parts, whole = frames_of(tmp_path / "parts.mp4"), frames_of(tmp_path / "whole.mp4")
    assert [frame.pts for frame in parts] == [frame.pts for frame in whole]
    assert luma_error(parts, whole) > 40
