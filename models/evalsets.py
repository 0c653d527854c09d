"""The field's evaluation sets, read through ``SUBPIXEL_DATA``, and the LR images of its protocol."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from subpixel.errors import BadInputError, NotFoundError
from subpixel.models.patches import image_files, read_luma
from subpixel.quality.colour import luma
from subpixel.quality.resize import crop_to_multiple, downscale

SETS = {"set5": "Set5", "set14": "Set14", "b100": "B100", "urban100": "Urban100", "vid4": "Vid4"}
DEFAULT_DATA = Path("../shared/data")

Plane = NDArray[np.float64]


@dataclass(frozen=True)
class EvalImage:
    """One image, or one frame: ``hr`` and its unrounded ``lr``, Y in about [0, 1]."""

    name: str
    lr: Plane
    hr: Plane

    @property
    def lr_u8(self) -> NDArray[np.uint8]:
        """The LR image as 8 bit, what a file or a video holds."""
        return cast("NDArray[np.uint8]", np.clip(np.rint(self.lr * 255), 0, 255).astype(np.uint8))


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


def read_set(name: str, scale: int) -> Iterator[EvalImage]:
    """Every image of a set, degraded; videos frame by frame. Raises ``BadInputError`` when there is none."""
    folder = set_folder(name)
    found = False
    for file in image_files([folder]):
        found = True
        yield degraded(file.stem, read_luma(file), scale)
    for clip in sorted(folder.glob("*.mkv")):
        found = True
        for index, plane in enumerate(clip_lumas(clip)):
            yield degraded(f"{clip.stem} {index:03d}", plane, scale)
    if not found:
        raise BadInputError(f"{folder}: no images in it; needed PNG, JPEG, WebP or BMP files")


def degraded(name: str, plane: Plane, scale: int) -> EvalImage:
    """Crop to a multiple of the scale and reduce as MATLAB's imresize does.

    Y is rounded to 8 bit first, as MATLAB's rgb2ycbcr gives it for 8-bit images; without that and without rounding the
    result, bicubic comes out 0.03 dB above its published figure on Set5 x2.
    """
    hr = crop_to_multiple(np.rint(plane * 255) / 255, scale)
    return EvalImage(name, downscale(hr, scale), hr)


def clip_lumas(clip: Path) -> Iterator[Plane]:
    """Y of every frame of an RGB clip."""
    import av  # only Vid4 needs it

    with av.open(str(clip)) as container:
        for frame in container.decode(video=0):
            yield luma(frame.to_ndarray(format="rgb24"))
