"""``--start`` and ``--duration``: the frames, the sound and the words of that part and no others, from time zero on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from subpixel.errors import BadInputError
from subpixel.media import UpscaleOptions, VideoReport, upscale_file
from subpixel.media.options import parse_duration, parse_time

LOSSLESS = UpscaleOptions(model="bicubic-x2", encoder="ffv1", reuse=False)  # what is reused hangs on times
TICK = Fraction(1, 1000)
LONG = tuple(40 * n for n in range(100))
WORDS: dict[str, Any] = {
    "name": "clip.mkv",
    "time_base": TICK,
    "times": LONG,
    "audio": (("aac", "eng", ""), ("flac", "ger", "")),
    "subtitles": (("srt", "eng", ("one", "two", "three")),),
    "chapters": ("Bud", "Bloom", "Fruit"),
}


def part(source: Path, target: Path, start: str, duration: str | None = None, **wanted: Any) -> VideoReport:
    length = None if duration is None else Fraction(duration)
    report = upscale_file(
        source, target, replace(LOSSLESS, start_seconds=Fraction(start), duration_seconds=length, **wanted)
    )
    assert isinstance(report, VideoReport)
    return report


def pixels(frames: list[Any]) -> list[Any]:
    return [frame.to_ndarray() for frame in frames]


@pytest.mark.parametrize("options", [("g=12",), ("g=250", "bf=3"), ("g=12", "x264-params=open-gop=1:bframes=3")])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_a_part_is_the_same_frames_as_in_the_whole(
    options: tuple[str, ...],
    suffix: str,
    clip_of: Callable[..., Path],
    frames_of: Callable[[Path], list[Any]],
    tmp_path: Path,
) -> None:
    source = clip_of(
        name=f"clip.{suffix}", times=tuple(3600 * n for n in range(100)), time_base=Fraction(1, 90000),
        options=tuple(tuple(option.split("=", 1)) for option in options),
    )  # fmt: skip
    upscale_file(source, tmp_path / "whole.mkv", LOSSLESS)
    whole = pixels(frames_of(tmp_path / "whole.mkv"))
    for start, first in (("0.5", 13), ("2.01", 51), ("3.4", 85)):
        report = part(source, tmp_path / f"{first}.mkv", start, "0.38")
        found = frames_of(tmp_path / f"{first}.mkv")
        wanted = whole[first : first + (10 if first == 85 else 9)]
        assert report.frames_out == report.frames_in == len(found) == len(wanted)
        assert [frame.time for frame in found] == pytest.approx([n / 25 for n in range(len(wanted))])
        np.testing.assert_array_equal(pixels(found), wanted)
        assert report.lost == ()


def test_without_a_duration_it_goes_to_the_end(
    clip_of: Callable[..., Path], frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    report = part(clip_of(name="clip.mkv", times=LONG, time_base=TICK), tmp_path / "part.mkv", "3")
    assert report.frames_out == len(frames_of(tmp_path / "part.mkv")) == 25
    assert report.lost == ()


def test_sound_words_and_chapters_are_cut_alike_and_keep_their_distance_to_the_pictures(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source, target = clip_of(**WORDS), tmp_path / "part.mkv"
    part(source, target, "0.11", "0.2")
    before, after = facts_of(source), facts_of(target)
    first, until = before.times[3], Fraction(31, 100)
    assert after.times == tuple(time - first for time in before.times[3:8])
    for old, new in zip(before.of_kind("audio"), after.of_kind("audio"), strict=True):
        inside = [(start - first, digest) for start, digest in old.packets if first <= start < until]
        assert list(new.packets) == inside
        assert inside
    texts = after.of_kind("subtitle")[0].packets  # "one" is shown from 0.04 to 0.19 s, "two" from 0.24 s
    assert [start for start, _ in texts] == [0, Fraction(240, 1000) - first]
    assert after.chapters == (
        (Fraction(0), Fraction(40, 1000), "Bud"), (Fraction(40, 1000), Fraction(190, 1000), "Bloom"),
    )  # fmt: skip


def test_frames_of_uneven_length_keep_their_times(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    times = tuple(sorted({37 * n + 11 * (n % 3) for n in range(60)}))
    source = clip_of(name="clip.mp4", times=times, time_base=TICK)
    part(source, tmp_path / "part.mkv", "0.9", "1")
    wanted = [Fraction(time, 1000) for time in times if 900 <= time < 1900]
    assert facts_of(tmp_path / "part.mkv").times == tuple(time - wanted[0] for time in wanted)


def test_time_counts_from_the_first_frame_where_a_file_does_not_begin_at_zero(
    clip_of: Callable[..., Path], facts_of: Callable[[Path], Any], tmp_path: Path
) -> None:
    source = clip_of(name="clip.mkv", times=tuple(time + 5000 for time in LONG), time_base=TICK)
    part(source, tmp_path / "part.mkv", "1", "0.2")
    assert facts_of(tmp_path / "part.mkv").times == tuple(Fraction(40 * n, 1000) for n in range(5))


def test_a_stream_without_times_is_counted_from_its_beginning(
    clip_of: Callable[..., Path], frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    clip = clip_of(times=tuple(512 * n for n in range(100)), options=(("bf", "0"),))
    source = tmp_path / "clip.h264"
    with av.open(str(clip)) as before, av.open(str(source), "w", format="h264") as after:
        stream = after.add_stream_from_template(before.streams.video[0])
        for packet in before.demux(video=0):
            if packet.size:
                packet.stream = stream
                after.mux(packet)
    assert part(source, tmp_path / "part.mkv", "2", "0.4").frames_out == 10
    upscale_file(source, tmp_path / "whole.mkv", LOSSLESS)
    wanted = pixels(frames_of(tmp_path / "whole.mkv"))[50:60]
    np.testing.assert_array_equal(pixels(frames_of(tmp_path / "part.mkv")), wanted)


@pytest.mark.parametrize(
    ("start", "duration", "words"),
    [("60", None, r"has no frame from there on; it lasts 4\.00 s"), ("1.01", "0.02", "--duration 0.02 s: no frame")],
)
def test_a_part_with_nothing_in_it_is_refused(
    start: str, duration: str | None, words: str, clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(BadInputError, match=words):
        part(clip_of(times=tuple(512 * n for n in range(100))), tmp_path / "part.mkv", start, duration)
    assert not (tmp_path / "part.mkv").exists()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("3s", "3"), ("500ms", "0.5"), ("1m", "60"), ("2.5", "2.5"), ("1h", "3600"), ("00:01:30", "90"), ("1:30", "90"),
     ("1:00:00.25", "3600.25"), ("0", "0")],
)  # fmt: skip
def test_times_are_written_as_people_write_them(text: str, seconds: str) -> None:
    assert parse_time(text) == Fraction(seconds)


@pytest.mark.parametrize("text", ["soon", "", "-3", "1:75", "3x", "1:2:3:4"])
def test_other_words_are_no_times(text: str) -> None:
    with pytest.raises(BadInputError, match="--start: found"):
        parse_time(text)


def test_a_duration_is_above_zero() -> None:
    with pytest.raises(BadInputError, match="--duration: found '0s', needed a duration above zero"):
        parse_duration("0s")
