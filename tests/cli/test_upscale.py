"""``subpixel upscale`` as a process: what it prints where, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import av
import pytest

CLI = (sys.executable, "-m", "subpixel", "upscale")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*CLI, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory, samples: Path) -> Path:
    """The first frames of the shipped clip, made small."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    with av.open(str(samples / "bunny_424x240.mp4")) as source, av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "1"})
        video.width, video.height = 96, 64
        frames = source.decode(video=0)
        for _ in range(10):
            output.mux(video.encode(next(frames).reformat(96, 64)))
        output.mux(video.encode(None))
    return path


def test_a_video_and_its_receipt(clip: Path, tmp_path: Path) -> None:
    done = run(clip, tmp_path / "large.mp4", "--model", "espcn-x3", "--engine", "onnxruntime", "--precision", "fp32")
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    for words in (
        "288x192, 10 frames",
        "onnxruntime",
        "CPUExecutionProvider",
        "fp32",
        "ms a frame",
        "enlarged",
        "left",
    ):
        assert words in done.stdout
    with av.open(str(tmp_path / "large.mp4")) as container:
        assert (container.streams.video[0].width, container.streams.video[0].frames) == (288, 10)


def test_json_is_one_object_and_all_else_goes_to_stderr(clip: Path, tmp_path: Path) -> None:
    done = run(clip, tmp_path / "large.mp4", "--model", "bicubic-x2", "--json")
    report = json.loads(done.stdout)
    assert report["target_size"] == [192, 128]
    assert report["frames_in"] == report["frames_out"] == 10
    assert report["receipt"]["provider"] == "numpy"
    assert report["streams"][0]["action"] == "enlarge"
    assert report["lost"] == []
    assert "192x128" in done.stderr


def test_quiet_says_nothing(clip: Path, tmp_path: Path) -> None:
    done = run(clip, tmp_path / "large.mp4", "--model", "bicubic-x2", "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "large.mp4").is_file()


def test_quiet_json_is_the_object_alone(clip: Path, tmp_path: Path) -> None:
    done = run(clip, tmp_path / "large.mp4", "--model", "bicubic-x2", "--quiet", "--json")
    assert json.loads(done.stdout)["frames_out"] == 10
    assert done.stderr == ""


def test_a_picture_goes_the_pictures_way(samples: Path, tmp_path: Path) -> None:
    from PIL import Image

    with Image.open(samples / "stream_frame40_1920x1080.webp") as picture:
        picture.crop((0, 0, 64, 48)).save(tmp_path / "small.png")
    done = run(tmp_path / "small.png", tmp_path / "large.png", "--model", "bicubic-x2", "--to", "144p")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "large.png") as result:
        assert result.size == (192, 144)
    assert "192x144" in done.stdout


def test_all_video_options_together(clip: Path, tmp_path: Path) -> None:
    done = run(
        clip, tmp_path / "large.mkv", "--model", "bicubic-x2", "--size", "300x200", "--compare", "--preview", "200ms",
        "--encoder", "ffv1", "--encoder-option", "level=3", "--encoder-option", "g=1", "--deinterlace", "on",
        "--threads", "1", "--precision", "fp32", "--no-tune",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with av.open(str(tmp_path / "large.mkv")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height) == ("ffv1", 600, 200)
        assert len(list(container.decode(stream))) == 5


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--to", "1080p", "--size", "1920x1080"), "give one of them"),
        (("--to", "huge"), "--to: found 'huge'"),
        (("--preview", "soon"), "--preview"),
        (("--encoder-option", "crf"), "key=value"),
        (("--scale", "3", "--model", "bicubic-x2"), "enlarges 2 times"),
        (("--model", "esspcn-x3"), "did you mean 'espcn-x3'"),
        (("--device", "cuda:7", "--model", "bicubic-x2"), "cuda:7"),
        (("--threads", "-1"), "--threads"),
        (("--precision", "fp7"), "fp7"),
    ],
)
def test_a_senseless_wish_is_told_in_words(arguments: tuple[str, ...], words: str, clip: Path, tmp_path: Path) -> None:
    done = run(clip, tmp_path / "large.mp4", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_cut_file_ends_with_code_three_and_its_output_stays(clip: Path, tmp_path: Path) -> None:
    with av.open(str(clip)) as source, av.open(str(tmp_path / "cut.mkv"), "w") as output:
        stream = output.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = stream
                output.mux(packet)
    data = (tmp_path / "cut.mkv").read_bytes()
    (tmp_path / "cut.mkv").write_bytes(data[: len(data) * 6 // 10])
    done = run(tmp_path / "cut.mkv", tmp_path / "large.mkv", "--model", "bicubic-x2", "--json")
    assert done.returncode == 3
    assert "holds what could be decoded" in done.stderr and "Traceback" not in done.stderr
    assert json.loads(done.stdout)["lost"]
    with av.open(str(tmp_path / "large.mkv")) as container:
        assert 0 < len(list(container.decode(video=0))) < 10


def test_the_help_shows_examples() -> None:
    done = run("--help")
    assert "subpixel upscale clip.mp4 clip-x3.mp4" in done.stdout


def test_a_terminal_gets_a_bar(clip: Path, tmp_path: Path) -> None:
    reading, writing = os.openpty()
    command = [*CLI, str(clip), str(tmp_path / "large.mp4"), "--model", "bicubic-x2"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=writing, env={**os.environ, "TERM": "xterm"}
    ) as process:
        os.close(writing)
        said = read_all(reading)
        assert process.stdout is not None and b"192x128" in process.stdout.read()
    assert process.returncode == 0
    assert b"frames/s" in said and b"clip.mp4" in said


def read_all(descriptor: int) -> bytes:
    parts = []
    while True:
        try:
            part = os.read(descriptor, 4096)
        except OSError:  # the other end of a pseudo-terminal is closed
            return b"".join(parts)
        if not part:
            return b"".join(parts)
        parts.append(part)
