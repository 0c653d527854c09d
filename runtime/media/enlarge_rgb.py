"""Colour models in the pipeline: the frame as RGB through the net, and back into the video's own coding."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from av.video.frame import VideoFrame

from subpixel.media.colour import FULL, ColourTags
from subpixel.media.enlarge import Prepared, Seen, beside, copied, padded
from subpixel.media.luma import GBR_PLANES
from subpixel.media.pixels import GREY, bits_of, is_rgb, plane_of, subsampling
from subpixel.media.scaling import Method, Scaler, Shape
from subpixel.model import Model
from subpixel.spec import Array

Size = tuple[int, int]
ALPHA = 3  # the plane that no model sees


@dataclass(frozen=True)
class Coding:
    """How the video codes its colours."""

    working: str
    tags: ColourTags
    siting: str

    def shape(self, size: Size) -> Shape:
        """A frame of this size (width, height) in the working format."""
        return Shape(*size, self.working, self.tags.range, self.tags.matrix, self.siting)

    def as_rgb(self, size: Size) -> Shape:
        """The same as planar RGB: of 8 bits, or of 16 where the video has more than 8."""
        return replace(self.shape(size), format="gbrp" if self.bits == 8 else "gbrp16le", range=FULL)

    @property
    def bits(self) -> int:
        """Of one sample."""
        return bits_of(self.working)

    def whole(self, size: Size) -> Size:
        """The next size whose chroma samples each belong to as many pixels: libswscale drifts on others."""
        across, down = subsampling(self.working)
        return -(-size[0] // across) * across, -(-size[1] // down) * down


class RgbEnlarger:
    """All three channels by the model; alpha is the base's. 8 bits go through whole levels of RGB, more as float.

    Full-range chroma comes out up to half a level low: libswscale rounds it so.
    """

    seen = Seen()

    def __init__(self, model: Model, coding: Coding, compare: bool = False) -> None:
        self._model, self._coding, self._compare = model, coding, compare
        self._scalers: dict[tuple[Shape, Shape], Scaler] = {}

    def push(self, prepared: Prepared) -> list[VideoFrame]:
        """Give it at once, its planes those of the base replaced."""
        base = prepared.base
        left = copied(base) if self._compare else None
        self._put(self._model.upscale_planes(self._rgb(prepared.lr)), base)
        return [beside(left, base) if left else base]

    def flush(self) -> list[VideoFrame]:
        """Nothing is held back."""
        return []

    def close(self) -> None:
        """Nothing is held."""

    def _rgb(self, lr: VideoFrame) -> Array:
        """R, G, B ``[3, H, W]``: uint8, or float32 in [0, 1]."""
        frame, bits = lr, self._coding.bits
        if not is_rgb(self._coding.working):
            size = self._coding.whole((lr.width, lr.height))
            frame = self._scaler(self._coding.shape(size), self._coding.as_rgb(size))(padded(lr, *size))
            bits = bits_of(frame.format.name)
        planes = np.stack([plane_of(frame, index)[: lr.height, : lr.width] for index in GBR_PLANES])
        return planes if bits == 8 else planes.astype(np.float32) / np.float32((1 << bits) - 1)

    def _put(self, planes: Array, base: VideoFrame) -> None:
        """Into the base's planes; resized where the model's factor isn't the one wanted."""
        size, wanted = (planes.shape[2], planes.shape[1]), (base.width, base.height)
        if size == wanted:
            size = wanted = self._coding.whole(size)
        given = self._coding.as_rgb(size)
        frame = self._coded(planes, given)
        if given != self._coding.shape(wanted):
            frame = self._scaler(given, self._coding.shape(wanted))(frame)
        for index in range(1 if self._coding.working in GREY else ALPHA):
            target = plane_of(base, index)
            target[:] = plane_of(frame, index)[: target.shape[0], : target.shape[1]]

    def _coded(self, planes: Array, shape: Shape) -> VideoFrame:
        """RGB planes as a frame of this shape, the last row and column repeated where it is larger."""
        frame, peak = VideoFrame(shape.width, shape.height, shape.format), (1 << bits_of(shape.format)) - 1
        spare = (0, shape.height - planes.shape[1]), (0, shape.width - planes.shape[2])
        for index, plane in zip(GBR_PLANES, planes, strict=True):
            codes = plane if plane.dtype == np.uint8 else np.clip(np.rint(plane * np.float32(peak)), 0, peak)
            plane_of(frame, index)[:] = np.pad(codes, spare, mode="edge")
        return frame

    def _scaler(self, given: Shape, wanted: Shape) -> Scaler:
        key = given, wanted
        if key not in self._scalers:
            fits = (given.width, given.height) == (wanted.width, wanted.height)
            method: Method = "bicubic" if fits else "lanczos"
            self._scalers[key] = Scaler(given, wanted, method)
        return self._scalers[key]
