"""What whole frames and parts of them take, learnt while the work goes on."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

KEPT_RUNS = 24
PRIOR_CALL_SHARE = 0.01  # of a whole frame, for a call by itself, before anything was measured
PRIOR_WEIGHT = 0.5


class CallCosts:
    """Milliseconds for whole frames, and for parts as a line: so much for each call, so much for each pixel.

    Medians and relative errors, so that one disturbed run says little. ``frame_px``: pixels of a whole frame.
    """

    def __init__(self, frame_px: int) -> None:
        self._frame_px, self._runs = frame_px, 0
        self._whole: deque[float] = deque(maxlen=KEPT_RUNS)
        self._parts: deque[tuple[int, int, float]] = deque(maxlen=KEPT_RUNS)
        self._line: tuple[float, float] | None = None

    def saw_whole(self, ms: float) -> None:
        """A whole frame took this long. The first one warms the library up, and counts until there is a second."""
        if self._runs == 1:
            self._whole.clear()
        self._whole.append(ms)
        self._runs += 1
        self._line = None

    def saw_parts(self, calls: int, pixels: int, ms: float) -> None:
        """Parts of a frame, ``calls`` of them with ``pixels`` in all, took this long together."""
        self._parts.append((calls, pixels, ms))
        self._line = None

    @property
    def whole_ms(self) -> float:
        """Of a whole frame; infinite before one was seen, as the first frame is always a whole one."""
        ordered = sorted(self._whole)  # numpy's median brings in its masked arrays first: 10 ms of a program's start
        middle = len(ordered) // 2
        return (ordered[middle] + ordered[~middle]) / 2 if ordered else math.inf

    def parts_ms(self, calls: int, pixels: int) -> float:
        """What such parts are expected to take."""
        call, pixel = self.line
        return calls * call + pixels * pixel

    @property
    def line(self) -> tuple[float, float]:
        """Milliseconds for a call and for a pixel."""
        if self._line is None:
            self._line = self._fitted()
        return self._line

    def _fitted(self) -> tuple[float, float]:
        """Least squares of the relative errors; what is believed before any run counts as two runs of little weight."""
        whole = self.whole_ms if self._whole else 1.0
        beliefs = [(1, 0, whole * PRIOR_CALL_SHARE), (0, self._frame_px, whole)]
        runs = np.array([*beliefs, *self._parts], np.float64)
        weights = np.sqrt(np.array([PRIOR_WEIGHT] * len(beliefs) + [1.0] * len(self._parts))) / runs[:, 2]
        (call, pixel), *_ = np.linalg.lstsq(runs[:, :2] * weights[:, None], runs[:, 2] * weights, rcond=None)
        floor = whole * PRIOR_CALL_SHARE
        return max(float(call), floor / 10), max(float(pixel), whole / self._frame_px / 10)


class Patience:
    """When to try again what did not help: at once, after one time, three, seven ..., at most ``most``."""

    def __init__(self, most: int) -> None:
        self._most, self._pause, self._left = most, 0, 0

    @property
    def is_due(self) -> bool:
        """Whether to try this time; counts."""
        self._left -= 1
        return self._left < 0

    def tell(self, helped: bool) -> None:
        """How the try went."""
        self._pause = 0 if helped else min(2 * self._pause + 1, self._most)
        self._left = self._pause
