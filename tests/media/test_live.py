"""A video at its own pace: which frames are given, by what, in which order, and what the receipt says of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from subpixel.cli.upscale import upscale
from subpixel.errors import BadInputError
from subpixel.governor import Deadline, Timeliness
from subpixel.media import UpscaleOptions, VideoReport, upscale_file

LOSSLESS = UpscaleOptions(model="espcn-x2", encoder="ffv1", precision="fp32", engine="onnxruntime", reuse=False)
FRAMES = 12


def played(source: Path, target: Path, **wanted: Any) -> tuple[VideoReport, Timeliness]:
    report = upscale_file(source, target, replace(LOSSLESS, **wanted))
    assert isinstance(report, VideoReport)
    assert report.deadline is not None
    return report, report.deadline


def test_frames_that_can_wait_for_the_model_are_the_models(
    clip_of: Callable[..., Path], frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    source = clip_of()
    _, kept = played(source, tmp_path / "live.mkv", fps=5)  # 200 ms for a frame of 96x64
    upscale_file(source, tmp_path / "whole.mkv", LOSSLESS)
    assert (kept.frames, kept.dropped) == (FRAMES, 0)
    assert {name: share for name, share in kept.shares if share} == {"espcn-x2": 1.0}
    for live, whole in zip(frames_of(tmp_path / "live.mkv"), frames_of(tmp_path / "whole.mkv"), strict=True):
        np.testing.assert_array_equal(live.to_ndarray(), whole.to_ndarray())


def test_a_pace_that_only_bicubic_can_keep_gives_bicubic_and_every_frame_is_accounted_for(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    report, kept = played(clip_of(), tmp_path / "live.mkv", model="vdsr-x2", fps=100)  # it takes more than 10 ms
    assert kept.frames + kept.dropped == report.frames_in == FRAMES
    assert kept.frames == report.frames_out
    assert dict(kept.shares)["vdsr-x2"] == 0.0
    times = facts_of(tmp_path / "live.mkv").times
    assert len(times) == kept.frames
    assert all(before < after for before, after in pairwise(times))


def test_a_rung_is_a_faster_model_of_the_same_factor(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    _, kept = played(clip_of(), tmp_path / "live.mkv", model="vdsr-x2", rungs=("espcn-x2",), fps=20)
    assert [name for name, _ in kept.shares] == ["bicubic", "espcn-x2", "vdsr-x2"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    (
        ({"fps": 0.0}, "--fps: found 0.0"),
        ({"rungs": ("espcn-x2",)}, "which only --fps has"),
        ({"fps": 25.0, "compare": True}, "take turns"),
        ({"fps": 25.0, "rungs": ("espcn-x3",)}, "of one factor"),
        ({"fps": 25.0, "model": "fusion-x2", "engine": None}, "image models of luma"),
    ),
)
def test_what_cannot_be_is_refused_in_words(
    wanted: dict[str, Any], words: str, clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    source, target = clip_of(), tmp_path / "live.mkv"
    with pytest.raises(BadInputError, match=words):
        upscale_file(source, target, replace(LOSSLESS, **wanted))
    assert not target.exists()


def test_the_command_says_how_the_deadline_was_kept(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    target = tmp_path / "live.mkv"
    result = CliRunner().invoke(upscale, [str(clip_of()), str(target), "--model", "espcn-x2", "--fps", "20"])
    assert result.exit_code == 0, result.output
    assert "deadline " in result.output
    assert "in time" in result.output


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def after(self, seconds: float, result: str) -> Callable[[], str]:
        def work() -> str:
            self.now += seconds
            return result

        return work


def test_a_frame_is_done_by_the_chosen_way_alone_and_one_that_is_too_old_not_at_all() -> None:
    clock = Clock()
    deadline = Deadline((("bicubic", 1.0), ("edge", 15.0)), fps=30, clock=clock)
    ways = [clock.after(0.001, "bicubic"), clock.after(0.015, "edge")]
    assert deadline.give(0.0, ways) == "edge"
    assert clock.now == pytest.approx(0.015)
    clock.now = 0.061  # five milliseconds before the second frame's deadline are gone
    assert deadline.give(0.0, ways) == "bicubic"
    clock.now = 1.0
    assert deadline.give(0.5, ways) is None
    kept = deadline.kept
    assert (kept.frames, kept.dropped, kept.late, kept.switches) == (2, 1, 0, 1)
    assert kept.shares == (("bicubic", 0.5), ("edge", 0.5))
