"""A model that is open: images and frames in, larger ones out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from subpixel import tiles
from subpixel.choice import Candidate, Wish, candidates
from subpixel.engines.base import Engine, Receipt
from subpixel.errors import BadInputError, BundleError, EngineError, SubpixelError
from subpixel.frames import from_tensor, to_tensor
from subpixel.quality.resize import resize, upscale
from subpixel.quality.ycbcr import rgb_from_ycbcr, ycbcr_from_rgb
from subpixel.spec import Array, Kind, ModelSpec

Pixels = TypeVar("Pixels", NDArray[np.uint8], NDArray[np.float32])


class Model:
    """Made by ``subpixel.open``. Close it, or use it in a ``with`` statement."""

    def __init__(self, candidate: Candidate, wish: Wish) -> None:
        self._candidate, self._wish = candidate, wish
        self._engine = candidate.open()
        self._engines: dict[Kind, Engine] = {candidate.variant.kind: self._engine}
        self.tile_px: int | None = None
        self._closed = False

    @property
    def spec(self) -> ModelSpec:
        """Scale, family, receptive field ..."""
        return self._engine.spec

    @property
    def scale(self) -> int:
        """Output pixels for one input pixel, along each side."""
        return self.spec.scale

    @property
    def receipt(self) -> Receipt:
        """What really runs, as the library tells."""
        return self._engine.receipt

    @property
    def receipts(self) -> tuple[Receipt, ...]:
        """One for every engine in use: another kind (8 bit or float) of the model is opened when frames need it."""
        return tuple(engine.receipt for engine in self._engines.values())

    def upscale(self, image: Pixels) -> Pixels:
        """Enlarge an image. ``[H, W]`` (luma as video has it) or ``[H, W, 3]`` (RGB); uint8, or float32 in [0, 1].

        Gives the same kind of array, ``scale`` times as large. RGB: luma by the model, chroma bicubic (BT.601).
        Raises ``BadInputError`` for other arrays.
        """
        _check_image(image)
        if image.ndim == 2:
            return self.upscale_luma(image)
        ycbcr = ycbcr_from_rgb(image)
        luma = self.upscale_luma(np.ascontiguousarray(ycbcr[..., 0]))
        chroma = upscale(ycbcr[..., 1:], self.scale)
        return rgb_from_ycbcr(np.concatenate([luma[..., None], chroma], axis=2), image.dtype)

    def upscale_luma(self, luma: Pixels) -> Pixels:
        """Enlarge one luma plane ``[H, W]``: BT.601 studio swing / 255, uint8 or float32. Large planes go in tiles."""
        engine = self._engine_for(luma.dtype)
        planes = luma[None]
        tile = self._tile(luma.shape[0], luma.shape[1], engine)
        if tile is None:
            return cast(Pixels, self._run(engine, planes)[0])
        halo, multiple = self.spec.radius_px or 0, self.spec.size_multiple
        result = tiles.run_tiled(planes, self.scale, tile, halo, lambda piece: self._run(engine, piece), multiple)
        return cast(Pixels, result[0])

    def upscale_video(self, frames: Iterable[Pixels]) -> Iterator[Pixels]:
        """Enlarge frames one by one, in order; each as ``upscale`` takes it."""
        self.reset()
        for frame in frames:
            yield self.upscale(frame)

    def reset(self) -> None:
        """Forget what was kept between frames: a new clip, a scene cut."""
        for engine in self._engines.values():
            engine.reset()

    def close(self) -> None:
        """Free the engines; a second call does nothing."""
        self._closed = True
        for engine in self._engines.values():
            engine.close()

    def __enter__(self) -> Model:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _run(self, engine: Engine, planes: Array) -> Array:
        given, wanted = engine.variant.inputs[0], engine.variant.outputs[0]
        kind = np.uint8 if planes.dtype == np.uint8 else np.float32
        padded = _pad(planes, self.spec.size_multiple)
        tensor = engine.run({given.name: to_tensor(padded, given)})[wanted.name]
        height, width = planes.shape[1] * self.scale, planes.shape[2] * self.scale
        return np.array(from_tensor(tensor, wanted, kind)[:, :height, :width])

    def _tile(self, height: int, width: int, engine: Engine) -> tuple[int, int] | None:
        """The tile size in LR pixels, ``None`` for the whole frame in one piece."""
        fixed = engine.variant.shapes
        if fixed is not None:
            return None if fixed == (height, width) else _fixed_tile(fixed, height, width, engine)
        if self.tile_px is not None:
            return self.tile_px, self.tile_px
        if height * width <= tiles.WHOLE_LIMIT_PX:
            return None
        if self.spec.radius_px is None:
            raise BadInputError(
                f"{self.spec.name} can't work in tiles and a {width}x{height} frame is more than it can hold "
                f"({tiles.WHOLE_LIMIT_PX} pixels); use a smaller frame or another model"
            )
        return tiles.TILE_PX, tiles.TILE_PX

    def _engine_for(self, dtype: np.dtype[np.generic]) -> Engine:
        """uint8 runs on the engine that was opened; float needs the `float` kind, opened at first use."""
        if self._closed:
            raise EngineError(f"the model {self.spec.name} was closed; open it again")
        if dtype == np.uint8 or self._candidate.variant.kind != "u8":
            return self._engine
        if "float" not in self._engines:
            self._engines["float"] = self._open_float()
        return self._engines["float"]

    def _open_float(self) -> Engine:
        taken = self._candidate
        sibling = [
            v
            for v in taken.bundle.manifest.variants
            if v.kind != "u8" and v.target == taken.variant.target and v.precision == taken.variant.precision
        ]
        if sibling:
            return replace(taken, variant=sibling[0]).open()
        wish = replace(self._wish, variant=None, precision="auto")
        for candidate in candidates(taken.bundle, wish):
            if candidate.variant.kind == "float":
                return candidate.open()
        raise BundleError(f"{self.spec.name} has no variant for float frames; `subpixel export` makes one")


def open_first(found: list[Candidate], wish: Wish) -> Model:
    """Open the first candidate that opens; when none does, the first one's error is raised."""
    first: SubpixelError | None = None
    for candidate in found:
        try:
            return Model(candidate, wish)
        except EngineError as fault:
            first = first or fault
            if wish.engine is not None:
                break
    raise first or EngineError("nothing to open")


