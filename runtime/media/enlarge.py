"""One frame made larger: chroma by bicubic, luma by the model.

What needs a bicubic luma too (a comparison, RGB, the plainest rung of a ladder) has all planes enlarged first, and then
the model's luma in its place.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from subpixel.media.colour import FULL, ColourTags
from subpixel.media.frame_pool import FramePool
from subpixel.media.luma import LumaCode, put_rgb_luma, rgb_luma
from subpixel.media.pixels import (
    GREY,
    bits_of,
    has_alpha,
    is_rgb,
    like,
    plane_of,
    put_time,
    subsampling,
    time_of,
    working_format,
)  # fmt: skip
from subpixel.media.resample import Axis, resample
from subpixel.media.scaling import Scaler, Shape
from subpixel.media.siting import OFFSETS
from subpixel.media.vectors import Vectors
from subpixel.model import Model
from subpixel.moves import Hints, no_hints
from subpixel.reuse import Reused, Reusing
from subpixel.spec import Array

CHROMA = 1, 2
HEADROOM = 1.1  # luma beyond white, kept while it is resized in 16 bits


@dataclass(frozen=True)
class Prepared:
    """A frame in its planar working format, and the same enlarged by bicubic; both own their memory.

    The base's luma is not set where only chroma was asked for. ``hints``: how its content may have moved.
    """

    lr: VideoFrame
    base: VideoFrame
    hints: Hints = no_hints


Make: TypeAlias = Callable[[VideoFrame], VideoFrame]


class Preparer:
    """Decoded frames to ``Prepared``; frames whose size or format changes mid-stream are fitted to one result.

    ``chroma_only``: where the format has luma apart, no time is spent on a bicubic one. ``vectors``: frames have their
    motion vectors, which become hints.
    """

    def __init__(
        self, tags: ColourTags, siting: str, size: tuple[int, int], chroma_only: bool = False, vectors: bool = False
    ) -> None:
        self._vectors = Vectors() if vectors else None
        self._tags, self._siting, self._size, self._chroma_only = tags, siting, size, chroma_only
        self._pool = FramePool(*size)
        self._makers: dict[tuple[int, int, str], tuple[Make, Make]] = {}
        self._to_rgb: dict[tuple[int, int, str], Scaler] = {}

    def __call__(self, frame: VideoFrame, as_decoded: bool = True) -> Prepared:
        """The frame's colour tags are the stream's from here on. ``as_decoded``: no filter has been at it."""
        hints = self._vectors.hints(frame) if self._vectors and as_decoded else no_hints
        key = frame.width, frame.height, frame.format.name
        if key not in self._makers:
            self._makers[key] = self._makers_for(*key)
        to_working, enlarge = self._makers[key]
        lr = to_working(frame)
        return Prepared(lr, enlarge(lr), hints)

    def rgb(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """A decoded frame as RGB ``[H, W, 3]``, at the size wanted."""
        plain, (width, height) = _relabelled(frame), self._size
        key = plain.width, plain.height, plain.format.name
        if key not in self._to_rgb:
            given = self._shape(*key)
            self._to_rgb[key] = Scaler(given, replace(given.sized(width, height), format="rgb24", range=FULL))
        rows: Any = np.frombuffer(self._to_rgb[key](plain).planes[0], np.uint8)  # type: ignore[call-overload]
        pixels: NDArray[np.uint8] = rows.reshape(height, -1)[:, : 3 * width].reshape(height, width, 3)
        return pixels

    def _shape(self, width: int, height: int, name: str) -> Shape:
        return Shape(width, height, name, self._tags.range, self._tags.matrix, self._siting)

    def _makers_for(self, width: int, height: int, name: str) -> tuple[Make, Make]:
        raw = self._shape(width, height, name)
        working = replace(raw, format=working_format(name))
        plain = name.replace("yuvj", "yuv") == working.format
        return _relabelled if plain else Scaler(raw, working), self._enlarging(working)

    def _enlarging(self, working: Shape) -> Make:
        steps, given = subsampling(working.format), (working.width, working.height)
        if any(side % step for size in (given, self._size) for side, step in zip(size, steps, strict=True)):
            return self._exactly
        if not self._leaves_luma_out(working.format):
            return Scaler(working, working.sized(*self._size))
        if working.format in GREY:
            return self._pool.like
        return ChromaScaler(working, self._pool)

    def _leaves_luma_out(self, name: str) -> bool:
        """Whether luma is left out: with full-size chroma that saves next to nothing."""
        has_own_luma = not is_rgb(name) and not has_alpha(name)
        return self._chroma_only and has_own_luma and (name in GREY or subsampling(name) != (1, 1))

    def _exactly(self, lr: VideoFrame) -> VideoFrame:
        base, bits = self._pool.like(lr), bits_of(lr.format.name)
        for index in range(int(self._leaves_luma_out(lr.format.name)), len(lr.planes)):
            plane = plane_of(lr, index)
            is_chroma = index in (1, 2)
            rows = self._axis(lr, base, 1, is_chroma)
            plane_of(base, index)[:] = resample(plane, rows, self._axis(lr, base, 0, is_chroma), bits)
        return base

    def _axis(self, lr: VideoFrame, base: VideoFrame, which: int, is_chroma: bool) -> Axis:
        wanted, given = (base.width, base.height)[which], (lr.width, lr.height)[which]
        step = subsampling(lr.format.name)[which] if is_chroma else 1
        return Axis(-(-wanted // step), wanted / given, step, OFFSETS[self._siting][which])


class ChromaScaler:
    """Both chroma planes as those of a small frame with a chroma sample for each luma sample; the rest is not set.

    The samples sit off the small luma by as much as libswscale has them off the cells' centres in the real frame.
    """

    def __init__(self, working: Shape, pool: FramePool) -> None:
        size = pool.width, pool.height
        across, down = subsampling(working.format)
        steps, offsets = (across, down), OFFSETS[working.siting]
        at = tuple(_from_centre(step, offset) for step, offset in zip(steps, offsets, strict=True))
        name = f"yuv444p{working.format.partition('p')[2]}"
        small = Shape(working.width // across, working.height // down, name, working.range, chroma_at=(at[0], at[1]))
        self._pool, self._small = pool, VideoFrame(small.width, small.height, name)
        plane_of(self._small, 0)[:] = 0
        self._scale = Scaler(small, small.sized(size[0] // across, size[1] // down))

    def __call__(self, lr: VideoFrame) -> VideoFrame:
        base = self._pool.like(lr)
        self._small.make_writable()
        for index in CHROMA:
            plane_of(self._small, index)[:] = plane_of(lr, index)
        larger = self._scale(self._small)
        for index in CHROMA:
            plane_of(base, index)[:] = plane_of(larger, index)
        return base


def _from_centre(step: int, offset: float) -> int:
    """``offset`` in a cell of ``step`` luma samples (0: on the first, 1: on the last) in 1/256 of a chroma sample."""
    return round((offset - 0.5) * 256 * (step - 1) / step)


def _relabelled(frame: VideoFrame) -> VideoFrame:
    """FFmpeg's ``yuvj`` formats are the plain ones with the range in the name; libswscale would convert it."""
    name = frame.format.name
    if "yuvj" not in name:
        return frame
    plain = VideoFrame(frame.width, frame.height, name.replace("yuvj", "yuv"))
    put_time(plain, time_of(frame))
    for index in range(len(frame.planes)):
        plane_of(plain, index)[:] = plane_of(frame, index)
    return plain


