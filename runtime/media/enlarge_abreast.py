"""Several frames in the model at once: on a few cores runs side by side need less time than one shared out."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from av.video.frame import VideoFrame

from subpixel.media.enlarge import LumaEnlarger, Prepared, Seen


class AbreastEnlarger:
    """``runs`` frames under way and one that waits; given in the order they came, whichever is done first."""

    seen = Seen()

    def __init__(self, luma: LumaEnlarger, runs: int) -> None:
        self._luma, self._runs = luma, runs
        self._pool = ThreadPoolExecutor(runs, thread_name_prefix="subpixel-model")
        self._under_way: deque[Future[VideoFrame]] = deque()

    def push(self, prepared: Prepared) -> list[VideoFrame]:
        """Take the frame at once, unless as many as may be are under way. Raises what the model raised on a frame."""
        self._under_way.append(self._pool.submit(self._luma.frame, prepared))
        return self._given(self._runs)

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