def _check_image(image: Array) -> None:
    right_shape = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if not right_shape or image.dtype not in (np.uint8, np.float32) or image.size == 0:
        raise BadInputError(
            f"found an array {image.shape} of {image.dtype}; needed [H, W] or [H, W, 3], uint8 or float32 in [0, 1]"
        )


def _pad(planes: Array, multiple: int) -> Array:
    down, right = -planes.shape[1] % multiple, -planes.shape[2] % multiple
    if not down and not right:
        return planes
    return np.pad(planes, ((0, 0), (0, down), (0, right)), mode="edge")


def _fixed_tile(fixed: tuple[int, int], height: int, width: int, engine: Engine) -> tuple[int, int]:
    if height < fixed[0] or width < fixed[1] or engine.spec.radius_px is None:
        raise BadInputError(
            f"{engine.variant.id} takes {fixed[1]}x{fixed[0]} frames only and {width}x{height} does not hold one; "
            "use a variant of free size"
        )
    return fixed


def resized(image: Pixels, height: int, width: int) -> Pixels:
    """Bicubic to an exact size, for results whose size isn't the model's factor; uint8 is rounded and clipped."""
    if image.shape[:2] == (height, width):
        return image
    result = resize(image.astype(np.float32), height, width)
    if image.dtype == np.uint8:
        return np.clip(np.rint(result), 0, 255).astype(np.uint8)
    return result
