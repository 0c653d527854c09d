"""What the benchmarks measure with, and what they make of it."""

from __future__ import annotations

import doctest
import importlib
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

MODULES = ("racing.process", "racing.record", "racing.clips", "scaling")


def named(name: str) -> Any:
    return importlib.import_module(name)


def lap(seconds: float, rss_mib: float = 300.0, foreign: float = 0.0) -> Any:
    return named("racing.record").Lap(seconds, 2 * seconds, rss_mib, foreign)


def row(system: str, model: str, *laps: Any, clip: str = "moving", **more: Any) -> Any:
    return named("racing.record").Row(clip, f"{system} {model}", system, model, 120, laps, **more)


@pytest.mark.parametrize("name", MODULES)
def test_doctests_of_the_benchmarks_hold(name: str) -> None:
    assert doctest.testmod(named(name)).failed == 0


def test_a_run_is_told_with_its_cpu_time_and_the_memory_of_all_its_processes() -> None:
    process = named("racing.process")
    code = "import subprocess, sys, time; x = bytearray(64 << 20); subprocess.run([sys.executable, '-c', sys.argv[1]])"
    child = "import time; x = bytearray(64 << 20); sum(range(3_000_000)); time.sleep(0.8); print('done')"
    cost = process.run([sys.executable, "-c", code, child])
    assert cost.output == "done\n"
    assert cost.peak_rss_mib > 128
    assert cost.cpu_seconds > 0
    assert cost.seconds > 0.8


def test_a_run_that_fails_or_hangs_says_so() -> None:
    process = named("racing.process")
    with pytest.raises(process.RunError, match="no such clip"):
        process.run([sys.executable, "-c", "raise SystemExit('no such clip')"])
    with pytest.raises(process.RunError, match="-9"):
        process.run([sys.executable, "-c", "import time; time.sleep(60)"], limit_seconds=0.5)


def test_the_machines_busy_time_leaves_out_idling_and_waiting() -> None:
    process = named("racing.process")
    text = "cpu  100 10 30 5000 700 4 6 50 100 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n"
    assert process.busy_seconds(text) * process.TICKS == 100 + 10 + 30 + 4 + 6 + 50


def test_a_disturbed_run_is_repeated_and_the_least_disturbed_counts() -> None:
    process = named("racing.process")
    shares = iter([0.5, 0.2, 0.3, 0.0])
    best = process.least_disturbed(lambda: process.Cost(1.0, 1.0, 1.0, next(shares)), 2)
    assert best.foreign_share == 0.2
    assert best.disturbed
    assert next(shares) == 0.0


def test_an_undisturbed_run_is_not_repeated() -> None:
    process = named("racing.process")
    shares = iter([0.01, 0.0])
    assert process.least_disturbed(lambda: process.Cost(1.0, 1.0, 1.0, next(shares)), 3).foreign_share == 0.01


def test_programs_choose_their_threads_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    kept = named("racing.process").as_users_have({"A": "b"})
    assert "OMP_NUM_THREADS" not in kept
    assert kept["A"] == "b"


def test_two_commands_piped_fail_where_either_does() -> None:
    contenders, process = named("racing.contenders"), named("racing.process")
    assert process.run(contenders.piped(["echo", "a b"], ["cat", "-"])).output == "a b\n"
    for first, second in ((["false"], ["cat"]), (["echo"], ["false"])):
        with pytest.raises(process.RunError):
            process.run(contenders.piped(first, second))


def test_ratios_are_taken_round_by_round() -> None:
    record = named("racing.record")
    found = record.ratio(row("subpixel", "espcn-x3", lap(2.0), lap(4.0)), row("ffmpeg", "lanczos", lap(1.0), lap(3.0)))
    assert found.values == (0.5, 0.75)
    assert (found.least, found.middle) == (0.5, 0.625)


def test_goals_are_judged_against_the_fastest_of_the_others() -> None:
    goals = named("racing.goals")
    rows = [
        row("subpixel", "espcn-x3", lap(2.0)),
        row("vs-mlrt", "espcn-x3", lap(3.0)),
        row("vs-mlrt", "espcn-x3", lap(2.2)),
        row("plain", "espcn-x3", lap(4.3)),
    ]
    found = {goal.what: goal for goal in goals.ratio_goals(rows)}
    best = found["ESPCN, moving clip, against vs-mlrt's best"]
    assert best.found == pytest.approx(1.1)
    assert best.state == "to land"
    assert found["ESPCN, moving clip, against the plain loop"].state == "to land"
    assert found["ESPCN, moving clip, against dnn_superres"].state == "not measured"
    assert found["`edge`, moving clip, against FFmpeg-Lanczos"].found is None


