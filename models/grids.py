"""Pictures of a training as it goes: the shipped gate images, enlarged, beside bicubic and the original."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from subpixel.gate_images import GATE_SET
from subpixel.models.colour_patches import read_rgb
from subpixel.models.patches import image_files
from subpixel.quality.resize import downscale, upscale

CROP_PX = 160  # of the original
GAP_PX = 4
Picture = NDArray[np.float64]


@lru_cache(maxsize=4)
def crops(scale: int) -> tuple[tuple[Picture, Picture], ...]:
    """LR ``[h, w, 3]`` and HR of the middle of every gate image; LR as 8 bit, what a file holds."""
    side = CROP_PX // scale * scale
    pairs = []
    for file in image_files([GATE_SET]):
        image = read_rgb(file)
        top, left = ((n - side) // 2 for n in image.shape[:2])
        hr = image[top : top + side, left : left + side]
        pairs.append((np.rint(downscale(hr, scale).clip(0, 1) * 255) / 255, hr))
    return tuple(pairs)


def write_grid(net: nn.Module, scale: int, path: Path) -> None:
    """A PNG with a row for each gate image: bicubic, ``net`` (RGB), the original."""
    rows = [
        _beside([upscale(lr, scale), _enlarged(net, lr), hr], axis=1)
        for lr, hr in crops(scale)
    ]  # fmt: skip
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = np.rint(_beside(rows, axis=0).clip(0, 1) * 255).astype(np.uint8)
    Image.fromarray(levels).save(path)


def _enlarged(net: nn.Module, lr: Picture) -> Picture:
    device = next(net.parameters()).device
    given = torch.from_numpy(lr.transpose(2, 0, 1)[None].astype(np.float32)).to(device)
    with torch.no_grad():
        result: Picture = net(given)[0].cpu().numpy().transpose(1, 2, 0).astype(np.float64)
    return result


def _beside(pictures: list[Picture], axis: int) -> Picture:
    shape = list(pictures[0].shape)
    shape[axis] = GAP_PX
    gap = np.ones(shape)
    parts = [part for picture in pictures for part in (picture, gap)]
    return np.concatenate(parts[:-1], axis=axis)
