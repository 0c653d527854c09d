"""The awkward clips of the shared data: as files of this world are, compared before and after."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from subpixel.media import UpscaleOptions, VideoReport, upscale_file

PREVIEW = Fraction(1, 5)
CLIPS = (
    "vfr_320x180.mp4", "tenbit_hevc_320x180.mp4", "rotated90_320x180.mp4", "anamorphic_sar16x15_360x288.mp4",
    "fullrange_bt601_320x180.mp4", "limited_bt709_320x180.mp4", "multi_2audio_2subs_chapters_320x180.mkv",
    "interlaced_tff_352x288.mp4",
)  # fmt: skip


@pytest.mark.parametrize("name", CLIPS)
def test_times_tags_and_streams_stay(
    name: str, eval_data: Path, facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source, target = eval_data / "sample" / name, tmp_path / f"large{Path(name).suffix}"
    options = UpscaleOptions(model="bicubic-x2", duration_seconds=PREVIEW)
    report = upscale_file(source, target, options)
    before, after = facts_of(source), facts_of(target)
    assert isinstance(report, VideoReport) and report.lost == ()
    assert after.times == tuple(time for time in before.times if time < before.times[0] + PREVIEW)
    assert after.size == (2 * before.size[0], 2 * before.size[1])
    assert (after.colours, after.aspect or 1, after.rotation) == (before.colours, before.aspect or 1, before.rotation)
    assert after.pixel_format.replace("yuvj", "yuv") == before.pixel_format.replace("yuvj", "yuv")
    assert [(t.kind, t.codec.replace("hevc", "h264"), t.language, t.title) for t in after.tracks] == [
        (t.kind, t.codec.replace("hevc", "h264"), t.language, t.title) for t in before.tracks
    ]
    assert not after.interlaced


def test_all_of_the_many_streams_reach_mp4(eval_data: Path, facts_of: Callable[[Path], Any], tmp_path: Path) -> None:
    source, target = eval_data / "sample" / CLIPS[6], tmp_path / "large.mp4"
    upscale_file(source, target, UpscaleOptions(model="bicubic-x2"))
    before, after = facts_of(source), facts_of(target)
    assert after.times == before.times
    assert [t.codec for t in after.tracks if t.kind != "data"] == ["h264", "aac", "flac", "mov_text", "mov_text"]
    for old, new in zip(before.of_kind("audio"), after.of_kind("audio"), strict=True):
        assert [digest for _, digest in new.packets] == [digest for _, digest in old.packets]
    assert [title for _, _, title in after.chapters] == ["Bud", "Bloom"]
    assert after.tags["title"] == "Flower, with everything"


@pytest.mark.parametrize("name", ["street_640x360.mp4"])
def test_camera_footage_with_sound_becomes_full_hd(
    name: str, eval_data: Path, facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source, target = eval_data / "sample" / name, tmp_path / "large.mp4"
    upscale_file(source, target, UpscaleOptions(duration_seconds=PREVIEW, tune=False))
    before, after = facts_of(source), facts_of(target)
    assert after.size == (1920, 1080)
    assert after.times == before.times[:5]
    heard = after.of_kind("audio")[0].packets
    assert heard and heard == before.of_kind("audio")[0].packets[: len(heard)]
