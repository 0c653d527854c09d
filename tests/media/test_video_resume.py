"""``--resume``: a job killed at any moment goes on, and its result is that of one that was left alone."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import subpixel
from subpixel.errors import BadInputError
from subpixel.media import UpscaleOptions, VideoReport, upscale_file
from subpixel.media.segments import JobFolder

KILLS = 20
SEED = 20160916
HALF = Fraction(1, 2)
PLAIN = UpscaleOptions(model="bicubic-x2")
RESUMED = replace(PLAIN, resume=True, segment_seconds=HALF)
LOSSLESS = replace(RESUMED, encoder="ffv1")
# Jobs as processes of their own that need not import everything anew: each is a fork, its end told in a line.
WORK = """
import os, sys
from fractions import Fraction
from subpixel.media import UpscaleOptions, upscale_file
options = UpscaleOptions(model="bicubic-x2", resume=True, segment_seconds=Fraction(1, 2))
for line in sys.stdin:
    job = os.fork()
    if not job:
        upscale_file(*line.split(), options)
        os._exit(0)
    print(job, flush=True)
    print(os.waitpid(job, 0)[1], flush=True)
"""


def long_clip(clip_of: Callable[..., Path], frames: int = 150, **wanted: Any) -> Path:
    given = {
        "name": "clip.mp4",
        "size": (64, 48),
        "audio": (("aac", "eng", ""),),
        "options": (("bf", "2"), ("g", "40")),
    }
    return clip_of(times=tuple(512 * n + 100 * (n % 3) for n in range(frames)), **{**given, **wanted})


def enlarged(source: Path, target: Path, options: UpscaleOptions, **wanted: Any) -> VideoReport:
    report = upscale_file(source, target, options, **wanted)
    assert isinstance(report, VideoReport)
    return report


def content_of(path: Path) -> tuple[Any, ...]:
    """Every frame with its time, every packet of every stream with its times."""
    with av.open(str(path)) as container:
        frames = [(f.pts, hashlib.sha256(f.to_ndarray().tobytes()).hexdigest()) for f in container.decode(video=0)]
    with av.open(str(path)) as container:
        packets = [
            (p.stream.index, p.pts, p.dts, p.duration, p.is_keyframe, hashlib.sha256(bytes(p)).hexdigest())
            for p in container.demux()
            if p.size
        ]
    return frames, packets


def part_folder(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def interrupted(source: Path, target: Path, options: UpscaleOptions, frames: int, **wanted: Any) -> None:
    """A job broken off when so many frames are made."""

    def stop(done: int, expected: int | None) -> None:
        if done >= frames:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        upscale_file(source, target, options, progress=stop, **wanted)
    assert not target.exists()
    assert part_folder(target).is_dir()


@pytest.fixture
def worker() -> Iterator[subprocess.Popen[str]]:
    """Takes names of an input and a result, and makes it in a process whose number it tells."""
    command = [sys.executable, "-c", WORK]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def killed(worker: subprocess.Popen[str], source: Path, target: Path, after: float) -> bool:
    """Start the job and kill it; whether the kill came before its end."""
    assert worker.stdin is not None and worker.stdout is not None
    worker.stdin.write(f"{source} {target}\n")
    worker.stdin.flush()
    job = int(worker.stdout.readline())
    time.sleep(after)
    with contextlib.suppress(ProcessLookupError):
        os.kill(job, signal.SIGKILL)
    status = int(worker.stdout.readline())
    assert status in (0, signal.SIGKILL)
    return status != 0


def test_a_job_killed_twenty_times_ends_as_one_that_was_left_alone(
    clip_of: Callable[..., Path], worker: subprocess.Popen[str], tmp_path: Path
) -> None:
    source, whole = long_clip(clip_of), tmp_path / "whole.mp4"
    started = time.perf_counter()
    enlarged(source, whole, RESUMED)
    longest = time.perf_counter() - started
    wanted, moments = content_of(whole), random.Random(SEED)
    kills, targets, gone_on = 0, [tmp_path / "0.mp4"], 0
    while kills < KILLS:
        target = targets[-1]
        kills += killed(worker, source, target, moments.uniform(0, 0.7 * longest))
        folder = JobFolder(target)
        if target.exists() and not folder.path.exists():
            targets.append(tmp_path / f"{len(targets)}.mp4")
        elif folder.path.is_dir() and folder.load() is not None:
            gone_on += 0 < folder.job.frames < 150
    if not targets[-1].exists() or part_folder(targets[-1]).exists():
        enlarged(source, targets[-1], RESUMED)
    assert [content_of(target) == wanted for target in targets] == [True] * len(targets)
    assert gone_on >= KILLS // 4, "the kills came too early or too late"
    assert sorted(tmp_path.iterdir()) == sorted([source, whole, *targets])


def test_what_lay_in_fresh_memory_does_not_show(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    """x264's AVX-512 code made another file of it at this size, so that a job gone on with differed."""
    source, found = clip_of(size=(144, 96)), []
    for filling in ("1", "85"):
        target = tmp_path / f"{filling}.mp4"
        command, job = [sys.executable, "-c", WORK], f"{source} {target}\n"
        surroundings = {**os.environ, "MALLOC_PERTURB_": filling}
        subprocess.run(command, input=job, text=True, env=surroundings, check=True, capture_output=True)
        found.append(content_of(target))
    assert found[0] == found[1]


