"""Frames of a video as windows: the first and last frame repeated at a clip's ends, nothing mixed across a cut."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from subpixel.scenes import SceneDetector
from subpixel.spec import Array, ModelSpec

Item = TypeVar("Item")


@dataclass(frozen=True)
class Window(Generic[Item]):
    """``frames``: in order of time, as many as the model takes; ``centre``: the one that is enlarged.

    ``starts_clip``: nothing that was kept of earlier frames holds any more.
    """

    frames: tuple[Item, ...]
    centre: Item
    starts_clip: bool


class Windows(Generic[Item]):
    """One window for each frame, in order, each as soon as the frames after it are there."""

    def __init__(self, window: int, lookahead: int) -> None:
        self._length, self._ahead = window, lookahead
        self._behind = window - 1 - lookahead
        self._kept: list[Item] = []
        self._next = 0  # place in `_kept` of the frame whose turn it is
        self._is_fresh = True

    def push(self, frame: Item, starts_clip: bool = False) -> list[Window[Item]]:
        """Take the next frame; give the windows that are ready. ``starts_clip``: a cut is between it and the last."""
        ready = self.flush() if starts_clip else []
        self._kept.append(frame)
        if len(self._kept) - self._next > self._ahead:
            ready.append(self._take())
        return ready

    def flush(self) -> list[Window[Item]]:
        """The clip's end: the windows that are left, the last frame repeated. The next frame starts a clip."""
        left = [self._take() for _ in range(len(self._kept) - self._next)]
        self._kept, self._next, self._is_fresh = [], 0, True
        return left

    def _take(self) -> Window[Item]:
        last, first = len(self._kept) - 1, self._next - self._behind
        frames = tuple(self._kept[min(max(at, 0), last)] for at in range(first, first + self._length))
        window = Window(frames, self._kept[self._next], self._is_fresh)
        self._is_fresh, self._next = False, self._next + 1
        spent = max(self._next - self._behind, 0)
        self._kept, self._next = self._kept[spent:], self._next - spent
        return window


class Clips(Generic[Item]):
    """A video taken apart at its scene cuts, and where its frames change their size or type.

    ``cuts``: the numbers, from 0, of the frames that begin a new scene; ``starts``: how many clips there were.
    """

    def __init__(self, model: ModelSpec) -> None:
        self._windows: Windows[Item] = Windows(model.window, model.lookahead)
        self._looks_around = model.window > 1 or bool(model.states)
        self._detector = SceneDetector()
        self._form: object = None
        self._count = 0
        self.cuts: list[int] = []
        self.starts = 0

    def push(self, frame: Item, luma: Array) -> list[Window[Item]]:
        """Take the next frame. ``luma``: its luma ``[H, W]``, uint8 or float32 in [0, 1]."""
        form = luma.shape, luma.dtype
        is_cut = self._looks_around and self._detector.is_cut(luma)
        starts_clip = is_cut or form != self._form
        if is_cut:
            self.cuts.append(self._count)
        self._form, self._count, self.starts = form, self._count + 1, self.starts + starts_clip
        return self._windows.push(frame, starts_clip)

    def flush(self) -> list[Window[Item]]:
        """The end of the video."""
        return self._windows.flush()
