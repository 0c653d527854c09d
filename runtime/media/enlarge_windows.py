"""Models of several frames in the pipeline: frames are held back until those after them are there."""

from __future__ import annotations

from dataclasses import dataclass

from av.video.frame import VideoFrame

from subpixel.media.enlarge import LumaEnlarger, Prepared, Seen
from subpixel.model import Model
from subpixel.spec import Array
from subpixel.windows import Clips, Window


@dataclass(frozen=True)
class Held:
    """A frame that waits, or is still needed, and its luma as the model takes it."""

    prepared: Prepared
    luma: Array


class WindowEnlarger:
    """Each frame with its neighbours, ``spec.lookahead`` frames late; the frames keep their own times."""

    def __init__(self, model: Model, luma: LumaEnlarger) -> None:
        self._model, self._luma = model, luma
        self._clips: Clips[Held] = Clips(model.spec)

    def push(self, prepared: Prepared) -> list[VideoFrame]:
        """At a scene cut the frames before it become ready too."""
        held = Held(prepared, self._luma.lr_luma(prepared.lr))
        return [self._finished(window) for window in self._clips.push(held, held.luma)]

    def flush(self) -> list[VideoFrame]:
        """The last frames, for which the last one stands in for those that don't come."""
        return [self._finished(window) for window in self._clips.flush()]

    def close(self) -> None:
        """Nothing is held."""

    @property
    def seen(self) -> Seen:
        """The cuts so far; states are zeroed at the start of each clip."""
        return Seen(tuple(self._clips.cuts), self._clips.starts if self._model.spec.states else 0)

    def _finished(self, window: Window[Held]) -> VideoFrame:
        luma = self._model.upscale_window([held.luma for held in window.frames], window.starts_clip)
        return self._luma.finished(window.centre.prepared, luma)
