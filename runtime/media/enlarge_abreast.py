"""Several frames in the model at once, or one after the other where little changes and the rest is reused.

On a few cores runs side by side need less time than one that is shared out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

import numpy as np
from av.video.frame import VideoFrame

from subpixel.changes import CELL_PX, Changes
from subpixel.media.enlarge import LumaEnlarger, Prepared, Seen
from subpixel.moves import Hints
from subpixel.reuse import Reused
from subpixel.spec import Array

LITTLE = 0.5  # of the cells changed: with their surroundings that is as much as pays
STILLER = 0.25  # of what had changed when a look was in vain: that is news, and no rest
HELPS = 0.5  # of a frame computed, one after the other: that is less work than whole ones side by side
PROMISES = 2  # frames in a row of which that is said before it is begun: one alone may be a frame coded as nothing new
PATIENCE = 2  # frames in a row in which little changes, or all is computed, before the way is changed; before those of
# little change a rest, twice as long each time that reuse would not help, or did not
LOOK_EVERY = 48  # frames side by side until a look at reuse anyway: what moves by whole pixels seems to change


class AbreastEnlarger:
    """``runs`` frames under way and one that waits; given in the order they came, whichever is done first."""

    seen = Seen()

    def __init__(self, luma: LumaEnlarger, runs: int) -> None:
        self._luma, self._runs = luma, runs
        self._pool = ThreadPoolExecutor(runs, thread_name_prefix="subpixel-model")
        self._under_way: deque[Future[VideoFrame]] = deque()
        self._last: Future[VideoFrame] | None = None

    def push(self, prepared: Prepared, luma: Array | None = None) -> list[VideoFrame]:
        """Take the frame at once, unless as many as may be are under way. Raises what the model raised on a frame.

        ``luma``: what the model takes of it, where that was made already.
        """
        self._last = self._pool.submit(self._luma.frame, prepared, luma)
        self._under_way.append(self._last)
        return self._given(self._runs)

    def repeat(self, prepared: Prepared) -> list[VideoFrame]:
        """The next frame, with the luma of the last one that was pushed: that one began before, so it will be done."""
        assert self._last is not None
        self._under_way.append(self._pool.submit(self._repeated, prepared, self._last))
        return self._given(self._runs)

    def _repeated(self, prepared: Prepared, last: Future[VideoFrame]) -> VideoFrame:
        return self._luma.repeated(prepared, last.result())

    def flush(self) -> list[VideoFrame]:
        """Wait for all."""
        return self._given(0)

    def close(self) -> None:
        """What has begun is finished, for nobody; what waits is not begun."""
        self._pool.shutdown(cancel_futures=True)

    def _given(self, left: int) -> list[VideoFrame]:
        """The frames that are done, and more until only so many are left."""
        frames: list[VideoFrame] = []
        while self._under_way and (len(self._under_way) > left or self._under_way[0].done()):
            frames.append(self._under_way.popleft().result())
        return frames


Forecast: TypeAlias = Callable[[Array, Array, Hints], float]
"""As ``Reusing.forecast``."""


class TurnsEnlarger:
    """``luma`` side by side in ``runs`` while much changes, ``reusing`` while little does; duplicates cost nothing.

    A change of way costs a few frames that wait for each other, so it is made where the ``forecast`` says that it
    helps. ``tolerance``: levels of 255, as ``Reusing`` takes it.
    """

    def __init__(
        self, luma: LumaEnlarger, runs: int, reusing: LumaEnlarger, forecast: Forecast, tolerance: float
    ) -> None:
        self._luma, self._abreast, self._reusing = luma, AbreastEnlarger(luma, runs), reusing
        self._forecast, self._since, self._looks = forecast, _Since(tolerance), _Looks()
        self._reuses = self._helped = False
        self._streak = self._frames = self._repeats = 0

    def push(self, prepared: Prepared) -> list[VideoFrame]:
        """By the way that is cheaper now."""
        return self._push_reusing(prepared) if self._reuses else self._push_abreast(prepared)

    def flush(self) -> list[VideoFrame]:
        """Wait for all."""
        return self._abreast.flush()

    def close(self) -> None:
        """The threads end."""
        self._abreast.close()

    @property
    def seen(self) -> Seen:
        """What was reused: of the frames side by side, the duplicates."""
        reused = self._reusing.seen.reused
        assert reused is not None
        frames = self._frames + reused.frames
        share = (self._repeats + reused.share * reused.frames) / max(frames, 1)
        return Seen(reused=Reused(frames, self._repeats + reused.duplicates, share))

    def _push_abreast(self, prepared: Prepared) -> list[VideoFrame]:
        luma = self._luma.lr_luma(prepared.lr)
        before, share = self._since.plane, self._since.changed_share(luma, self._looks.limit)
        if share == 0 and self._luma.can_repeat:
            self._frames, self._repeats = self._frames + 1, self._repeats + 1
            return self._abreast.repeat(prepared)
        if before is not None and self._would_help(luma, before, share, prepared.hints):
            return self._abreast.flush() + self._change(prepared, luma)
        self._frames += 1
        return self._abreast.push(prepared, luma)

    def _would_help(self, luma: Array, before: Array, share: float, hints: Hints) -> bool:
        """Where a look at it is due."""
        if not self._looks.is_due(share) or before.shape != luma.shape:
            return False
        return self._looks.told(share, self._forecast(luma, before, hints) <= HELPS)

    def _change(self, prepared: Prepared, luma: Array) -> list[VideoFrame]:
        """To reuse; its first frame is a whole one."""
        self._reuses, self._streak, self._helped = True, 0, False
        self._since.forget()
        return [self._reusing.frame(prepared, luma)]

    def _push_reusing(self, prepared: Prepared) -> list[VideoFrame]:
        before = self._computed
        frames = self._reusing.push(prepared)
        helps = self._computed - before <= HELPS
        self._streak, self._helped = 0 if helps else self._streak + 1, self._helped or helps
        if self._streak > PATIENCE:
            self._back_abreast()
        return frames

    def _back_abreast(self) -> None:
        self._reuses = False
        self._looks.after(self._helped)

    @property
    def _computed(self) -> float:
        """Frames' worth of pixels that reuse did not spare."""
        reused = self._reusing.seen.reused
        return reused.frames * (1 - reused.share) if reused else 0.0