@dataclass(frozen=True)
class Seen:
    """What an enlarger noticed: the numbers of the frames that begin a new scene, how often states were zeroed.

    ``reused``: what needed no computing.
    """

    scene_cuts: tuple[int, ...] = ()
    state_resets: int = 0
    reused: Reused | None = None


class Enlarger(Protocol):
    """The model's part: ``Prepared`` to finished frames in the working format, in order; some are held back."""

    def push(self, prepared: Prepared) -> list[VideoFrame]:
        """Take the next frame, give those that are ready. A base is used up when its frame is given."""

    def flush(self) -> list[VideoFrame]:
        """The end of the video: the frames that were held back."""

    def close(self) -> None:
        """The work is over, well or not; the model stays open."""

    @property
    def seen(self) -> Seen:
        """So far."""


class LumaEnlarger:
    """Luma by the model, one frame at a time. A frame has the base's size and time; twice as wide for a comparison."""

    def __init__(self, model: Model | Reusing, working: str, tags: ColourTags, compare: bool = False) -> None:
        self._model, self._compare = model, compare
        self._rgb, self._bits = is_rgb(working), bits_of(working)
        self._code = LumaCode(self._bits, tags.range == FULL)
        self._resizers: dict[tuple[int, int, int, int, str], Scaler] = {}
        self._resizing = threading.Lock()

    def push(self, prepared: Prepared) -> list[VideoFrame]:
        """Give it at once."""
        return [self.frame(prepared)]

    def frame(self, prepared: Prepared, luma: Array | None = None) -> VideoFrame:
        """The finished frame. May be called by as many threads as the model takes at once.

        ``luma``: its ``lr_luma``, where that was made already.
        """
        lr, base = prepared.lr, prepared.base
        luma = self.lr_luma(lr) if luma is None else luma
        if not self._takes_result(lr, base):
            return self.finished(prepared, self._enlarged(luma, prepared.hints))
        assert isinstance(self._model, Model)
        self._model.upscale_luma(luma, plane_of(base, 0))
        return base

    def _enlarged(self, luma: Array, hints: Hints) -> Array:
        if isinstance(self._model, Reusing):
            return self._model.upscale_luma(luma, hints)
        return self._model.upscale_luma(luma)

    def repeated(self, prepared: Prepared, earlier: VideoFrame) -> VideoFrame:
        """A frame whose luma is that of one given before, where ``can_repeat``."""
        plane_of(prepared.base, 0)[:] = plane_of(earlier, 0)
        return prepared.base

    @property
    def can_repeat(self) -> bool:
        """Whether a finished frame has its luma, and nothing else of the model's, in a plane of its own."""
        return not self._rgb and not self._compare

    def _takes_result(self, lr: VideoFrame, base: VideoFrame) -> bool:
        """Whether the model's result is, as it is, the luma plane."""
        scale = self._model.spec.scale
        plain = self._code.is_direct and self.can_repeat and isinstance(self._model, Model)
        return plain and (scale * lr.width, scale * lr.height) == (base.width, base.height)

    def flush(self) -> list[VideoFrame]:
        """Nothing is held back."""
        return []

    def close(self) -> None:
        """Nothing is held."""

    @property
    def seen(self) -> Seen:
        """What was reused, where that is done."""
        return Seen(reused=self._model.reused if isinstance(self._model, Reusing) else None)

    def finished(self, prepared: Prepared, enlarged: Array) -> VideoFrame:
        """The frame whose luma the model made of ``prepared``'s."""
        base = prepared.base
        left = copied(base) if self._compare else None
        luma = self._fitted(enlarged, base)
        if self._rgb:
            put_rgb_luma(base, luma, self._bits)
        else:
            plane_of(base, 0)[:] = self._code.from_model(luma)
        return beside(left, base) if left else base

    def lr_luma(self, lr: VideoFrame) -> Array:
        """What the model takes of a frame."""
        return rgb_luma(lr, self._bits) if self._rgb else self._code.to_model(plane_of(lr, 0))

    def _fitted(self, luma: Array, base: VideoFrame) -> Array:
        """Resized exactly where the model's factor isn't the one wanted."""
        if luma.shape == (base.height, base.width):
            return luma
        if luma.dtype == np.uint8:
            return self._resized(luma, base, "gray")
        codes = np.clip(np.rint(luma * np.float32(65535 / HEADROOM)), 0, 65535).astype(np.uint16)
        return self._resized(codes, base, "gray16le") * np.float32(HEADROOM / 65535)

    def _resized(self, codes: Array, base: VideoFrame, name: str) -> Array:
        height, width = codes.shape
        key = width, height, base.width, base.height, name
        frame = VideoFrame(width, height, name)
        plane_of(frame, 0)[:] = codes
        with self._resizing:
            if key not in self._resizers:
                given = Shape(width, height, name, FULL)
                self._resizers[key] = Scaler(given, given.sized(base.width, base.height), "lanczos")
            return plane_of(self._resizers[key](frame), 0)


