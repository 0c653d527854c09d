"""Cameras, pipes and streams: read once, as they come; what came until they end or are stopped is complete."""

from __future__ import annotations

import functools
import http.server
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from subpixel.errors import BadInputError, NotFoundError, OutputError
from subpixel.media import UpscaleOptions, VideoReport, sources, upscale_file

CLI = (sys.executable, "-m", "subpixel", "upscale")
BICUBIC = UpscaleOptions(model="bicubic-x2")
LOSSLESS = replace(BICUBIC, encoder="ffv1", reuse=False)  # what is reused hangs on times
PATTERN = "testsrc2=size=64x48:rate=25"  # FFmpeg's own endless source, in place of a camera
CAMERA = replace(LOSSLESS, input_format="lavfi")


def enlarged(source: str | Path, target: str | Path, options: UpscaleOptions, **wanted: Any) -> VideoReport:
    report = upscale_file(source, target, options, **wanted)
    assert isinstance(report, VideoReport)
    return report


def same_frames(one: list[Any], other: list[Any]) -> None:
    assert len(one) == len(other) > 0
    for a, b in zip(one, other, strict=True):
        np.testing.assert_array_equal(a.to_ndarray(), b.to_ndarray())


@pytest.fixture
def served(tmp_path: Path) -> Iterator[str]:
    """The address of a web server that shows ``tmp_path``; it can't give parts of a file."""
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("name", ["clip.mkv", "clip.ts"])
def test_a_pipe_gives_what_the_file_gives(
    name: str,
    clip_of: Callable[..., Path],
    frames_of: Callable[[Path], list[Any]],
    facts_of: Callable[[Path], Any],
    tmp_path: Path,
) -> None:
    source = clip_of(name=name, time_base=Fraction(1, 90000), times=tuple(3600 * n for n in range(40)),
                     audio=(("aac", "eng", ""),))  # fmt: skip
    target = tmp_path / "piped.mkv"
    with source.open("rb") as file:
        done = subprocess.run(
            [*CLI, "-", str(target), "--model", "bicubic-x2", "--encoder", "ffv1", "--no-reuse"],
            stdin=file, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    enlarged(source, tmp_path / "whole.mkv", LOSSLESS)
    same_frames(frames_of(target), frames_of(tmp_path / "whole.mkv"))
    assert facts_of(target).times[0] == 0
    one, other = facts_of(target).of_kind("audio")[0], facts_of(tmp_path / "whole.mkv").of_kind("audio")[0]
    assert [digest for _, digest in one.packets][-20:] == [digest for _, digest in other.packets][-20:]


@pytest.mark.parametrize("format", [None, "mpegts", "nut"])
def test_a_result_goes_to_a_pipe_and_all_words_to_stderr(
    format: str | None, clip_of: Callable[..., Path], frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    source, target = clip_of(), tmp_path / "piped.bin"
    more = [] if format is None else ["--output-format", format]
    with target.open("wb") as file:
        done = subprocess.run(
            [*CLI, str(source), "-", "--model", "bicubic-x2", *more], stdout=file, stderr=subprocess.PIPE, text=True,
            timeout=120, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "192x128, 12 frames" in done.stderr
    with av.open(str(target)) as container:
        assert container.format.name.startswith(format or "matroska")
    enlarged(source, tmp_path / "file.mkv", BICUBIC)
    same_frames(frames_of(target), frames_of(tmp_path / "file.mkv"))


def test_a_reader_that_goes_away_is_told_without_a_traceback(clip_of: Callable[..., Path]) -> None:
    source = clip_of(size=(320, 240), times=tuple(512 * n for n in range(200)))
    with subprocess.Popen(
        [*CLI, str(source), "-", "--model", "bicubic-x4", "--encoder", "ffv1"], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=False,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        process.stdout.read(1000)
        process.stdout.close()
        said = process.stderr.read().decode()
    assert process.returncode == 2
    assert "can't be written" in said and "Traceback" not in said


def test_nowhere_measures_and_writes_nothing(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    report = enlarged(clip_of(audio=(("aac", "eng", ""),)), "null:", BICUBIC)
    assert (report.target, report.frames_out, report.encoder) == ("null:", 12, "wrapped_avframe")
    assert enlarged(tmp_path / "clip.mp4", "null:", replace(BICUBIC, encoder="libx264")).encoder == "libx264"
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_web_server_gives_what_the_file_gives(
    served: str, clip_of: Callable[..., Path], frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    source = clip_of(name="clip.mkv", time_base=Fraction(1, 1000), times=tuple(40 * n for n in range(12)))
    report = enlarged(f"{served}/clip.mkv", tmp_path / "large.mkv", LOSSLESS)
    enlarged(source, tmp_path / "whole.mkv", LOSSLESS)
    same_frames(frames_of(tmp_path / "large.mkv"), frames_of(tmp_path / "whole.mkv"))
    assert report.source == f"{served}/clip.mkv"
    with pytest.raises(BadInputError, match=r"none\.mkv can't be opened.*404"):
        upscale_file(f"{served}/none.mkv", tmp_path / "none.mkv", LOSSLESS)


def test_an_endless_source_is_cut_by_duration(facts_of: Callable[[Path], Any], tmp_path: Path) -> None:
    report = enlarged(PATTERN, tmp_path / "large.mkv", replace(CAMERA, duration_seconds=Fraction(2, 5)))
    assert (report.frames_out, report.lost) == (10, ())
    assert facts_of(tmp_path / "large.mkv").times == tuple(Fraction(40 * n, 1000) for n in range(10))


def test_an_endless_source_that_is_stopped_gives_a_whole_file(
    frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    stop = threading.Event()

    def enough(done: int, expected: int | None) -> None:
        assert expected is None
        if done == 30:
            stop.set()

    report = enlarged(PATTERN, tmp_path / "large.mp4", replace(CAMERA, encoder=None), progress=enough, stop=stop)
    assert report.frames_out >= 30
    assert report.lost == ()
    assert len(frames_of(tmp_path / "large.mp4")) == report.frames_out


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGINT to another process there")
def test_ctrl_c_ends_a_recording_well(frames_of: Callable[[Path], list[Any]], tmp_path: Path) -> None:
    target = tmp_path / "large.mkv"
    command = [*CLI, PATTERN, str(target), "--input-format", "lavfi", "--model", "bicubic-x2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not any(path.stat().st_size > 20_000 for path in tmp_path.iterdir()):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        said, complaints = process.communicate(timeout=60)
    assert process.returncode == 0, complaints
    assert "stopped; " in said
    assert len(frames_of(target)) > 0
    assert [path.name for path in tmp_path.iterdir()] == ["large.mkv"]


def test_a_pipe_that_is_silent_can_be_stopped(tmp_path: Path, clip_of: Callable[..., Path]) -> None:
    data = clip_of(name="clip.ts", times=tuple(3600 * n for n in range(40)), time_base=Fraction(1, 90000)).read_bytes()
    command = [*CLI, "-", str(tmp_path / "large.mkv"), "--model", "bicubic-x2", "--input-format", "mpegts"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=False
    ) as process:
        assert process.stdin is not None
        process.stdin.write(data * 40)  # far more than FFmpeg looks at before it begins
        process.stdin.flush()
        while not any(path.suffix == ".mkv" and path.stat().st_size > 2000 for path in tmp_path.iterdir()):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) in (0, 3)  # its times begin anew forty times, which is told
    assert (tmp_path / "large.mkv").exists()


def test_a_camera_that_is_not_there(tmp_path: Path) -> None:
    for name in ("camera:97", "/dev/video97"):
        with pytest.raises(NotFoundError, match=r"there is no camera /dev/video97; cameras here: "):
            upscale_file(name, tmp_path / "large.mkv", BICUBIC)


def test_an_address_where_nobody_answers(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for protocol in ("rtsp", "http"):
        with pytest.raises(BadInputError, match="can't be opened"):
            upscale_file(f"{protocol}://127.0.0.1:{port}/live", tmp_path / "large.mkv", BICUBIC)


@pytest.mark.parametrize("protocol", ["rtsp", "http"])
def test_a_server_that_says_nothing_is_not_waited_for_for_ever(
    protocol: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sources, "OPEN_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"{protocol}://127.0.0.1:{server.getsockname()[1]}/live"
        with pytest.raises(BadInputError, match="within 1 s"):
            upscale_file(address, tmp_path / "large.mkv", BICUBIC)


@pytest.mark.parametrize(
    ("wanted", "words"),
    [({"input_format": "warp9"}, "--input-format warp9: this FFmpeg can't read that"),
     ({"input_format": "lavfi", "start_seconds": Fraction(1)}, "--start needs files"),
     ({"input_format": "lavfi", "resume": True}, "--resume needs files"),
     ({"input_format": "lavfi", "decoder": "rawvideo"}, "--decoder is for files")],
)  # fmt: skip
def test_what_a_feed_cannot_do_is_refused(wanted: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match=words):
        upscale_file(PATTERN, tmp_path / "large.mkv", replace(BICUBIC, **wanted))
    assert list(tmp_path.iterdir()) == []


def test_what_an_outlet_cannot_do_is_refused(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    source = clip_of()
    with pytest.raises(OutputError, match="what goes to a pipe can be matroska, mpegts, nut"):
        upscale_file(source, "-", replace(BICUBIC, output_format="mp4"))
    with pytest.raises(OutputError, match="is for the output -"):
        upscale_file(source, tmp_path / "large.mkv", replace(BICUBIC, output_format="nut"))
    with pytest.raises(BadInputError, match="--resume needs files"):
        upscale_file(source, "null:", replace(BICUBIC, resume=True))
    with pytest.raises(BadInputError, match="--input-option is for cameras"):
        upscale_file(source, tmp_path / "large.mkv", replace(BICUBIC, input_options=(("framerate", "30"),)))
    done = subprocess.run([*CLI, str(source), "-", "--json"], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--json speaks on standard output" in done.stderr
