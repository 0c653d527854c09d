"""``counted.py MODEL IN OUT``: `upscale_file`, saying when each hundredth frame was done and what memory was held.

Memory is given back as the command does it.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from subpixel.cli.memory import give_frames_back
from subpixel.media.files import upscale_file
from subpixel.media.options import UpscaleOptions

STEP = 100
PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
ENCODER = (("preset", "veryfast"), ("crf", "20"))


def main() -> None:
    """One JSON object: ``frames``, ``rss_mib``, ``seconds``."""
    points: list[tuple[int, float, float]] = []

    def note(done: int, expected: int | None) -> None:
        if done >= STEP * (len(points) + 1):
            held = int(Path("/proc/self/statm").read_text().split()[1]) * PAGE_MIB
            points.append((done, held, time.perf_counter()))

    give_frames_back()
    model, source, target = sys.argv[1:]
    upscale_file(source, target, UpscaleOptions(model, encoder="libx264", encoder_options=ENCODER), progress=note)
    frames, held, at = zip(*points, strict=True) if points else ((), (), ())
    print(json.dumps({"frames": frames, "rss_mib": held, "seconds": at}))


if __name__ == "__main__":
    main()
