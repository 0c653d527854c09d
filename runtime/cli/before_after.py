"""One picture that shows what the model does: a detail of a frame by bicubic, by the model, and as it was."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from subpixel.errors import BadInputError, OutputError, faults_as
from subpixel.model import Model
from subpixel.quality.metrics import psnr_db
from subpixel.quality.resize import upscale
from subpixel.quality.ycbcr import ycbcr_from_rgb

Rgb = NDArray[np.uint8]
DETAIL_PX = (220, 260)  # height, width of a panel's detail, shown twice as large
ZOOM = 2
LABEL_PX = 44
GAP_PX = 8
BACKGROUND, INK = (24, 24, 24), (240, 240, 240)


@dataclass(frozen=True)
class Panel:
    """``psnr_db``: luma of the whole frame against the original; ``None`` for the original itself, or without one."""

    name: str
    image: Rgb
    psnr_db: float | None = None

    @property
    def label(self) -> str:
        """What stands above the panel."""
        return self.name if self.psnr_db is None else f"{self.name}  {self.psnr_db:.2f} dB"


def frame_of(clip: Path, number: int) -> Rgb:
    """Frame ``number`` (from 0) of a clip as RGB ``[H, W, 3]``; the last one where the clip is shorter."""
    with faults_as(BadInputError, f"{clip} can't be read"), av.open(str(clip)) as container:
        taken = None
        for index, frame in enumerate(container.decode(video=0)):
            taken = frame
            if index == number:
                break
        if taken is None:
            raise BadInputError(f"{clip} has no video frame; choose another clip")
        return taken.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def panels(model: Model, lr: Rgb, original: Rgb | None) -> tuple[Panel, ...]:
    """Bicubic, the model, and the original where it is known and of the right size."""
    bicubic = np.clip(np.rint(upscale(lr.astype(np.float32), model.scale)), 0, 255).astype(np.uint8)
    made = [("bicubic", bicubic), (model.spec.name, model.upscale(lr))]
    if original is None or original.shape != bicubic.shape:
        return tuple(Panel(name, image) for name, image in made)
    measured = (Panel(name, image, luma_psnr_db(image, original, model.scale)) for name, image in made)
    return (*measured, Panel("original", original))


def luma_psnr_db(image: Rgb, original: Rgb, border: int) -> float:
    """PSNR of the luma without ``border`` pixels at each side, as the field measures it."""
    return psnr_db(ycbcr_from_rgb(image)[..., 0], ycbcr_from_rgb(original)[..., 0], border)


def detail(image: Rgb, height: int, width: int) -> tuple[slice, slice]:
    """The window of this size with the most detail (mean luma gradient), on a grid of half windows."""
    luma = ycbcr_from_rgb(image)[..., 0]
    height, width = min(height, luma.shape[0]), min(width, luma.shape[1])
    gradient = np.abs(np.diff(luma, axis=0, append=luma[-1:])) + np.abs(np.diff(luma, axis=1, append=luma[:, -1:]))
    corners = [
        (top, left)
        for top in range(0, luma.shape[0] - height + 1, max(height // 2, 1))
        for left in range(0, luma.shape[1] - width + 1, max(width // 2, 1))
    ]
    top, left = max(corners, key=lambda at: float(np.sum(gradient[at[0] : at[0] + height, at[1] : at[1] + width])))
    return slice(top, top + height), slice(left, left + width)


def composed(shown: tuple[Panel, ...]) -> Image.Image:
    """The same detail of each panel, side by side, its label above; pixels doubled, not smoothed."""
    rows, columns = detail(shown[-1].image, *DETAIL_PX)
    crops = [Image.fromarray(np.ascontiguousarray(panel.image[rows, columns])) for panel in shown]
    width, height = crops[0].width * ZOOM, crops[0].height * ZOOM
    sheet = Image.new("RGB", (len(shown) * (width + GAP_PX) - GAP_PX, height + LABEL_PX), BACKGROUND)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(size=24)
    for number, (panel, crop) in enumerate(zip(shown, crops, strict=True)):
        left = number * (width + GAP_PX)
        pen.text((left + 10, 6), panel.label, fill=INK, font=font)
        sheet.paste(crop.resize((width, height), Image.Resampling.NEAREST), (left, LABEL_PX))
    return sheet


def save_picture(sheet: Image.Image, out: Path) -> None:
    """As the file's name says (WebP: quality 90). Raises ``OutputError``."""
    with faults_as(OutputError, f"{out} can't be written"):
        sheet.save(out, quality=90)