def copied(frame: VideoFrame) -> VideoFrame:
    """A frame of its own with the same samples and time."""
    fresh = like(frame, frame.width, frame.height)
    for index in range(len(frame.planes)):
        plane_of(fresh, index)[:] = plane_of(frame, index)
    return fresh


def beside(left: VideoFrame, right: VideoFrame) -> VideoFrame:
    """Two frames of one size side by side; each loses its last columns where they would not fill a chroma sample."""
    step = subsampling(left.format.name)[0]
    half = max(left.width // step * step, 1)
    fresh = like(right, 2 * half, left.height)
    for index in range(len(left.planes)):
        target = plane_of(fresh, index)
        middle = target.shape[1] // 2
        target[:, :middle] = plane_of(left, index)[:, :middle]
        target[:, middle:] = plane_of(right, index)[:, : target.shape[1] - middle]
    return fresh


def padded(frame: VideoFrame, width: int, height: int) -> VideoFrame:
    """The frame with its last row and column repeated up to this size, for encoders that need even sides."""
    if (frame.width, frame.height) == (width, height):
        return frame
    fresh = like(frame, width, height)
    for index in range(len(frame.planes)):
        source, target = plane_of(frame, index), plane_of(fresh, index)
        down, right = target.shape[0] - source.shape[0], target.shape[1] - source.shape[1]
        target[:] = np.pad(source, ((0, down), (0, right)), mode="edge")
    return fresh
