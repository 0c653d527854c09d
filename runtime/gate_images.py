"""The images the gates are measured on: the gate set that comes with the package, or a folder of the user's."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from subpixel.errors import BadInputError, NotFoundError, faults_as
from subpixel.quality.colour import luma
from subpixel.quality.gate_measure import Frame, Plane
from subpixel.quality.resize import crop_to_multiple, downscale
from subpixel.spec import Colour

GATE_SET = Path(__file__).parent / "gate_set"
SUFFIXES = {".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}
SIZES = ((33, 47), (40, 80), (90, 45), (5, 3), (64, 64))  # height, width; odd, 1:2, 2:1, tiny; no size of an export
SEED = 1609


def read_luma(file: Path) -> NDArray[np.float64]:
    """Y of an image file, ``[H, W]`` in [0, 1]; a grey file is taken as Y as it is. Raises ``BadInputError``."""
    with faults_as(BadInputError, f"{file.name} can't be read as an image"), Image.open(file) as image:
        if image.mode in ("1", "L"):
            grey: NDArray[np.float64] = np.asarray(image.convert("L"), np.float64) / 255
            return grey
        return luma(np.asarray(image.convert("RGB")))


def read_rgb(file: Path) -> NDArray[np.float64]:
    """R, G, B of an image file, ``[H, W, 3]`` in [0, 1]. Raises ``BadInputError``."""
    with faults_as(BadInputError, f"{file.name} can't be read as an image"), Image.open(file) as image:
        rgb: NDArray[np.float64] = np.asarray(image.convert("RGB"), np.float64) / 255
        return rgb


READERS = {"y": read_luma, "rgb": read_rgb}


def degraded(name: str, hr: NDArray[np.float64], scale: int) -> Frame:
    """The field's 8-bit LR of an HR plane: MATLAB's bicubic, rounded, clipped."""
    whole = crop_to_multiple(hr, scale)
    lr = np.clip(np.rint(downscale(whole, scale) * 255), 0, 255) / 255
    return Frame(name, lr.astype(np.float32), whole)


@lru_cache(maxsize=8)
def gate_frames(scale: int, colour: Colour = "y") -> tuple[Frame, ...]:
    """The shipped gate set at one scale, as luma ``[h, w]`` or RGB ``[h, w, 3]``."""
    return folder_frames(GATE_SET, scale, colour)


def folder_frames(folder: Path, scale: int, colour: Colour = "y") -> tuple[Frame, ...]:
    """Every image of a folder as HR, in sorted order. Raises ``NotFoundError`` when there are none."""
    files = sorted(f for f in folder.glob("*") if f.suffix.lower() in SUFFIXES) if folder.is_dir() else []
    if not files:
        raise NotFoundError(f"{folder}: no images there; needed a folder of {', '.join(sorted(SUFFIXES))}")
    return tuple(degraded(file.stem, READERS[colour](file), scale) for file in files)


def parity_frames(scale: int, at_least: tuple[int, int], eight_bit: bool, colour: Colour = "y") -> list[Frame]:
    """Seeded noise and a piece of a real picture at each size; ``at_least``: a fixed size that a frame must hold."""
    frames = []
    for at, (height, width) in enumerate(SIZES):
        size = (height + at_least[0], width + at_least[1])
        noise = np.random.default_rng((SEED, at)).random(size if colour == "y" else (*size, 3), np.float32)
        picture = gate_frames(scale, colour)[at % len(gate_frames(scale))].lr
        for content, plane in (("noise", noise), ("picture", _piece(picture, size))):
            frames.append(Frame(f"{size[1]}x{size[0]} {content}", on_levels(plane) if eight_bit else plane))
    return frames


def _piece(picture: Plane, size: tuple[int, int]) -> Plane:
    """From the middle of a picture, continued mirrored where it is smaller."""
    short = [(0, max(0, want - have)) for want, have in zip(size, picture.shape[:2], strict=True)]
    grown = np.pad(picture, short + [(0, 0)] * (picture.ndim - 2), "symmetric")
    top, left = ((have - want) // 2 for want, have in zip(size, grown.shape[:2], strict=True))
    return grown[top : top + size[0], left : left + size[1]]


def on_levels(plane: Plane) -> Plane:
    """The nearest 8-bit levels."""
    levels: Plane = (np.rint(plane * np.float32(255)) / np.float32(255)).astype(np.float32)
    return levels
