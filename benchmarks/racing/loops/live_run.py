"""``live_run.py MODEL FPS IN OUT``: a stream by its deadline, saying what became of each frame.

The deadline of the runtime, with a log: when a frame came, when it was given, on which rung.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from subpixel.governor import Deadline
from subpixel.media import live
from subpixel.media.files import upscale_file
from subpixel.media.options import UpscaleOptions

ENCODER = (("preset", "ultrafast"), ("crf", "20"))  # a stream that two cores shall encode beside the model
RUNGS: list[str] = []
FRAMES: list[tuple[float, float, int | None]] = []


class Logged(Deadline):
    """Times are ``time.perf_counter``'s, which all processes of a Linux machine share."""

    def __init__(self, rungs: Sequence[tuple[str, float]], *settings: Any) -> None:
        super().__init__(rungs, *settings)
        RUNGS[:] = [name for name, _ in rungs]

    def give(self, arrival: float, ways: Sequence[Callable[[], Any]]) -> Any:
        """As the deadline does."""
        ran: list[int] = []
        result = super().give(arrival, [partial(_marked, ran, rung, way) for rung, way in enumerate(ways)])
        FRAMES.append((arrival, time.perf_counter(), ran[0] if ran else None))
        return result


def _marked(ran: list[int], rung: int, way: Callable[[], Any]) -> Any:
    ran.append(rung)
    return way()


def main() -> None:
    """One JSON object: ``rungs``, ``frames``, and the receipt's ``deadline``."""
    model, fps, source, target = sys.argv[1:]
    live.Deadline = Logged  # type: ignore[misc]
    options = UpscaleOptions(model, fps=float(fps), encoder="libx264", encoder_options=ENCODER)
    report: Any = upscale_file(source, target, options)
    deadline = {**asdict(report.deadline), "in_time": report.deadline.in_time}
    print(json.dumps({"rungs": RUNGS, "frames": FRAMES, "deadline": deadline}))


if __name__ == "__main__":
    main()
