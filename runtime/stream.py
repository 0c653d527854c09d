"""Frames from a camera or a game, each made larger by its deadline: ``Model.stream``."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from subpixel.errors import BadInputError
from subpixel.governor import Deadline, Timeliness, fastest_first
from subpixel.quality.resize import upscale
from subpixel.spec import Array

WARM_UPS, TIMED = 1, 2

Way = Callable[[Array], Array]


class Stream:
    """Made by ``Model.stream``. The first frame is used to time every way, so it takes longer than the others.

    ``ways``: names, and what makes a frame larger; the last one is the best, slower ones than it are never taken.
    """

    def __init__(
        self, ways: Sequence[tuple[str, Way]], fps: float, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        if not fps > 0:
            raise BadInputError(f"found {fps} frames a second, needed more than none")
        self._ways, self._fps, self._clock = list(ways), fps, clock
        self._deadline: Deadline | None = None
        self._shape: tuple[int, ...] = ()

    def push(self, frame: Array, arrival: float | None = None) -> Array | None:
        """The frame enlarged, by the best way that is in time; ``None``: dropped, for even bicubic would be late.

        ``frame``: as ``Model.upscale`` takes it, all of one shape and type; ``arrival``: when it came, in seconds of
        ``time.perf_counter`` (now, if not given); it is due two periods after that. Raises ``BadInputError``.
        """
        if self._deadline is None:
            self._shape = frame.shape
            self._deadline = self._timed(frame)
            arrival = None
        if frame.shape != self._shape:
            raise BadInputError(f"found a frame {frame.shape} in a stream of {self._shape}; open another stream for it")
        came = self._clock() if arrival is None else arrival
        return self._deadline.give(came, [partial(way, frame) for _, way in self._ways])

    @property
    def kept(self) -> Timeliness | None:
        """How the deadline was kept so far; ``None`` before the first frame."""
        return None if self._deadline is None else self._deadline.kept

    def _timed(self, frame: Array) -> Deadline:
        times = [self._ms(way, frame) for _, way in self._ways]
        order = fastest_first(times)
        rungs = [(self._ways[at][0], times[at]) for at in order]
        self._ways = [self._ways[at] for at in order]
        return Deadline(rungs, self._fps, self._clock)

    def _ms(self, way: Way, frame: Array) -> float:
        for _ in range(WARM_UPS):
            way(frame)
        started = self._clock()
        for _ in range(TIMED):
            way(frame)
        return max(1000 * (self._clock() - started) / TIMED, 1e-3)


def bicubic(scale: int) -> Way:
    """The plainest rung: Pillow's for 8 bit, which is fast; ours for float32. Frames ``[H, W]`` or ``[H, W, 3]``."""

    def enlarge(frame: Array) -> Array:
        if frame.dtype != np.uint8:
            return np.clip(upscale(frame, scale), 0, 1).astype(np.float32)
        from PIL import Image  # here, for `import subpixel` loads numpy alone

        size = frame.shape[1] * scale, frame.shape[0] * scale
        return np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC))

    return enlarge
