"""Training patches in RGB: as ``patches``, for nets that enlarge colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from subpixel.models.patches import Pair, PatchSource, halved_if_large, load_pairs
from subpixel.quality.colour import luma
from subpixel.quality.resize import crop_to_multiple, downscale

LUMA = (65.481 / 255, 128.553 / 255, 24.966 / 255)  # BT.601, studio swing, without the offset


def luma_of(rgb: torch.Tensor) -> torch.Tensor:
    """Y less its offset (16/255) of ``[N, 3, H, W]`` RGB, or of a difference of two: ``[N, 1, H, W]``."""
    weight = torch.tensor(LUMA, dtype=rgb.dtype, device=rgb.device).reshape(1, 3, 1, 1)
    return (rgb * weight).sum(1, keepdim=True)


def read_rgb(path: Path) -> NDArray[np.float64]:
    """An image file as ``[H, W, 3]`` in [0, 1]; grey ones get three equal channels."""
    with Image.open(path) as file:
        return np.asarray(file.convert("RGB"), dtype=np.float64) / 255.0


def load_colour_pairs(
    files: Sequence[Path], scale: int, smallest_lr_px: int, resized: Sequence[float] = ()
) -> list[Pair]:
    """As ``load_pairs``, with ``lr`` ``[h, w, 3]`` and ``hr`` ``[h s, w s, 3]``; large photographs halved."""
    return load_pairs(files, scale, smallest_lr_px, lambda path: halved_if_large(read_rgb(path)), resized)


def colour_pairs(files: Sequence[Path], scale: int) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """To validate on: LR ``[3, h, w]``, unrounded, and the 8-bit Y of HR, ``[h s, w s]``, as ``psnr_of`` takes them."""
    images = [crop_to_multiple(read_rgb(path), scale) for path in files]
    return [(downscale(hr, scale).transpose(2, 0, 1), np.rint(luma(hr) * 255) / 255) for hr in images]


class ColourSource(PatchSource):
    """Random RGB patches; groups are drawn equally often."""

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` patches: LR ``[N, 3, p, p]`` and HR ``[N, 3, p s, p s]``, float32, channels last in memory."""
        cuts = [self._cut() for _ in range(count)]
        lr, hr = (torch.from_numpy(np.stack([c[k] for c in cuts])).permute(0, 3, 1, 2) for k in (0, 1))
        return lr, hr
