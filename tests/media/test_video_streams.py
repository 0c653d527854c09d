"""Sound, subtitles, chapters, covers, attachments and tags: kept, converted with a word, or refused before work."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from subpixel.errors import BadInputError
from subpixel.media import UpscaleOptions, VideoReport, upscale_file

TWO_OF_EACH: dict[str, Any] = {
    "name": "clip.mkv",
    "time_base": Fraction(1, 1000),
    "times": tuple(40 * n for n in range(12)),
    "audio": (("aac", "eng", "Stereo"), ("flac", "ger", "Ton")),
    "subtitles": (("srt", "eng", ("A bud opens.", "Now it is red.")), ("srt", "ger", ("Eine Knospe öffnet sich.",))),
    "chapters": ("Bud", "Bloom"),
    "tags": (("title", "Flower, with everything"), ("artist", "Bee")),
}
BICUBIC = UpscaleOptions(model="bicubic-x2")


def enlarge(source: Path, target: Path, options: UpscaleOptions = BICUBIC) -> VideoReport:
    report = upscale_file(source, target, options)
    assert isinstance(report, VideoReport)
    return report


def test_everything_of_a_matroska_file_is_kept_packet_by_packet(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source, target = clip_of(**TWO_OF_EACH, cover=False, attachment=True), tmp_path / "large.mkv"
    report = enlarge(source, target)
    before, after = facts_of(source), facts_of(target)
    assert after.tracks[1:] == before.tracks[1:]
    assert [track.kind for track in after.tracks] == ["video", "audio", "audio", "subtitle", "subtitle", "attachment"]
    assert after.chapters == before.chapters
    assert (after.tags["title"], after.tags["artist"]) == ("Flower, with everything", "Bee")
    assert [fate.action for fate in report.streams] == ["enlarge", *["copy"] * 4, "attach"]


def test_matroska_to_mp4_converts_the_subtitles_and_keeps_the_rest(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source, target = clip_of(**TWO_OF_EACH), tmp_path / "large.mp4"
    report = enlarge(source, target)
    before, after = facts_of(source), facts_of(target)
    for old, new in zip(before.of_kind("audio"), after.of_kind("audio"), strict=True):
        assert (new.codec, new.language, new.title) == (old.codec, old.language, old.title)
        assert [digest for _, digest in new.packets] == [digest for _, digest in old.packets]
    assert [(t.codec, t.language) for t in after.of_kind("subtitle")] == [("mov_text", "eng"), ("mov_text", "ger")]
    assert texts_of(target) == [
        (Fraction(40, 1000), "A bud opens."), (Fraction(40, 1000), "Eine Knospe öffnet sich."),
        (Fraction(240, 1000), "Now it is red."),
    ]  # fmt: skip
    assert [chapter[2] for chapter in after.chapters] == ["Bud", "Bloom"]
    assert after.times == before.times
    assert after.tags["title"] == "Flower, with everything"
    assert [fate.becomes for fate in report.streams if fate.action == "convert"] == ["mov_text", "mov_text"]


def test_mp4_to_matroska_turns_the_subtitles_back(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    wanted = {**TWO_OF_EACH, "name": "clip.mp4", "subtitles": (("mov_text", "eng", ("A bud opens.", "It is red.")),)}
    source, target = clip_of(**wanted), tmp_path / "large.mkv"
    enlarge(source, target)
    after = facts_of(target)
    assert [(t.codec, t.language) for t in after.of_kind("subtitle")] == [("srt", "eng")]
    assert [text for _, text in texts_of(target)] == ["A bud opens.", "It is red."]
    assert after.of_kind("audio")[1].title == "Ton"
    assert [chapter[2] for chapter in after.chapters] == ["Bud", "Bloom"]


def texts_of(path: Path) -> list[tuple[Fraction, str]]:
    """Start and words of every subtitle line."""
    found = []
    with av.open(str(path)) as container:
        streams: Any = container.streams.subtitles
        for packet in container.demux(streams):
            for line in packet.decode() if packet.size else []:
                found.append((packet.pts * packet.time_base, line.dialogue.decode().strip()))
    return found


def test_sound_of_mp4_starts_where_it_started_and_every_packet_is_the_same(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source, target = clip_of(audio=(("aac", "eng", ""), ("aac", "fra", ""))), tmp_path / "large.mp4"
    enlarge(source, target)
    before, after = facts_of(source), facts_of(target)
    assert after.tracks[1:] == before.tracks[1:]
    assert len(after.of_kind("audio")[0].packets) > 20


def test_streams_the_container_cant_hold_are_refused_before_work_and_named(
    clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    source, target = clip_of(**TWO_OF_EACH, attachment=True), tmp_path / "large.mov"
    with pytest.raises(BadInputError, match=r"#2 audio \(flac, ger, \"Ton\"\).*#5 attachment.*--drop-unsupported"):
        enlarge(source, target)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mkv"]


def test_they_can_be_left_out_on_request_and_it_is_said(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source, target = clip_of(**TWO_OF_EACH, attachment=True), tmp_path / "large.mov"
    report = enlarge(source, target, UpscaleOptions(model="bicubic-x2", drop_unsupported=True))
    assert [track.codec for track in facts_of(target).of_kind("audio")] == ["aac"]
    assert [fate.action for fate in report.streams] == ["enlarge", "copy", "drop", "convert", "convert", "drop"]
    assert "left out" in "\n".join(report.lines())


def test_webm_gets_webvtt(clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path) -> None:
    source = clip_of(**{**TWO_OF_EACH, "audio": (("libopus", "eng", ""),)})
    target = tmp_path / "large.webm"
    enlarge(source, target)
    after = facts_of(target)
    assert [track.codec for track in after.tracks] == ["vp9", "opus", "webvtt", "webvtt"]
    assert [text for _, text in texts_of(target)][0] == "A bud opens."


@pytest.mark.parametrize("ends", [("mp4", "mp4"), ("mp4", "mkv"), ("mkv", "mkv"), ("mkv", "mp4")])
def test_a_cover_picture_is_kept_byte_for_byte(
    ends: tuple[str, str], clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    clip = clip_of(name="clip.mp4", cover=True, audio=(("aac", "eng", ""),))
    source, target = tmp_path / f"source.{ends[0]}", tmp_path / f"large.{ends[1]}"
    enlarge(clip, source)
    enlarge(source, target)
    assert cover_of(target) == cover_of(clip) != b""


def cover_of(path: Path) -> bytes:
    with av.open(str(path)) as container:
        covers = [s for s in container.streams.video if int(s.disposition) & (1 << 10)]
        assert len(covers) == 1
        return next(bytes(packet) for packet in container.demux(covers[0]) if packet.size)


def test_free_form_tags_survive_in_mp4(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    tags = (("title", "A walk"), ("com.example.camera", "No. 5"))
    source, target = clip_of(name="clip.mkv", tags=tags), tmp_path / "large.mp4"
    enlarge(source, target)
    found = facts_of(target).tags
    assert (found["title"], found["com.example.camera"]) == ("A walk", "No. 5")


def test_the_old_coding_is_not_claimed_by_the_new_file(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source = clip_of(name="clip.mkv", tags=(("encoder", "an old camera"),))
    enlarge(source, tmp_path / "large.mkv")
    assert "old camera" not in str(facts_of(tmp_path / "large.mkv").tags)


def test_a_preview_cuts_every_stream_at_the_same_time(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source, target = clip_of(**TWO_OF_EACH), tmp_path / "look.mkv"
    report = enlarge(source, target, UpscaleOptions(model="bicubic-x2", duration_seconds=Fraction(1, 5)))
    before, after = facts_of(source), facts_of(target)
    assert after.times == before.times[:5]
    assert report.lost == ()
    for old, new in zip(before.tracks[1:], after.tracks[1:], strict=True):
        assert new.packets == tuple(packet for packet in old.packets if packet[0] < before.times[0] + Fraction(1, 5))
    assert [chapter[2] for chapter in after.chapters] == ["Bud"]
    assert after.chapters[0][1] == Fraction(1, 5)