@pytest.mark.parametrize("encoder", ["libx264", "libx265", "ffv1", "libvpx-vp9"])
def test_frames_and_their_times_are_those_of_a_run_in_one_piece(
    encoder: str, clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source, frames = long_clip(clip_of, 60), tmp_path / "parts.mkv"
    report = enlarged(source, frames, replace(RESUMED, encoder=encoder))
    plain = enlarged(source, tmp_path / "plain.mkv", replace(PLAIN, encoder=encoder))
    one, other = facts_of(frames), facts_of(tmp_path / "plain.mkv")
    assert one.times == other.times
    assert one.of_kind("audio") == other.of_kind("audio")
    assert (report.frames_in, report.frames_out, report.lost) == (60, 60, ())
    assert (report.streams, report.target_size) == (plain.streams, plain.target_size)
    if encoder == "ffv1":
        assert content_of(frames)[0] == content_of(tmp_path / "plain.mkv")[0]
    with av.open(str(frames)) as container:
        keys = [n for n, p in enumerate(p for p in container.demux(video=0) if p.size) if p.is_keyframe]
    assert set(range(0, 60, 12)) <= set(keys)


def test_mp4_keeps_uneven_times_across_segments_and_the_length_of_the_last_frame(
    clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    source = long_clip(clip_of, 60)
    enlarged(source, tmp_path / "parts.mp4", RESUMED)
    enlarged(source, tmp_path / "plain.mp4", PLAIN)
    with av.open(str(tmp_path / "parts.mp4")) as one, av.open(str(tmp_path / "plain.mp4")) as other:
        assert [f.pts for f in one.decode(video=0)] == [f.pts for f in other.decode(video=0)]
        assert (one.duration, one.streams.video[0].duration) == (other.duration, other.streams.video[0].duration)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_models_of_several_frames_see_across_the_segments_ends(
    at: int, clip_of: Callable[..., Path], toy_nets: Any, tmp_path: Path
) -> None:
    source = long_clip(clip_of, 40)
    with subpixel.open(toy_nets.picks(at), engine="onnxruntime") as model:
        options = replace(LOSSLESS, model=None)
        interrupted(source, tmp_path / "parts.mkv", options, 20, model=model)
        report = enlarged(source, tmp_path / "parts.mkv", options, model=model)
        plain = enlarged(source, tmp_path / "plain.mkv", replace(options, resume=False), model=model)
    assert content_of(tmp_path / "parts.mkv")[0] == content_of(tmp_path / "plain.mkv")[0]
    assert report.scene_cuts == plain.scene_cuts
    assert any(note.startswith("resumed: 12 frames") for note in report.notes)


def test_a_model_with_a_state_is_refused(clip_of: Callable[..., Path], toy_nets: Any, tmp_path: Path) -> None:
    source = long_clip(clip_of, 12)
    with (
        subpixel.open(toy_nets.running_sum(), engine="onnxruntime") as model,
        pytest.raises(BadInputError, match="carries a state through all of it"),
    ):
        upscale_file(source, tmp_path / "large.mp4", replace(RESUMED, model=None), model=model)
    assert not part_folder(tmp_path / "large.mp4").exists()


def test_interlaced_frames_find_their_neighbours_across_the_segments_ends(
    clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    source = long_clip(clip_of, 40, options=(("flags", "+ilme+ildct"), ("x264-params", "tff=1")))
    report = enlarged(source, tmp_path / "parts.mkv", replace(LOSSLESS, deinterlace="on"))
    plain = replace(LOSSLESS, deinterlace="on", resume=False)
    enlarged(source, tmp_path / "plain.mkv", plain)
    assert content_of(tmp_path / "parts.mkv")[0] == content_of(tmp_path / "plain.mkv")[0]
    assert any(note.startswith("40 interlaced frames") for note in report.notes)


def test_a_part_can_be_resumed_too(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    source = long_clip(clip_of, 100)
    options = replace(LOSSLESS, start_seconds=Fraction(11, 10), duration_seconds=Fraction(2))
    interrupted(source, tmp_path / "parts.mkv", options, 30)
    report = enlarged(source, tmp_path / "parts.mkv", options)
    enlarged(source, tmp_path / "plain.mkv", replace(options, resume=False))
    assert content_of(tmp_path / "parts.mkv") == content_of(tmp_path / "plain.mkv")
    assert report.frames_out == 50


@pytest.mark.parametrize(
    ("changed", "words"),
    [({"encoder_options": (("crf", "30"),)}, "another encoding"),
     ({"segment_seconds": Fraction(1)}, "another --segment"),
     ({"model": "bicubic-x3"}, "another model"), ({"deinterlace": "off"}, "another --deinterlace")],
)  # fmt: skip
def test_another_command_is_refused_and_what_differs_is_named(
    changed: dict[str, Any], words: str, clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    source, target = long_clip(clip_of, 40), tmp_path / "large.mp4"
    interrupted(source, target, RESUMED, 20)
    with pytest.raises(BadInputError, match=words):
        upscale_file(source, target, replace(RESUMED, **changed))
    assert enlarged(source, target, RESUMED).frames_out == 40


def test_another_input_is_refused(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    source, target = long_clip(clip_of, 40), tmp_path / "large.mp4"
    interrupted(source, target, RESUMED, 20)
    long_clip(clip_of, 41)
    with pytest.raises(BadInputError, match="another input"):
        upscale_file(source, target, RESUMED)


def test_a_damaged_segment_is_not_used(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    source, target = long_clip(clip_of, 40), tmp_path / "large.mp4"
    interrupted(source, target, RESUMED, 20)
    log = part_folder(target) / "000000.packets"
    data = bytearray(log.read_bytes())
    data[len(data) // 2] ^= 1
    log.write_bytes(bytes(data))
    with pytest.raises(BadInputError, match="was changed since it was written"):
        upscale_file(source, target, RESUMED)
    assert not target.exists()


def test_a_folder_of_somebody_else_is_left_alone(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    source, target = long_clip(clip_of, 12), tmp_path / "large.mp4"
    part_folder(target).mkdir()
    (part_folder(target) / "diary.txt").write_text("mine")
    with pytest.raises(BadInputError, match="is not a job of --resume"):
        upscale_file(source, target, RESUMED)
    assert (part_folder(target) / "diary.txt").read_text() == "mine"


def test_a_job_killed_while_it_tidied_up_is_finished(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    source, target = long_clip(clip_of, 40), tmp_path / "large.mp4"
    interrupted(source, target, RESUMED, 30)
    kept = json.loads((part_folder(target) / "job.json").read_text())
    enlarged(source, target, RESUMED)
    whole = content_of(target)
    folder = JobFolder(target)
    folder.path.mkdir()
    folder.job = replace(folder.job, identity=kept["identity"])
    folder.job = replace(folder.job, segments=finished_segments(source, tmp_path / "again.mp4"))
    folder.note_result(target)
    assert enlarged(source, target, RESUMED).frames_out == 40
    assert content_of(target) == whole
    assert not folder.path.exists()


def finished_segments(source: Path, target: Path) -> Any:
    """Of the same job, under another name, broken off when all its segments were there."""
    found: list[Any] = []
    whole = JobFolder.note_result

    def noted(self: JobFolder, file: Path) -> None:
        found.append(self.job.segments)
        whole(self, file)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JobFolder, "note_result", noted)
        enlarged(source, target, RESUMED)
    return found[0]


def test_a_cut_file_gives_what_there_is_and_says_what_is_missing(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    source = long_clip(clip_of, 100, name="clip.mkv", time_base=Fraction(1, 12800))
    data = source.read_bytes()
    source.write_bytes(data[: len(data) * 6 // 10])
    report = enlarged(source, tmp_path / "parts.mkv", LOSSLESS)
    plain = enlarged(source, tmp_path / "plain.mkv", replace(LOSSLESS, resume=False))
    assert report.frames_out == plain.frames_out < 100
    assert report.lost == plain.lost != ()
    np.testing.assert_equal(content_of(tmp_path / "parts.mkv")[0], content_of(tmp_path / "plain.mkv")[0])


def test_a_deadline_and_segments_do_not_go_together() -> None:
    with pytest.raises(BadInputError, match="which --fps can't"):
        UpscaleOptions(resume=True, fps=25.0)
