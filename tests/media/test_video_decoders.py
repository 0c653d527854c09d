"""``--decoder`` and hardware encoders by name: used where they can be, refused in words where they can't."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.codec import Codec
from av.codec.codec import UnknownCodecError

from subpixel.errors import BadInputError
from subpixel.media import UpscaleOptions, VideoReport, upscale_file
from subpixel.media.decoders import decoders_of

LOSSLESS = UpscaleOptions(model="bicubic-x2", encoder="ffv1", reuse=False)  # what is reused hangs on times


def is_known(name: str, mode: Any) -> bool:
    try:
        Codec(name, mode)
    except UnknownCodecError:
        return False
    return True


@pytest.mark.parametrize(("codec", "decoder"), [("libx264", "h264"), ("libvpx-vp9", "libvpx-vp9"), ("libx265", "hevc")])
def test_a_decoder_by_name_gives_the_same_frames_and_times(
    codec: str,
    decoder: str,
    clip_of: Callable[..., Path],
    frames_of: Callable[[Path], list[Any]],
    facts_of: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    source = clip_of(codec=codec, rotation=90, colours=(5, 2, 5, 6))
    report = upscale_file(source, tmp_path / "named.mkv", replace(LOSSLESS, decoder=decoder))
    upscale_file(source, tmp_path / "usual.mkv", LOSSLESS)
    assert isinstance(report, VideoReport)
    assert (report.frames_out, report.lost) == (12, ())
    assert facts_of(tmp_path / "named.mkv") == facts_of(tmp_path / "usual.mkv")
    pairs = zip(frames_of(tmp_path / "named.mkv"), frames_of(tmp_path / "usual.mkv"), strict=True)
    for one, other in pairs:
        np.testing.assert_array_equal(one.to_ndarray(), other.to_ndarray())


@pytest.mark.parametrize(
    ("name", "words"),
    [("h265_warp", "no such decoder.*for h264 there are: .*h264"), ("hevc", "the video is h264; for h264 there are"),
     ("libx264", "no such decoder"), ("aac", "the video is h264")],
)  # fmt: skip
def test_a_decoder_that_does_not_fit_is_refused_and_those_that_do_are_named(
    name: str, words: str, clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(BadInputError, match=words):
        upscale_file(clip_of(), tmp_path / "large.mp4", replace(LOSSLESS, decoder=name))
    assert not (tmp_path / "large.mp4").exists()


@pytest.mark.parametrize("name", ["h264_v4l2m2m", "h264_cuvid", "h264_qsv"])
def test_hardware_that_is_not_here_is_told_for_a_decoder(
    name: str, clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    if not is_known(name, "r"):
        pytest.skip(f"this FFmpeg is built without {name}")
    try:
        upscale_file(clip_of(), tmp_path / "large.mp4", UpscaleOptions(model="bicubic-x2", decoder=name))
    except BadInputError as fault:
        assert f"--decoder {name}" in str(fault)
        assert "can't be opened here" in str(fault) or "gives not one frame" in str(fault)
    else:
        assert (tmp_path / "large.mp4").exists()


@pytest.mark.parametrize("name", ["h264_v4l2m2m", "h264_nvenc", "h264_qsv", "h264_vaapi"])
def test_hardware_that_is_not_here_is_told_for_an_encoder(
    name: str, clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    if not is_known(name, "w"):
        pytest.skip(f"this FFmpeg is built without {name}")
    try:
        upscale_file(clip_of(), tmp_path / "large.mp4", UpscaleOptions(model="bicubic-x2", encoder=name))
    except BadInputError as fault:
        assert name in str(fault)
        assert "can't encode" in str(fault) or "needed one in ordinary memory" in str(fault)
        assert not any(f" {kind} " in str(fault) for kind in ("qsv", "vaapi", "cuda"))
        assert list(tmp_path.iterdir()) == [tmp_path / "clip.mp4"]
    else:
        assert (tmp_path / "large.mp4").exists()


def test_all_decoders_of_a_codec_are_found() -> None:
    assert "h264" in decoders_of(Codec("h264", "r"))
    assert "hevc" not in decoders_of(Codec("h264", "r"))
