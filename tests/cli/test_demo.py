"""``subpixel demo``: a video and a picture, or words."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from subpixel.cli import demo
from subpixel.errors import NotFoundError, OutputError, SubpixelError

WIDTH, HEIGHT, FRAMES = 48, 32, 5


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A moving grating of five frames."""
    file = tmp_path / f"grating_{WIDTH}x{HEIGHT}.mkv"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(FRAMES):
            columns = (np.arange(WIDTH) + number) % 8 * 20 + 40
            picture = np.repeat(np.broadcast_to(columns, (HEIGHT, WIDTH))[..., None], 3, axis=2).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return file


def test_a_clip_of_ones_own_becomes_a_video_and_a_picture(clip: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(demo.demo, [str(clip), "-o", str(tmp_path / "out"), "--json"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["video"]["frames_out"] == FRAMES
    assert [(panel["name"], panel["psnr_db"]) for panel in report["panels"]] == [("bicubic", None), ("edge-x3", None)]
    with av.open(str(tmp_path / "out" / "grating_144x96.mp4")) as container:
        assert sum(frame.width == 3 * WIDTH for frame in container.decode(video=0)) == FRAMES
    with Image.open(report["picture"]) as picture:
        assert picture.width > 2 * WIDTH


def test_what_is_there_is_kept_unless_told_otherwise(clip: Path, tmp_path: Path) -> None:
    old = tmp_path / demo.PICTURE
    old.write_text("mine")
    arguments = [str(clip), "-o", str(tmp_path), "--model", "bicubic-x2", "--quiet"]
    refused = CliRunner().invoke(demo.demo, arguments)
    assert isinstance(refused.exception, OutputError)
    assert "--overwrite" in str(refused.exception)
    assert old.read_text() == "mine"
    assert CliRunner().invoke(demo.demo, [*arguments, "--overwrite"]).output == ""
    assert old.read_bytes()[:4] == b"RIFF"


@pytest.mark.parametrize("name", ["absent.mp4", "text.mp4"])
def test_what_is_no_clip_is_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("text")
    result = CliRunner().invoke(demo.demo, [str(tmp_path / name), "-o", str(tmp_path / "out")])
    assert isinstance(result.exception, SubpixelError)
    assert name in str(result.exception)
    assert not (tmp_path / "out").exists()


def test_the_samples_of_the_repository_are_found_from_anywhere(
    samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = demo.sample(None)
    assert found.clip.samefile(samples / "stream_640x360.mp4")
    assert found.original is not None
    assert found.original.samefile(samples / "stream_frame40_1920x1080.webp")


def test_without_the_samples_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "CLIP", Path("samples") / "gone.mp4")
    with pytest.raises(NotFoundError, match="subpixel demo CLIP"):
        demo.sample(None)


def test_the_frame_of_the_picture_is_the_one_that_the_original_was_before_it_was_reduced(samples: Path) -> None:
    """The picture compares like with like: reduced by three, the original is the clip's frame 40 and no other."""
    with Image.open(samples / "stream_frame40_1920x1080.webp") as image:
        reduced = np.asarray(image.convert("RGB").resize((640, 360), Image.Resampling.BICUBIC), np.float32)
    distance = {
        n: float(np.abs(demo.frame_of(samples / "stream_640x360.mp4", n) - reduced).mean()) for n in (39, 40, 41)
    }
    assert min(distance, key=distance.__getitem__) == demo.FRAME