def test_memory_counts_beyond_ffmpegs_own() -> None:
    goals = named("racing.goals")
    rows = [row("subpixel", "espcn-x3", lap(2.0, 420.0)), row("ffmpeg", "lanczos", lap(1.0, 280.0))]
    assert goals.beyond_ffmpeg_mib(rows) == (140.0, "subpixel espcn-x3")
    assert goals.beyond_ffmpeg_mib(rows[:1]) is None


def test_less_is_better_where_a_goal_is_a_limit() -> None:
    goal = named("racing.goals").Goal("share", 5, 2, False, 3.0, " %")
    assert goal.state == "to land"
    assert goal.line() == "| share | ≤ 5 % | 2 % | 3 % | to land |  |"


def test_a_clip_holds_as_many_frames_as_asked_and_its_sound_and_original(tmp_path: Path) -> None:
    clips = named("racing.clips")
    clip = clips.made(clips.SHIPPED, tmp_path, clips.SAMPLE_FRAME + 2)
    import av

    with av.open(str(clip.file)) as container:
        assert len(list(container.decode(video=0))) == clips.SAMPLE_FRAME + 2
        assert len(container.streams.audio) == 1
    assert np.load(clip.originals[clips.SAMPLE_FRAME]).shape == clips.HR
    assert clips.made(clips.SHIPPED, tmp_path, clips.SAMPLE_FRAME + 2) == clip


def test_a_bicubic_enlargement_is_measured_against_the_original(tmp_path: Path) -> None:
    clips, quality = named("racing.clips"), named("racing.quality")
    clip = clips.made(clips.SHIPPED, tmp_path, clips.SAMPLE_FRAME + 1)
    from subpixel.media import UpscaleOptions, upscale_file

    upscale_file(clip.file, tmp_path / "larger.mp4", UpscaleOptions("bicubic-x3"))
    assert 20 < quality.against_originals(tmp_path / "larger.mp4", clip) < 45
    with pytest.raises(ValueError, match="needed one shape"):
        quality.against_originals(clip.file, clip)


def test_the_drawn_desktop_stands_still_between_its_scrolls() -> None:
    clips = named("racing.clips")
    before, after, scrolled = (np.asarray(clips.drawn_screen(number)) for number in (40, 41, 10))
    assert np.mean(before != after) < 0.01
    assert np.mean(before != scrolled) > 0.02


def test_a_chain_of_convolutions_becomes_what_opencv_reads(require: Callable[[str], None], tmp_path: Path) -> None:
    require("onnx")
    require("cv2")
    import cv2
    import onnxruntime

    from subpixel import catalogue

    bundle = catalogue.find("espcn-x3")
    model = bundle.blobs(bundle.reference)[0]
    file = tmp_path / "espcn.pb"
    file.write_bytes(named("racing.tf_graph").frozen(model))
    try:
        net = cv2.dnn.readNetFromTensorflow(str(file))
    except cv2.error as fault:  # only the contrib build knows the shuffle
        assert "DepthToSpace" in str(fault)
        return
    plane = np.random.default_rng(0).random((1, 1, 24, 32), np.float32)
    net.setInput(plane)
    try:
        result = net.forward()
    except cv2.error as fault:
        assert "DepthToSpace" in str(fault)
        return
    expected = onnxruntime.InferenceSession(model).run(None, {"lr": plane})[0]
    assert np.abs(result - expected).max() < 1e-4


def test_a_graph_that_branches_is_refused(require: Callable[[str], None]) -> None:
    require("onnx")
    from subpixel import catalogue

    tf_graph, bundle = named("racing.tf_graph"), catalogue.find("vdsr-x3")
    with pytest.raises(tf_graph.NotAChain):
        tf_graph.frozen(bundle.blobs(bundle.reference)[0])


def test_a_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    record = named("racing.record")
    kept = record.load(tmp_path / "performance.json")
    one = row("subpixel", "espcn-x3", lap(2.0), psnr_db=32.0, note="openvino int8")
    kept.put("video", {"rows": [asdict(one)]})
    kept.put("length", {"frames": [100, 200], "rss_mib": [1.5, None]})
    again = record.load(tmp_path / "performance.json")
    assert record.row_from(again.sections["video"]["rows"][0]) == one
    assert again.sections["length"]["rss_mib"] == [1.5, None]
    assert "[100, 200]" in (tmp_path / "performance.json").read_text()
