"""Bad input: refused before work starts, in words that say what to do, with nothing written."""

from __future__ import annotations

import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.audio.frame import AudioFrame

from subpixel.errors import BadInputError, BundleError, NotFoundError, OutputError
from subpixel.media import SizeWish, UpscaleOptions, upscale_file

BICUBIC = UpscaleOptions(model="bicubic-x2")


def refused(source: Path, target: Path, kind: type[Exception], words: str, **wanted: Any) -> None:
    """It is refused with these words, and the folder of ``target`` holds what it held."""
    before = sorted(target.parent.iterdir()) if target.parent.is_dir() else None
    with pytest.raises(kind, match=words):
        upscale_file(source, target, UpscaleOptions(**{"model": "bicubic-x2", **wanted}))
    assert (sorted(target.parent.iterdir()) if target.parent.is_dir() else None) == before


def test_a_missing_file(tmp_path: Path) -> None:
    refused(tmp_path / "nothing.mp4", tmp_path / "large.mp4", NotFoundError, r"nothing\.mp4: no such file")


@pytest.mark.parametrize("content", [b"hello\n", bytes(5000), b"\x00\x00\x00\x20ftypisom" + bytes(200), b""])
@pytest.mark.parametrize("name", ["film.mp4", "film.txt", "film"])
def test_what_is_no_media_file(content: bytes, name: str, tmp_path: Path) -> None:
    source = tmp_path / name
    source.write_bytes(content)
    refused(source, tmp_path / "large.mp4", BadInputError, "not a media file|is empty|not a video|no video stream")


def test_text_is_not_taken_for_a_video(tmp_path: Path) -> None:
    """FFmpeg's tty demuxer would show it as one."""
    source = tmp_path / "readme.ans"
    source.write_text("\x1b[31mhello\x1b[0m\n" * 50)
    refused(source, tmp_path / "large.mp4", BadInputError, "not a")


def test_a_folder(tmp_path: Path) -> None:
    refused(tmp_path, tmp_path / "large.mp4", BadInputError, "is a folder")


def test_sound_alone(tmp_path: Path) -> None:
    source = tmp_path / "sound.mp4"
    with av.open(str(source), "w") as output:
        stream = output.add_stream("aac", rate=48000)
        frame = AudioFrame.from_ndarray(np.zeros((2, 1024), np.float32), "fltp", "stereo")
        frame.sample_rate, frame.pts = 48000, 0
        output.mux([*stream.encode(frame), *stream.encode(None)])
    refused(source, tmp_path / "large.mp4", BadInputError, r"no video stream; it has: #0 audio \(aac")


def test_a_video_without_frames(tmp_path: Path) -> None:
    source = tmp_path / "empty.mkv"
    with av.open(str(source), "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width, stream.height = 64, 48
        output.start_encoding()
    refused(source, tmp_path / "large.mp4", BadInputError, "not one frame|no video stream|not a media file")


def test_the_input_as_output(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    source = clip_of()
    content = source.read_bytes()
    (tmp_path / "link.mp4").symlink_to(source)
    os.link(source, tmp_path / "same.mp4")
    for target in (source, tmp_path / "link.mp4", tmp_path / "same.mp4", tmp_path / "." / "clip.mp4"):
        refused(source, target, OutputError, "is the input itself", overwrite=True)
    assert source.read_bytes() == content


def test_an_output_that_exists(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    target = tmp_path / "large.mp4"
    target.write_text("mine")
    refused(clip_of(), target, OutputError, "exists; choose another name or pass --overwrite")
    assert target.read_text() == "mine"
    upscale_file(tmp_path / "clip.mp4", target, UpscaleOptions(model="bicubic-x2", overwrite=True))
    assert target.stat().st_size > 1000


@pytest.mark.parametrize("place", ["none/large.mp4", "clip.mp4/large.mp4"])
def test_a_folder_that_is_not_there(place: str, clip_of: Callable[..., Path], tmp_path: Path) -> None:
    refused(clip_of(), tmp_path / place, OutputError, "there is no folder")


def test_a_folder_that_cant_be_written(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    folder = Path("/proc/self")
    if not folder.is_dir():
        pytest.skip("no folder here that even root can't write to")
    with pytest.raises(OutputError, match="can't be written"):
        upscale_file(clip_of(), folder / "large.mp4", BICUBIC)


@pytest.mark.parametrize("name", ["large.xyz", "large", "large.png", "large.mp3", "large.mp4.zip"])
def test_an_unknown_kind_of_output(name: str, clip_of: Callable[..., Path], tmp_path: Path) -> None:
    refused(clip_of(), tmp_path / name, OutputError, r"can't be written as .*use \.mp4")


def test_a_picture_for_a_video_name(samples: Path, tmp_path: Path) -> None:
    source = samples / "stream_frame40_1920x1080.webp"
    refused(source, tmp_path / "large.mp4", BadInputError, "is a picture, large.mp4 would be a video")
    refused(source, tmp_path / "large.png", BadInputError, "is for videos", duration_seconds=Fraction(3))


@pytest.mark.parametrize(
    ("name", "words"),
    [("libx999", "no such encoder"), ("libx26", "did you mean libx26"), ("aac", "an encoder for audio"),
     ("h264_nvenc", "can't encode"), ("libvpx-vp9", "can't be started|can't hold")],
)  # fmt: skip
def test_an_encoder_that_cant_be_used(name: str, words: str, clip_of: Callable[..., Path], tmp_path: Path) -> None:
    refused(clip_of(), tmp_path / "large.mov", BadInputError, words, encoder=name)


@pytest.mark.parametrize(
    ("option", "words"), [(("crff", "20"), "no option 'crff'"), (("preset", "warp"), "can't encode|warp")]
)
def test_an_encoder_option_that_makes_no_sense(
    option: tuple[str, str], words: str, clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    refused(clip_of(), tmp_path / "large.mp4", BadInputError, words, encoder_options=(option,))


def test_a_size_below_the_inputs(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    refused(clip_of(), tmp_path / "large.mp4", BadInputError, "has 96x64 already", size=SizeWish(exact=(90, 200)))
    refused(clip_of(), tmp_path / "large.mp4", BadInputError, "has 96x64 already", size=SizeWish(lines=48))


def test_a_factor_the_bundle_hasnt(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    refused(clip_of(), tmp_path / "large.mp4", BadInputError, "enlarges 2 times", scale=3)
    refused(clip_of(), tmp_path / "large.mp4", NotFoundError, "no model 'edge-x7'", scale=7, model=None)


def test_an_engine_that_has_no_variant(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    refused(clip_of(), tmp_path / "large.mp4", (BundleError, BadInputError), "no engine 'warp'", engine="warp")


def test_a_result_no_encoder_can_hold(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    """An 8K frame three times as large: told before work starts."""
    source = clip_of(size=(7680, 4320), times=(0,), options=(("preset", "ultrafast"),))
    refused(source, tmp_path / "large.mp4", BadInputError, "23040x12960.*smaller factor", model="bicubic-x3")
