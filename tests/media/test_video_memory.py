"""A video of any length takes the same memory: seen in a process of its own, by what the system says of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

FRAMES = 10_000
FROM = 2000  # by then reuse has met parts of every size: a megabyte or two, a fiftieth of so small a process
GROWTH = 1.02  # from there to the last frame
WORK = """
import json, os, sys
from fractions import Fraction
from subpixel.media import UpscaleOptions, upscale_file

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

def watch(done, expected):
    if done >= int(sys.argv[3]) and done % 500 == 0:
        seen.append(resident())

seen = []
options = UpscaleOptions(
    model="bicubic-x2", input_format="lavfi", duration_seconds=Fraction(int(sys.argv[2]), 25), encoder="libx264",
    encoder_options=(("preset", "ultrafast"),),
)
report = upscale_file("testsrc2=size=64x48:rate=25", sys.argv[1], options, progress=watch)
print(json.dumps({"frames": report.frames_out, "bytes": seen}))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="resident memory is read from /proc")
def test_ten_thousand_frames_take_no_more_memory_than_two_thousand(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WORK, str(tmp_path / "large.mkv"), str(FRAMES), str(FROM)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout)
    assert found["frames"] == FRAMES
    assert max(found["bytes"]) <= GROWTH * found["bytes"][0]
