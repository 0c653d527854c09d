"""The pictures of the page of figures: the same crops by every system, only of images that come with the project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from subpixel.gate_images import GATE_SET
from subpixel.models.evalsets import EvalClip, clip_images, degraded, read_rgb
from subpixel.models.evaluation import Upscaler
from subpixel.models.quality import System
from subpixel.quality.colour import luma
from subpixel.quality.resize import upscale
from subpixel.quality.ycbcr import rgb_from_ycbcr, ycbcr_from_rgb

SCALE = 4
SIDE_PX, MARGIN_PX = 144, 48  # of a crop at HR size, and what is enlarged around it
SHOWN = 2  # pixels of the picture for one of the crop, along each side
COLUMNS, LABEL_PX, GAP_PX = 4, 22, 6
AROUND = 2  # frames of a clip before and after the one shown
QUALITY = 88  # of WebP

Image8 = NDArray[np.uint8]


@dataclass(frozen=True)
class Crop:
    """A square of an image that comes with the project; of a clip, of frame ``frame`` with its neighbours."""

    name: str
    file: Path
    top: int
    left: int
    frame: int | None = None

    def clip(self) -> EvalClip:
        """The square with its margin, and with the frames around it, degraded in RGB."""
        size = SIDE_PX + 2 * MARGIN_PX
        rows, columns = (slice(at - MARGIN_PX, at - MARGIN_PX + size) for at in (self.top, self.left))
        images = [image[rows, columns] for image in self.images()]
        named = enumerate(images)
        return EvalClip(self.name, tuple(degraded(f"{self.name} {at:03d}", luma(i), SCALE, i) for at, i in named))

    def images(self) -> Iterator[NDArray[np.float64]]:
        """Whole: the one of a still; of a clip the frames around the one shown."""
        if self.frame is None:
            yield read_rgb(self.file)
            return
        for image in islice(clip_images(self.file), self.frame - AROUND, self.frame + AROUND + 1):
            yield image / 255.0


def crops(samples: Path) -> tuple[Crop, ...]:
    """Of the gate set in the package, and of the clips in ``samples``, where they are."""
    found = (
        Crop("fig", GATE_SET / "gate_fig_720x480.webp", 190, 400),
        Crop("seeding", GATE_SET / "gate_seeding_720x480.webp", 288, 400),
        Crop("picos", GATE_SET / "gate_picos_720x480.webp", 240, 288),
        Crop("stream", samples / "stream_640x360.mp4", 108, 248, 40),
        Crop("bunny", samples / "bunny_424x240.mp4", 48, 140, 60),
    )
    return tuple(crop for crop in found if crop.file.is_file())


def draw(crop: Crop, systems: Sequence[System], file: Path) -> None:
    """One picture: the original, then the crop by every system, each with its name below."""
    clip = crop.clip()
    middle = len(clip.frames) // 2
    tiles = [("original", inner(_original(crop)))]
    for system in systems:
        tiles.append((system.name, inner(coloured(system.build(), clip, middle))))
    sheet(tiles).save(file, "WEBP", quality=QUALITY, method=6)


def _original(crop: Crop) -> Image8:
    size = SIDE_PX + 2 * MARGIN_PX
    images = list(crop.images())
    whole = images[len(images) // 2]
    piece = whole[crop.top - MARGIN_PX :, crop.left - MARGIN_PX :][:size, :size]
    return np.asarray(np.rint(piece * 255), dtype=np.uint8)


def coloured(upscaler: Upscaler, clip: EvalClip, shown: int) -> Image8:
    """A frame of the result in RGB; a luma system's colours are bicubic."""
    lr = [frame.lr_rgb for frame in clip.frames if frame.lr_rgb is not None]
    given = lr if upscaler.colour == "rgb" else [frame.lr for frame in clip.frames]
    results = upscaler.exact([image.astype(np.float32) for image in given])
    assert results is not None
    result = next(islice(results, shown, None))
    if result.ndim == 3:
        return np.asarray(np.rint(result.clip(0, 1) * 255), dtype=np.uint8)
    chroma = upscale(ycbcr_from_rgb(lr[shown])[..., 1:], SCALE)
    whole = np.concatenate([result[..., None], chroma], axis=2).astype(np.float32)
    return np.asarray(rgb_from_ycbcr(whole, np.uint8), dtype=np.uint8)


def inner(image: Image8) -> Image8:
    """Without the margin."""
    return image[MARGIN_PX : MARGIN_PX + SIDE_PX, MARGIN_PX : MARGIN_PX + SIDE_PX]


def sheet(tiles: Sequence[tuple[str, Image8]]) -> Image.Image:
    """Tiles in rows of ``COLUMNS``, their names below; every pixel of a crop is a square of ``SHOWN``."""
    side = SIDE_PX * SHOWN
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    size = columns * (side + GAP_PX) + GAP_PX, rows * (side + LABEL_PX + GAP_PX) + GAP_PX
    whole = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(whole), ImageFont.load_default(size=15)
    for at, (name, tile) in enumerate(tiles):
        left = GAP_PX + at % columns * (side + GAP_PX)
        top = GAP_PX + at // columns * (side + LABEL_PX + GAP_PX)
        whole.paste(Image.fromarray(tile).resize((side, side), Image.Resampling.NEAREST), (left, top))
        pen.text((left + 2, top + side + 1), name, fill="black", font=font)
    return whole
