"""What each benchmark makes of its figures; the race itself, in short; the page."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PERF = """\
# Total Lost Samples: 0
#
    47.22%  libx264-d6533a8d.so.165
    24.85%  [JIT] tid 24648
     8.43%  [kernel.kallsyms]
     5.12%  onnxruntime_pybind11_state.cpython-311-x86_64-linux-gnu.so
     4.79%  libpython3.11.so.1.0
     2.44%  libavcodec-5e6b81c2.so.62.28.102
     2.03%  libc.so.6
     0.86%  [JIT] tid 24650
     0.12%  _multiarray_umath.cpython-311-x86_64-linux-gnu.so
     0.01%  something
"""


def named(name: str) -> Any:
    return importlib.import_module(name)


def frames(*spans: tuple[float, float, int | None]) -> list[Any]:
    """Frames 30 times a second; each span has a beginning, an end and a rung."""
    live = named("live")
    found = []
    for number in range(round(30 * spans[-1][1])):
        rung = next(rung for start, end, rung in spans if start <= number / 30 < end)
        found.append(live.Frame(number / 30, 20.0, rung))
    return found


def test_a_profile_by_libraries_becomes_shares_by_purpose() -> None:
    shares = named("shares")
    libraries = Counter(dict(shares.parsed(PERF)))
    assert libraries["[JIT]"] == pytest.approx(0.2571)
    groups = shares.grouped(libraries)
    assert groups["encoder"] == pytest.approx(0.4722)
    assert groups["model"] == pytest.approx(0.2571 + 0.0512)
    assert groups["Python and copies"] == pytest.approx(0.0479 + 0.0203 + 0.0012)
    assert groups["decoder, scaling, container"] == pytest.approx(0.0244)
    assert sum(groups.values()) == pytest.approx(sum(libraries.values()))


def test_the_way_back_is_counted_from_the_end_of_the_load() -> None:
    live = named("live")
    stream = frames((0, 5, 2), (5, 9.5, 0), (9.5, 15, 2))
    assert live.usual_rung(stream, [(5, 8)]) == 2
    assert live.recoveries(stream, [(5, 8)]) == [1.5]


def test_a_stretch_after_which_the_rung_did_not_come_back_is_told() -> None:
    live = named("live")
    stream = frames((0, 5, 1), (5, 12, 0), (12, 20, 1))
    assert live.recoveries(stream, [(5, 8), (12, 13)]) == [None, 0.0]


def test_a_stretch_at_the_streams_end_says_nothing() -> None:
    live = named("live")
    assert live.recoveries(frames((0, 5, 1), (5, 9, 0)), [(5, 8)]) == []


def test_dropped_frames_are_no_recovery() -> None:
    live = named("live")
    stream = frames((0, 5, 1), (5, 8, 0), (8, 9, None), (9, 15, 1))
    assert live.recoveries(stream, [(5, 8)]) == [1.0]


def test_start_up_is_told_by_its_parts() -> None:
    startup = named("startup")
    part = {"interpreter": 0.1, "import": 0.1, "open": 0.2, "first frame": 0.05, "second frame": 0.03, "foreign": 0.0}
    found = startup.summary([part, {**part, "open": 0.4}, {**part, "open": 0.3, "foreign": 0.2}])
    assert found["min"]["total"] == pytest.approx(0.35)
    assert found["median"]["total"] == pytest.approx(0.45)
    assert found["disturbed"] == 0.2


def test_memory_is_shown_as_the_most_so_far() -> None:
    assert named("scaling").shown([100, 300, 500], [80.0, 120.0, 90.0]) == [(100, 80.0), (500, 120.0)]


def sections() -> dict[str, Any]:
    """A section of every benchmark."""
    record, machine = named("racing.record"), named("racing.machine").machine()
    lap = record.Lap(2.4, 4.0, 400.0, 0.0)
    rows = [
        record.Row("moving", "subpixel espcn-x3", "subpixel", "espcn-x3", 120, (lap,), 32.1, 1000, "openvino int8"),
        record.Row("moving", "ffmpeg lanczos", "ffmpeg", "lanczos", 120, (record.Lap(1.8, 3.0, 290.0, 0.5),), 30.3),
        record.Row("moving", "subpixel edge-x3", "subpixel", "edge-x3", 120, absent="edge-x3 is not in the catalogue"),
    ]
    parts = {"interpreter": 0.1, "import": 0.1, "open": 0.2, "first frame": 0.05, "second frame": 0.03, "total": 0.35}
    size = {"width": 320, "height": 180, "fps": 90.0, "cpu_ms": 20.0, "peak_rss_mib": 200.0, "disturbed": False}
    base = {"day": "2026-11-24", "machine": machine, "model": "espcn-x3"}
    stream = {
        "model": "espcn-x3", "in_time": 0.99, "late": 3, "dropped": 1, "p50_ms": 20.0, "p95_ms": 30.0, "p99_ms": 50.0,
        "shares": {"bicubic": 0.2, "espcn-x3": 0.8}, "rungs": ["bicubic", "espcn-x3"], "back_median": 1.2,
        "back_longest": 1.8, "not_back": 0, "load": [(1.0, 2.0)], "at_seconds": [0.0, 0.03],
        "latency_ms": [20.0, None], "rung": [1, None], "disturbed": False,
    }  # fmt: skip
    return {
        "video": {**base, "peers": {"ffmpeg": "9"}, "plan": {"frames": 120, "rounds": 1}, "rows": [*map(asdict, rows)]},
        "shares": {
            **base, "groups": {"encoder": 0.6, "Python and copies": 0.03}, "libraries": {"libx264": 0.6},
            "jobs": [{"clip": "still", "name": "ffmpeg lanczos", "cpu_ms": {"encoder": 17.25, "kernel": 1.0}}],
        },
        "startup": {**base, "runs": 10, "min": parts, "median": parts, "disturbed": 0.0},
        "sizes": {**base, "scale": 3, "frames": 60, "sizes": [size]},
        "length": {
            **base, "width": 640, "height": 360, "fps": 40.0, "growth": 0.01, "from_frame": 500, "disturbed": True,
            "frames": [500, 1000], "rss_mib": [300.0, 303.0], "shown": [(500, 300.0), (1000, 303.0)],
        },
        "jobs": {**base, "rounds": 3, "jobs": [{"frames": 1189, "seconds": 20.0, "ffmpeg_seconds": 16.0}]},
        "live": {**base, "seconds": 60.0, "fps": 30.0, "streams": [stream]},
    }  # fmt: skip


def test_the_page_has_every_benchmark_and_marks_what_was_disturbed() -> None:
    text = named("racing.page").page(sections())
    assert "| ffmpeg lanczos | 66.7 (66.7) †1/1 | 1.00 |" in text
    assert "| subpixel espcn-x3 | 50.0 (50.0) | 0.75 |" in text
    assert "edge-x3 is not in the catalogue" in text
    assert "| Python and copies, share of CPU time | ≤ 5 % | 2 % | 3 % | to land |" in text
    assert "| espcn-x3 | 99.0% | 3 | 1 | 20 / 30 / 50 |" in text
    assert "40.0 frames/s †" in text
    assert "| 1,189 | 20.00 | 16.00 | 0.80 |" in text
    assert "| | still: ffmpeg lanczos |" in text
    assert "| encoder | 17.2 |" in text
    assert "| **all** | **18.2** |" in text


def test_the_page_stands_without_any_figure() -> None:
    assert "not measured" in named("racing.page").page({})


def test_the_page_is_written_with_its_plots(require: Callable[[str], None], tmp_path: Path) -> None:
    require("matplotlib")
    page = named("racing.page")
    page.render(named("racing.record").Record(tmp_path / "performance.json", sections()))
    assert (tmp_path / "performance.md").read_text() == page.page(sections())
    assert all(file.stat().st_size > 1000 for file in page.plots_of(tmp_path))


def test_the_committed_page_is_what_its_record_says() -> None:
    record, page = named("racing.record"), named("racing.page")
    sections = record.load(record.RECORD).sections
    assert sections
    assert record.RECORD.with_suffix(".md").read_text() == page.page(sections)
    assert page.README.read_text() == page.with_goal_table(page.README.read_text(), sections)


def test_a_quick_race_runs_ours_and_the_plain_loop_and_says_who_is_absent(
    require: Callable[[str], None], tmp_path: Path
) -> None:
    require("matplotlib")
    command = [sys.executable, str(ROOT / "benchmarks" / "video.py"), "--quick", "--json", "--clip", "moving"]
    names = ["--only", "espcn-x3", "--only", "lanczos"]
    result = subprocess.run(
        [*command, *names, "--model", "espcn-x3"], capture_output=True, text=True, check=False,
        env={**os.environ, "SUBPIXEL_DATA": str(tmp_path), "SUBPIXEL_PEERS": str(tmp_path / "peers")},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    rows = {row["contender"]: row for row in json.loads(result.stdout)["rows"]}
    assert len(rows["subpixel espcn-x3"]["laps"]) == 1
    assert rows["subpixel espcn-x3"]["note"]
    assert rows["plain PyAV + ONNX Runtime, espcn-x3"]["laps"][0]["cpu_seconds"] > 0
    assert "vapoursynth" in rows["vs-mlrt OpenVINO bf16, espcn-x3"]["absent"]
    assert not list(tmp_path.iterdir())
