"""Damaged input is worked on as far as it goes; a result that can't be finished leaves nothing behind."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from subpixel.errors import BadInputError, OutputError
from subpixel.media import UpscaleOptions, VideoReport, upscale_file

BICUBIC = UpscaleOptions(model="bicubic-x2")
LONG = tuple(512 * n for n in range(60))
LOUD = (("qp", "8"), ("preset", "ultrafast"), ("g", "5"))


def enlarge(source: Path, target: Path) -> VideoReport:
    report = upscale_file(source, target, BICUBIC)
    assert isinstance(report, VideoReport)
    return report


def cut(path: Path, part: float) -> Path:
    """Keep the first part of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * part)])
    return path


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_a_cut_file_is_finished_as_far_as_it_goes_and_the_loss_is_told(
    kind: str, clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source = clip_of(name=f"clip.{kind}", times=LONG, options=LOUD, audio=(("aac", "eng", ""),),
                     muxer=(("movflags", "faststart"),) if kind == "mp4" else ())  # fmt: skip
    report = enlarge(cut(source, 0.6), tmp_path / f"large.{kind}")
    after = facts_of(tmp_path / f"large.{kind}")
    assert 20 < report.frames_out == len(after.times) < 55
    assert report.lost
    assert after.of_kind("audio")[0].packets


def test_damage_in_the_middle_costs_only_what_is_damaged(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source = clip_of(times=LONG[:20], options=LOUD)
    before = facts_of(source)
    data = bytearray(source.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 2000] = bytes(2000)
    source.write_bytes(data)
    report = enlarge(source, tmp_path / "large.mp4")
    assert "damaged" in " ".join(report.lost)
    assert facts_of(tmp_path / "large.mp4").times == before.times


def test_a_file_whose_index_is_missing_is_refused(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    source = cut(clip_of(times=LONG), 0.5)
    with pytest.raises(BadInputError, match=r"not a media file.*moov atom not found"):
        enlarge(source, tmp_path / "large.mp4")
    assert list(tmp_path.iterdir()) == [source]


def test_a_whole_file_has_no_losses(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    for name in ("a.mp4", "b.mkv"):
        report = enlarge(clip_of(name=name, audio=(("aac", "eng", ""),)), tmp_path / f"large-{name}")
        assert report.lost == ()


@contextmanager
def small_disk(folder: Path, size_kib: int) -> Iterator[Path]:
    """A file system with little room; skips where none can be mounted."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size_kib}k", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system can't be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=False)


def test_a_full_disk_leaves_nothing_behind(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    source = clip_of(times=LONG)
    with small_disk(tmp_path / "disk", 64) as disk:
        with pytest.raises(OutputError, match="no room left"):
            upscale_file(source, disk / "large.mp4", UpscaleOptions(model="bicubic-x2", encoder_options=LOUD))
        assert list(disk.iterdir()) == []


def test_a_file_that_grows_over_the_limit_leaves_nothing_behind(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    source, folder = clip_of(times=LONG, options=LOUD), tmp_path / "out"
    folder.mkdir()
    process = start(source, folder / "large.mp4", preexec_fn=limit_file_size)
    _, said = process.communicate(timeout=100)
    assert process.returncode == 2
    assert "no room left" in said and "Traceback" not in said
    assert list(folder.iterdir()) == []


def limit_file_size() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))


def start(source: Path, target: Path, *options: str, **more: Any) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "subpixel", "upscale", str(source), str(target), "--model", "bicubic-x2"]
    return subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_behind(number: int, clip_of: Callable[..., Path], tmp_path: Path) -> None:
    source, folder = clip_of(size=(480, 320), times=tuple(512 * n for n in range(120))), tmp_path / "out"
    folder.mkdir()
    process = start(source, folder / "large.mp4", env={**os.environ, "PYTHONFAULTHANDLER": "1"})
    until = time.monotonic() + 60
    while not list(folder.iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    assert [path.suffix for path in folder.iterdir()] == [".mp4"], "the work has not begun"
    assert not (folder / "large.mp4").exists()
    for _ in range(3):  # an impatient user
        process.send_signal(number)
        time.sleep(0.02)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in said) == (130, False), said
    assert list(folder.iterdir()) == []


def test_an_old_result_survives_a_failure(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    source, folder = clip_of(times=LONG, options=LOUD), tmp_path / "out"
    folder.mkdir()
    (folder / "large.mp4").write_text("the old one")
    process = start(source, folder / "large.mp4", "--overwrite", preexec_fn=limit_file_size)
    process.communicate(timeout=60)
    assert process.returncode == 2
    assert [path.read_text() for path in folder.iterdir()] == ["the old one"]