class _Looks:
    """When to look whether reuse would help: where little has changed for some frames, and now and then."""

    def __init__(self) -> None:
        self._pause = self._rest = self._until_look = 0
        self._streak = self._promises = 0
        self._in_vain = 1.0  # so much had changed at the last look that was

    @property
    def limit(self) -> float:
        """The share of changed cells that is little now."""
        return STILLER * self._in_vain if self._rest else LITTLE

    def is_due(self, share: float) -> bool:
        """Whether this frame, of which so much changed, is to be looked at."""
        self._streak = self._streak + 1 if share <= self.limit else 0
        self._rest, self._until_look = max(self._rest - 1, 0), self._until_look - 1
        is_due = self._streak > PATIENCE or self._until_look < 0
        self._promises = self._promises if is_due else 0
        return is_due

    def told(self, share: float, helps: bool) -> bool:
        """What the look said; gives whether it was said often enough."""
        if helps:
            self._promises += 1
            return self._promises >= PROMISES
        self._in_vain = share
        self._wait(self._streak > PATIENCE)
        return False

    def after(self, helped: bool) -> None:
        """Reuse was given up. Where it did not help at all, though it was to, it takes longer until the next look."""
        if helped:
            self._pause = 0
        else:
            self._in_vain = 0.0
        self._wait(not helped)

    def _wait(self, longer: bool) -> None:
        """For the next look; ``longer``: than this time."""
        if longer:
            self._pause = min(2 * self._pause + PATIENCE + 1, LOOK_EVERY)
        self._streak = self._promises = 0
        self._rest, self._until_look = self._pause, LOOK_EVERY


class _Since:
    """How much of a frame differs from the last one that was computed."""

    def __init__(self, tolerance: float) -> None:
        self._tolerance = tolerance
        self.plane: Array | None = None
        self._changes: Changes | None = None

    def forget(self) -> None:
        """The next frame is all new."""
        self.plane = None

    def changed_share(self, plane: Array, limit: float) -> float:
        """Of the cells; where there are any it becomes the frame that the next ones are compared with.

        No more than a glimpse where that shows that it is more than the ``limit``.
        """
        last = self.plane
        if last is None or self._changes is None or (last.shape, last.dtype) != (plane.shape, plane.dtype):
            self._changes = Changes((plane.shape[0], plane.shape[1]), plane.dtype, CELL_PX, self._tolerance)
            self.plane = plane
            return 1.0
        share = self._changes.glimpse(plane, last)
        if share <= limit:
            share = float(np.mean(self._changes.between(plane, last)))
        self.plane = plane if share else last
        return share
