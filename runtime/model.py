"""A model that is open: images and frames in, larger ones out."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import TracebackType
from typing import Any, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from subpixel import tiles
from subpixel.choice import Candidate, Wish, candidates, working_size
from subpixel.engines.base import Engine, Receipt
from subpixel.engines.states import result_for
from subpixel.errors import BadInputError, BundleError, EngineError, SubpixelError
from subpixel.frames import from_tensor, held_in, to_tensor
from subpixel.governor import BICUBIC
from subpixel.quality.resize import resize, upscale
from subpixel.quality.ycbcr import grey_from_luma, luma_from_planes, rgb_from_ycbcr, ycbcr_from_rgb
from subpixel.spec import Array, Kind, ModelSpec
from subpixel.stream import Stream, bicubic
from subpixel.windows import Clips, Window

Pixels = TypeVar("Pixels", NDArray[np.uint8], NDArray[np.float32])


class Model:
    """Made by ``subpixel.open``. Close it, or use it in a ``with`` statement."""

    def __init__(self, candidate: Candidate, wish: Wish) -> None:
        self._candidate, self._wish = candidate, wish
        self._engine = candidate.open()
        self._engines: dict[Kind, Engine] = {candidate.variant.kind: self._engine}
        self.tile_px: int | None = None
        self._closed = False
        self._opening = threading.Lock()

    @property
    def spec(self) -> ModelSpec:
        """Scale, family, receptive field ..."""
        return self._engine.spec

    @property
    def scale(self) -> int:
        """Output pixels for one input pixel, along each side."""
        return self.spec.scale

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Height and width of the only frames that what was opened takes; ``None``: it takes all."""
        return self._engine.variant.shapes

    @property
    def receipt(self) -> Receipt:
        """What really runs, as the library tells."""
        return self._engine.receipt

    @property
    def reason(self) -> str:
        """Why this engine and variant, in words; empty where there was nothing to choose."""
        return self._candidate.reason

    @property
    def receipts(self) -> tuple[Receipt, ...]:
        """One for every engine in use: another kind (8 bit or float) of the model is opened when frames need it."""
        return tuple(engine.receipt for engine in self._engines.values())

    @property
    def weights_sha256(self) -> str:
        """Of the file that the engine was opened with; empty for a method that needs none."""
        files = self._engine.variant.files
        return files[0].sha256 if files else ""

    def upscale(self, image: Pixels) -> Pixels:
        """Enlarge an image. ``[H, W]`` (luma as video has it) or ``[H, W, 3]`` (RGB); uint8, or float32 in [0, 1].

        Gives the same kind of array, ``scale`` times as large. RGB: luma by the model, chroma bicubic (BT.601), or all
        by a model of the colour ``rgb``. A video model takes the image for a clip that stands still, and forgets the
        clip it was in. Raises ``BadInputError`` for other arrays.
        """
        _check_image(image)
        if image.ndim == 2:
            return self.upscale_luma(image)
        if self.spec.colour == "rgb":
            return self._upscale_rgb(image)
        ycbcr = ycbcr_from_rgb(image)
        luma = self.upscale_luma(np.ascontiguousarray(ycbcr[..., 0]))
        return self._coloured(luma, ycbcr[..., 1:], image)

    def _upscale_rgb(self, image: Pixels) -> Pixels:
        planes = self.upscale_planes(np.ascontiguousarray(np.moveaxis(image, 2, 0)))
        larger = np.ascontiguousarray(np.moveaxis(planes, 0, 2))
        return cast(Pixels, larger if image.dtype == np.uint8 else np.clip(larger, 0, 1))

    def _coloured(self, luma: Array, chroma: NDArray[np.float32], image: Pixels) -> Pixels:
        larger = upscale(chroma, self.scale)
        return cast(Pixels, rgb_from_ycbcr(np.concatenate([luma[..., None], larger], axis=2), image.dtype))

    def upscale_luma(self, luma: Pixels, out: Pixels | None = None) -> Pixels:
        """Enlarge one luma plane ``[H, W]``: BT.601 studio swing / 255, uint8 or float32. Large planes go in tiles.

        A model of the colour ``rgb`` gets it as grey, and Y of its result is given. ``out``: where the result shall be
        written, of its size and type. Models of one frame may be called by ``receipt.streams`` threads at once.
        """
        if out is not None:
            self._check_out(luma, out)
            if self.spec.planes == 1 and not self.spec.takes_windows:
                return cast(Pixels, self._enlarged(luma[None], out[None])[0])
            np.copyto(out, self.upscale_luma(luma))
            return out
        if self.spec.takes_windows:
            self.reset()
            result = self.upscale_planes(np.repeat(luma[None], self.spec.window, axis=0))[0]
            self.reset()
            return cast(Pixels, result)
        if self.spec.colour == "rgb":
            grey = grey_from_luma(luma)
            return cast(Pixels, luma_from_planes(self.upscale_planes(np.repeat(grey[None], 3, axis=0))))
        return cast(Pixels, self.upscale_planes(luma[None])[0])

    def upscale_planes(self, planes: Pixels) -> Pixels:
        """One run of the model on what it takes itself; nothing is clipped. uint8, or float32 in [0, 1].

        ``[1, H, W]`` luma, ``[3, H, W]`` R, G, B, or ``[window, H, W]``: the luma frames around the one that is
        enlarged, the oldest first; gives ``[1 or 3, s H, s W]``. The states of a recurrent model go on from the
        last call; after ``reset`` they start from zeros. Raises ``BadInputError`` for another number of planes.
        """
        if planes.ndim != 3 or planes.shape[0] != self.spec.planes:
            raise BadInputError(f"{self.spec.name}: found planes {planes.shape}; needed [{self.spec.planes}, H, W]")
        return cast(Pixels, self._enlarged(planes))

    def _enlarged(self, planes: Array, out: Array | None = None) -> Array:
        engine = self._engine_for(planes.dtype)
        height, width = planes.shape[1:]
        tile = self._tile(height, width, engine)
        if tile == (height, width):
            return self._run(engine, planes, out)
        spec, run = self.spec, partial(self._run, engine)
        if tile[1] == width and engine.variant.shapes is None:
            result = self._empty(engine, planes) if out is None else out
            tiles.run_in_bands(planes, result, spec.scale, tile[0], spec.halo_px, run, spec.size_multiple)
            return result
        result = tiles.run_tiled(planes, spec.scale, tile, spec.radius_px or 0, run, spec.size_multiple)
        if out is None:
            return result
        np.copyto(out, result)
        return out

    def _empty(self, engine: Engine, planes: Array) -> Array:
        kind = np.uint8 if planes.dtype == np.uint8 else np.float32
        sides = (self.scale * side for side in planes.shape[1:])
        return np.empty((engine.variant.outputs[0].channels, *sides), kind)

    def _check_out(self, luma: Array, out: Array) -> None:
        needed = luma.shape[0] * self.scale, luma.shape[1] * self.scale
        if luma.ndim != 2 or out.shape != needed or out.dtype != luma.dtype:
            raise BadInputError(f"found out {out.shape} of {out.dtype}; needed {needed} of {luma.dtype}")

    def upscale_video(self, frames: Iterable[Pixels]) -> Iterator[Pixels]:
        """Enlarge frames one by one, in order; each as ``upscale`` takes it.

        A model that looks ahead is given ``spec.lookahead`` more frames before the first result comes. At both ends, at
        scene cuts (``subpixel.scenes`` finds them) and where the frames change their size or type, the first and last
        frame of a clip are repeated, and a recurrent model starts anew.
        """
        self.reset()
        if not self.spec.takes_windows:
            for frame in frames:
                yield self.upscale(frame)
            return
        clips: Clips[_Still] = Clips(self.spec)
        for frame in frames:
            still = _still(frame)
            for window in clips.push(still, still.luma):
                yield self._centre(window)
        for window in clips.flush():
            yield self._centre(window)

    def _centre(self, window: Window[_Still]) -> Any:
        luma = self.upscale_window([still.luma for still in window.frames], window.starts_clip)
        image = window.centre.image
        return luma if image.ndim == 2 else self._coloured(luma, ycbcr_from_rgb(image)[..., 1:], image)

    def stream(self, fps: float, rungs: Sequence[Model] = ()) -> Stream:
        """Frames at a pace: ``push`` gives each by its deadline, two periods after it came, or drops it.

        ``rungs``: faster models of the same factor, which stay the caller's, for when this one would be late; bicubic
        is always below them. Raises ``BadInputError`` for a model of several frames and for a rung of another factor.

        >>> import numpy as np, subpixel
        >>> with subpixel.open("espcn-x2") as model:
        ...     stream = model.stream(fps=5)
        ...     stream.push(np.zeros((36, 64, 3), np.uint8)).shape
        (72, 128, 3)
        """
        models = (*rungs, self)
        for model in models:
            if model.spec.takes_windows or model.scale != self.scale:
                raise BadInputError(
                    f"{model.spec.name} can't be a rung below {self.spec.name}; needed models of one frame and factor"
                )
        return Stream([(BICUBIC, bicubic(self.scale)), *((m.spec.name, m.upscale) for m in models)], fps)

    def upscale_window(self, frames: Sequence[Array], starts_clip: bool) -> Array:
        """The next frame of a clip: the luma planes ``[H, W]`` of its window, the oldest first, to ``[s H, s W]``."""
        if starts_clip:
            self.reset()
        result: Array = self.upscale_planes(np.stack(frames))[0]
        return result

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

    def _run(self, engine: Engine, planes: Array, out: Array | None = None) -> Array:
        """Straight into the result where the library stores it alike, else by way of a tensor of its own."""
        given, wanted = engine.variant.inputs[0], engine.variant.outputs[0]
        padded = _pad(planes, self.spec.size_multiple)
        result = self._empty(engine, planes) if out is None else out
        tensor = held_in(result, wanted) if padded is planes else None
        direct = tensor is not None
        if tensor is None:
            tensor = result_for(self.spec, wanted, {"H": padded.shape[1], "W": padded.shape[2]})
        engine.run({given.name: to_tensor(padded, given)}, {wanted.name: tensor})
        if not direct:
            np.copyto(result, from_tensor(tensor, wanted, result.dtype.type)[:, : result.shape[1], : result.shape[2]])
        return result

    def _tile(self, height: int, width: int, engine: Engine) -> tuple[int, int]:
        """Rows and columns, in LR pixels, of what goes through the engine at once."""
        fixed = engine.variant.shapes
        if fixed is not None:
            return fixed if fixed == (height, width) else _fixed_tile(fixed, height, width, engine)
        if self.tile_px is not None and self.spec.can_tile:
            return self.tile_px, self.tile_px
        if not self.spec.can_tile and height * width > tiles.WHOLE_LIMIT_PX:
            raise BadInputError(
                f"{self.spec.name} can't work in tiles and a {width}x{height} frame is more than it can hold "
                f"({tiles.WHOLE_LIMIT_PX} pixels); use a smaller frame or another model"
            )
        return working_size((height, width), self.spec)

    def _engine_for(self, dtype: np.dtype[np.generic]) -> Engine:
        """uint8 runs on the engine that was opened; float needs the `float` kind, opened at first use."""
        if self._closed:
            raise EngineError(f"the model {self.spec.name} was closed; open it again")
        if dtype == np.uint8 or self._candidate.variant.kind != "u8":
            return self._engine
        with self._opening:
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


@dataclass(frozen=True)
class _Still:
    """A frame of a video and its luma ``[H, W]``, uint8 or float32."""

    image: Array
    luma: Array


def _still(frame: Array) -> _Still:
    _check_image(frame)
    return _Still(frame, frame if frame.ndim == 2 else np.ascontiguousarray(ycbcr_from_rgb(frame)[..., 0]))


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
    if height < fixed[0] or width < fixed[1] or not engine.spec.can_tile:
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
