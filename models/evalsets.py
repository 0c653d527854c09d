"""The field's evaluation sets, read through ``SUBPIXEL_DATA``, and the LR images of its protocol."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from subpixel.errors import BadInputError, NotFoundError
from subpixel.models.patches import image_files, read_luma
from subpixel.quality.colour import luma
from subpixel.quality.resize import crop_to_multiple, downscale

SETS = {"set5": "Set5", "set14": "Set14", "b100": "B100", "urban100": "Urban100", "vid4": "Vid4"}
DEFAULT_DATA = Path("../shared/data")

Plane = NDArray[np.float64]


@dataclass(frozen=True)
class EvalImage:
    """One image, or one frame: ``hr`` and its unrounded ``lr``, Y in about [0, 1].

    ``lr_rgb``: the unrounded LR image ``[h, w, 3]``, each channel reduced by itself, where it was asked for; of a
    ``grey`` file its one channel three times.
    """

    name: str
    lr: Plane
    hr: Plane
    lr_rgb: Plane | None = None
    grey: bool = False

    @property
    def lr_u8(self) -> NDArray[np.uint8]:
        """The LR image as 8 bit, what a file or a video holds."""
        return as_u8(self.lr)


@dataclass(frozen=True)
class EvalClip:
    """Frames in order of time; a still image is a clip of one."""

    name: str
    frames: tuple[EvalImage, ...]


def as_u8(image: Plane) -> NDArray[np.uint8]:
    """The nearest 8-bit levels of an image in about [0, 1]."""
    return cast("NDArray[np.uint8]", np.clip(np.rint(image * 255), 0, 255).astype(np.uint8))


def data_folder() -> Path:
    """``$SUBPIXEL_DATA``, else ``../shared/data``. Raises ``NotFoundError``."""
    folder = Path(os.environ.get("SUBPIXEL_DATA") or DEFAULT_DATA)
    if not folder.is_dir():
        raise NotFoundError(f"{folder}: no evaluation data there; set SUBPIXEL_DATA to the folder that holds eval/")
    return folder


def set_folder(name: str) -> Path:
    """The folder of a set: ``set5``, ``set14``, ``b100``, ``urban100``, ``vid4``, or any folder of images."""
    if name.lower() in SETS:
        return data_folder() / "eval" / SETS[name.lower()]
    folder = Path(name)
    if not folder.is_dir():
        raise BadInputError(f"no set {name!r}; needed one of {', '.join(SETS)} or a folder of images")
    return folder


def read_clips(name: str, scale: int, rgb: bool = False) -> Iterator[EvalClip]:
    """Every image and clip of a set, degraded; ``rgb``: in RGB too. Raises ``BadInputError`` when there is none."""
    folder = set_folder(name)
    files, clips = image_files([folder]), sorted(folder.glob("*.mkv"))
    if not files and not clips:
        raise BadInputError(f"{folder}: no images in it; needed PNG, JPEG, WebP or BMP files")
    for file in files:
        plane = read_luma(file)
        yield EvalClip(file.stem, (degraded(file.stem, plane, scale, read_rgb(file) if rgb else None),))
    for clip in clips:
        yield EvalClip(clip.stem, tuple(_frames(clip, scale, rgb)))


def _frames(clip: Path, scale: int, rgb: bool) -> Iterator[EvalImage]:
    for index, image in enumerate(clip_images(clip)):
        yield degraded(f"{clip.stem} {index:03d}", luma(image), scale, image / 255.0 if rgb else None)


def read_set(name: str, scale: int) -> Iterator[EvalImage]:
    """Every image of a set, degraded; videos frame by frame. Raises ``BadInputError`` when there is none."""
    for clip in read_clips(name, scale):
        yield from clip.frames


def degraded(name: str, plane: Plane, scale: int, rgb: Plane | None = None) -> EvalImage:
    """Crop to a multiple of the scale and reduce as MATLAB's imresize does; ``rgb``: the image behind the plane.

    Y is rounded to 8 bit first, as MATLAB's rgb2ycbcr gives it for 8-bit images; without that and without rounding the
    result, bicubic comes out 0.03 dB above its published figure on Set5 x2.
    """
    hr = crop_to_multiple(np.rint(plane * 255) / 255, scale)
    if rgb is None:
        return EvalImage(name, downscale(hr, scale), hr)
    if rgb.ndim == 2:
        return EvalImage(name, downscale(hr, scale), hr, np.repeat(downscale(rgb, scale)[..., None], 3, axis=2), True)
    return EvalImage(name, downscale(hr, scale), hr, downscale(rgb, scale))


def read_rgb(path: Path) -> Plane:
    """An image file in [0, 1]: ``[H, W, 3]``, or ``[H, W]`` of a single-channel file (Set14's ``bridge``)."""
    with Image.open(path) as file:
        mode = "L" if file.mode in ("L", "1") else "RGB"
        return np.asarray(file.convert(mode), dtype=np.float64) / 255.0


def clip_images(clip: Path) -> Iterator[NDArray[np.uint8]]:
    """Every frame of a clip as RGB, ``[H, W, 3]``."""
    import av  # only Vid4 needs it

    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            image: NDArray[np.uint8] = np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
            yield image


def clip_lumas(clip: Path) -> Iterator[Plane]:
    """Y of every frame of an RGB clip."""
    return (luma(image) for image in clip_images(clip))
