"""A video at its own pace: frames come when they would from a camera, and each is made larger by its deadline."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from av.video.frame import VideoFrame

from subpixel.choice import working_size
from subpixel.errors import BadInputError
from subpixel.governor import BICUBIC, Deadline, Timeliness, fastest_first
from subpixel.media.enlarge import LumaEnlarger, Prepared, Seen
from subpixel.model import Model

BICUBIC_MS = 0.5  # it is there already, with the chroma
RUNS = 3


@dataclass
class Pace:
    """When frames come: number ``k`` at ``k`` periods after the first was asked for."""

    period_seconds: float
    started: float | None = None
    frames: int = 0

    def wait(self) -> None:
        """Until the next frame is due to come; not at all where that is past."""
        if self.started is None:
            self.started = time.perf_counter()
        time.sleep(max(0.0, self.arrival(self.frames) - time.perf_counter()))
        self.frames += 1

    def arrival(self, number: int) -> float:
        """By ``time.perf_counter``."""
        return (self.started or 0.0) + number * self.period_seconds


class LiveEnlarger:
    """Bicubic, and behind it a ladder of models; a dropped frame gives nothing."""

    seen = Seen()

    def __init__(self, ladder: Sequence[tuple[str, float, LumaEnlarger]], fps: float) -> None:
        rungs = [(BICUBIC, BICUBIC_MS), *((name, expected_ms) for name, expected_ms, _ in ladder)]
        self._deadline, self._ladder, self._count = Deadline(rungs, fps), [rung[2] for rung in ladder], 0
        self.pace = Pace(self._deadline.period_seconds)

    def push(self, prepared: Prepared) -> list[VideoFrame]:
        """The frame by the best way that is in time, if there is one."""
        ways = [lambda: [prepared.base], *(lambda luma=luma: luma.push(prepared) for luma in self._ladder)]
        arrival = self.pace.arrival(self._count)
        self._count += 1
        return self._deadline.give(arrival, ways) or []

    def flush(self) -> list[VideoFrame]:
        """Nothing is held back. Raises ``BadInputError`` when no frame at all could be given."""
        if self._count and not self.kept.frames:
            raise BadInputError(
                f"--fps {1 / self.pace.period_seconds:g}: none of {self._count} frames could be given by its deadline, "
                "not even by bicubic; ask for a slower pace, a smaller frame or a faster encoder"
            )
        return []

    def close(self) -> None:
        """Nothing is held."""

    @property
    def kept(self) -> Timeliness:
        """How the deadline was kept so far."""
        return self._deadline.kept


def expected_ms(model: Model, frame_size: tuple[int, int]) -> float:
    """Median time of a frame of this height and width, warmed up."""
    height, width = working_size(frame_size, model.spec)
    noise = np.random.default_rng(0).integers(16, 236, (height, width), dtype=np.uint8)
    model.upscale_luma(noise)
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        model.upscale_luma(noise)
        times.append(1000 * (time.perf_counter() - started))
    return float(np.median(times)) * (frame_size[0] * frame_size[1]) / (height * width)


def refuse_unfit(models: Sequence[Model]) -> None:
    """Raises ``BadInputError`` for a model that can't take turns with others frame by frame, or has another factor."""
    for model in models:
        spec = model.spec
        if spec.takes_windows or spec.colour != "y" or spec.scale != models[0].scale:
            raise BadInputError(
                f"--fps: {spec.name} can't be a rung beside {models[0].spec.name}; needed image models of luma and of "
                "one factor"
            )


def in_order(models: Sequence[Model], frame_size: tuple[int, int]) -> Iterator[tuple[Model, float]]:
    """Models and their times, the fastest first; what is slower than the last one, the model asked for, is left out."""
    times = [expected_ms(model, frame_size) for model in models]
    yield from ((models[at], times[at]) for at in fastest_first(times))
