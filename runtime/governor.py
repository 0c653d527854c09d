"""Keeps a deadline: for each frame the best rung of a ladder of models that will be in time, from what was measured.

Cheap by design: a few sums a frame, no thread. Times are milliseconds, clocks tell seconds.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from subpixel.errors import BadInputError

ATTACK, RELEASE = 0.5, 0.1  # how fast the load follows what is worse, and what is better, than it
SPREAD = 2.0  # deviations of the load that the time left must hold too
BICUBIC = "bicubic"  # the plainest rung's name
LEARN, UNLEARN = 0.02, 0.01  # how fast a rung's correction follows what the load doesn't explain, and fades
USED = 0.95  # share of the period that a rung may be expected to take
CLIMB = 0.85  # and before it is climbed to
TELLING = 0.05  # share of the period that a rung must take for its time to say something about the load
KEPT_LATENCIES = 100_000
HOLD_FRAMES, LONGEST_HOLD_FRAMES = 12, 36  # that a better rung must look affordable for; doubled when climbing failed
DEADLINE_PERIODS = 2.0  # from a frame's arrival to its deadline
TRIAL_FRAMES = 24  # after a climb, in which having to go down again counts as failed

Result = TypeVar("Result")


class Governor:
    """``expected_ms``: of each rung as measured at this size, the cheapest first; ``period_ms``: from frame to frame.

    A rung is taken when its expected time, at the load of the last frames, fits the period (a longer one would borrow
    from the next frame) and, with a margin, the time left. Down at once; up after a better one looked affordable for a
    while. A rung that takes next to nothing says nothing: meanwhile the load is taken to pass.

    Raises ``BadInputError`` for an empty ladder or times that aren't above zero.
    """

    def __init__(self, expected_ms: Sequence[float], period_ms: float) -> None:
        if not expected_ms or not all(value > 0 for value in (*expected_ms, period_ms)):
            raise BadInputError(f"found rungs of {list(expected_ms)} ms each {period_ms} ms; needed times above zero")
        self._expected, self._period = tuple(expected_ms), period_ms
        self._correction = [1.0] * len(expected_ms)
        self._load, self._deviation = 1.0, 0.1
        self.rung = self._fitting(period_ms, CLIMB)
        self._hold, self._affordable, self._since_climb = HOLD_FRAMES, 0, TRIAL_FRAMES

    def predicted_ms(self, rung: int, spread: float = 0.0) -> float:
        """What a rung takes at the load of now; ``spread``: deviations of the load added to it."""
        return self._expected[rung] * self._correction[rung] * (self._load + spread * self._deviation)

    def choose(self, left_ms: float) -> int | None:
        """The rung for a frame that must be done in ``left_ms``; ``None``: even the cheapest would be late."""
        if self.predicted_ms(0) > left_ms:
            self._forget()
            return None
        best = self._fitting(left_ms, USED)
        self._since_climb += 1
        if best < self.rung:
            self._descend(best)
        elif self._since_climb == TRIAL_FRAMES:
            self._hold = max(HOLD_FRAMES, self._hold // 2)
        self._climb(left_ms)
        return min(self.rung, best)

    def observe(self, rung: int, took_ms: float) -> None:
        """Learn from a frame that a rung has done."""
        if not self._tells(rung):
            self._forget()
            return
        ratio = took_ms / (self._expected[rung] * self._correction[rung])
        unexplained = min(max(ratio / self._load, 0.5), 2.0)
        self._correction[rung] **= 1 - UNLEARN  # else it and the load could drift apart for good
        self._correction[rung] *= unexplained**LEARN
        self._deviation += RELEASE * (abs(ratio - self._load) - self._deviation)
        self._load += (ATTACK if ratio > self._load else RELEASE) * (ratio - self._load)

    def _fitting(self, left_ms: float, share: float) -> int:
        """The best rung that fits a share of the period, and the time left; the cheapest where none does."""
        fitting = (
            rung
            for rung in range(len(self._expected))
            if self.predicted_ms(rung) <= share * self._period and self.predicted_ms(rung, SPREAD) <= left_ms
        )
        return max(fitting, default=0)

    def _descend(self, rung: int) -> None:
        if self._since_climb < TRIAL_FRAMES:
            self._hold = min(2 * self._hold, LONGEST_HOLD_FRAMES)
        self.rung, self._affordable, self._since_climb = rung, 0, TRIAL_FRAMES

    def _climb(self, left_ms: float) -> None:
        better = self._fitting(left_ms, CLIMB)
        if better <= self.rung:
            self._affordable = 0
            return
        self._affordable += 1
        if self._affordable >= self._hold:
            self.rung = better if self._tells(self.rung) else self.rung + 1  # where the load isn't known, one by one
            self._affordable, self._since_climb = 0, 0

    def _tells(self, rung: int) -> bool:
        """Whether the time that a rung takes says something about the load."""
        return self._expected[rung] >= TELLING * self._period

    def _forget(self) -> None:
        """Nothing is measured, while frames are dropped for instance: the load is taken to pass."""
        self._load += RELEASE * (1.0 - self._load)
        self._deviation *= 1 - RELEASE


def fastest_first(times_ms: Sequence[float]) -> list[int]:
    """Which of these can be rungs, in their order: the last one is the best, and what is slower is of no use to it."""
    return sorted((at for at in range(len(times_ms)) if times_ms[at] <= times_ms[-1]), key=lambda at: times_ms[at])


@dataclass
class Tally:
    """What became of the frames. ``rungs``: names, the cheapest first; memory doesn't grow with the frames.

    Latencies are of the last ``KEPT_LATENCIES`` frames.
    """

    rungs: Sequence[str]
    done: Counter[int] = field(default_factory=Counter)
    dropped: int = 0
    late: int = 0
    switches: int = 0
    _latencies_ms: NDArray[np.float32] = field(default_factory=lambda: np.zeros(KEPT_LATENCIES, np.float32))
    _last: int | None = None

    def count(self, rung: int, latency_ms: float, was_late: bool) -> None:
        """A frame that was given, so long after it came."""
        self._latencies_ms[sum(self.done.values()) % KEPT_LATENCIES] = latency_ms
        self.done[rung] += 1
        self.switches += self._last not in (None, rung)
        self._last = rung
        self.late += was_late

    def summary(self) -> Timeliness:
        """For the receipt."""
        frames = sum(self.done.values())
        spread = np.percentile(self._latencies_ms[:frames], (50, 95, 99)) if frames else np.full(3, np.nan)
        shares = tuple((name, self.done[rung] / max(frames, 1)) for rung, name in enumerate(self.rungs))
        p50, p95, p99 = (float(value) for value in spread)
        return Timeliness(frames, self.dropped, self.late, self.switches, shares, p50, p95, p99)


@dataclass(frozen=True)
class Timeliness:
    """How a deadline was kept. ``late``: given after it; ``dropped``: not given, for the cheapest rung was late too.

    ``shares``: of the frames given, by rung; latencies from a frame's arrival to its being given, in milliseconds.
    """

    frames: int
    dropped: int
    late: int
    switches: int
    shares: tuple[tuple[str, float], ...]
    p50_ms: float
    p95_ms: float
    p99_ms: float

    @property
    def in_time(self) -> float:
        """The share of all frames that were given by their deadline."""
        return (self.frames - self.late) / max(self.frames + self.dropped, 1)

    def line(self) -> str:
        """For people."""
        rungs = ", ".join(f"{name} {share:.0%}" for name, share in self.shares if share)
        return (
            f"{self.in_time:.1%} in time ({self.late} late, {self.dropped} dropped); {rungs}; {self.switches} changes; "
            f"latency p50 {self.p50_ms:.0f}, p95 {self.p95_ms:.0f}, p99 {self.p99_ms:.0f} ms"
        )


class Deadline:
    """Frames by their deadlines: each done on the rung that the governor chooses, counted, and learnt from.

    ``rungs``: name and expected milliseconds, the cheapest first. A frame is due two periods after it came.
    """

    def __init__(
        self, rungs: Sequence[tuple[str, float]], fps: float, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        if not fps > 0:
            raise BadInputError(f"found {fps} frames a second, needed more than none")
        self.period_seconds = 1 / fps
        self._governor = Governor([expected for _, expected in rungs], 1000 * self.period_seconds)
        self._tally, self._clock = Tally([name for name, _ in rungs]), clock

    def give(self, arrival: float, ways: Sequence[Callable[[], Result]]) -> Result | None:
        """The frame that came at ``arrival`` by the clock, in one of the ``ways``, one a rung; ``None``: dropped."""
        due, started = arrival + DEADLINE_PERIODS * self.period_seconds, self._clock()
        rung = self._governor.choose(1000 * (due - started))
        if rung is None:
            self._tally.dropped += 1
            return None
        result = ways[rung]()
        done = self._clock()
        self._governor.observe(rung, 1000 * (done - started))
        self._tally.count(rung, 1000 * (done - arrival), done > due)
        return result

    @property
    def kept(self) -> Timeliness:
        """So far."""
        return self._tally.summary()
