"""Training patches: random LR/HR pairs cut from a folder of images, the same for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from subpixel.quality.colour import luma
from subpixel.quality.resize import crop_to_multiple, downscale, resize

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
RIM_WEIGHT = 0.1
LARGE_PX = 1000  # a longer side than this is a compressed photograph: halved, which also cleans it

Plane = NDArray[np.float32]
Number = TypeVar("Number", bound=np.generic)


def image_files(roots: Sequence[Path]) -> list[Path]:
    """All image files below ``roots``, in sorted order."""
    return sorted(p for root in roots for p in root.rglob("*") if p.suffix.lower() in SUFFIXES)


def read_luma(path: Path) -> NDArray[np.float64]:
    """Y of an image file as ``[H, W]`` in [0, 1]; a single-channel file is taken as Y as it is (Set14's ``bridge``)."""
    with Image.open(path) as file:
        if file.mode in ("L", "1"):
            return np.asarray(file.convert("L"), dtype=np.float64) / 255.0
        return luma(np.asarray(file.convert("RGB")))


def read_training_luma(path: Path) -> NDArray[np.float64]:
    """As ``read_luma``, large photographs halved."""
    return halved_if_large(read_luma(path))


def halved_if_large(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """``[H, W]`` or ``[H, W, C]``; see ``LARGE_PX``."""
    if max(image.shape) > LARGE_PX:
        image = resize(image, image.shape[0] // 2, image.shape[1] // 2)
    return image


@dataclass(frozen=True)
class Pair:
    """One image: ``lr`` ``[h, w]`` and ``hr`` ``[h s, w s]``, float32 in about [0, 1], unrounded."""

    lr: Plane
    hr: Plane


def load_pairs(
    files: Sequence[Path],
    scale: int,
    smallest_lr_px: int,
    read: Callable[[Path], NDArray[np.float64]] = read_training_luma,
    resized: Sequence[float] = (),
) -> list[Pair]:
    """Read and degrade every file large enough to cut an LR patch from; also at these shares of its size."""
    pairs = []
    for path in files:
        image = read(path)
        for size in (image, *(_at_share(image, share) for share in resized)):
            hr = crop_to_multiple(size, scale)
            if min(hr.shape[:2]) // scale >= smallest_lr_px:
                pairs.append(Pair(downscale(hr, scale).astype(np.float32), hr.astype(np.float32)))
    return pairs


def _at_share(image: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    return resize(image, round(share * image.shape[0]), round(share * image.shape[1])).clip(0, 1)


def _shares(group: Sequence[Pair]) -> NDArray[np.float64]:
    area = np.array([pair.lr.size for pair in group], dtype=np.float64)
    return np.asarray(area / area.sum())


def turn(patch: NDArray[Number], way: int) -> NDArray[Number]:
    """One of the eight symmetries of the square, 0 to 7, of ``[h, w]`` or ``[h, w, C]``."""
    patch = patch.swapaxes(0, 1) if way & 1 else patch
    patch = patch[::-1] if way & 2 else patch
    return patch[:, ::-1] if way & 4 else patch


def rim_weight(height: int, width: int, rim_px: int) -> torch.Tensor:
    """Weights of a loss, ``[height, width]``, mean 1: a tenth where a patch's own border is seen.

    A whole frame is nearly all inside; a patch isn't, and a small net would spend itself on borders.
    """
    weight = torch.full((height, width), RIM_WEIGHT)
    if 2 * rim_px < min(height, width):
        weight[rim_px : height - rim_px, rim_px : width - rim_px] = 1.0
    return weight / weight.mean()


class PatchSource:
    """Random patches. Every group (a ``--data`` folder) is drawn equally often, an image of it in proportion to area.

    So a few clean photographs count as much as many noisy ones. The generator's state is part of a checkpoint.
    """

    def __init__(self, groups: Sequence[Sequence[Pair]], scale: int, patch_px: int, seed: int) -> None:
        self.pairs = [pair for group in groups for pair in group]
        self.scale, self.patch_px = scale, patch_px
        self.share = np.cumsum(np.concatenate([_shares(group) for group in groups if group]))
        self.random = np.random.default_rng(seed)

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` patches: LR ``[N, 1, p, p]`` and HR ``[N, 1, p s, p s]``, float32."""
        cuts = [self._cut() for _ in range(count)]
        lr, hr = (np.stack([c[k] for c in cuts])[:, None] for k in (0, 1))
        return torch.from_numpy(lr), torch.from_numpy(hr)

    def _cut(self) -> tuple[Plane, Plane]:
        which = int(np.searchsorted(self.share, self.random.random() * self.share[-1], side="right"))
        pair = self.pairs[min(which, len(self.pairs) - 1)]
        size, scale = self.patch_px, self.scale
        top = int(self.random.integers(pair.lr.shape[0] - size + 1))
        left = int(self.random.integers(pair.lr.shape[1] - size + 1))
        way = int(self.random.integers(8))
        lr = pair.lr[top : top + size, left : left + size]
        hr = pair.hr[top * scale : (top + size) * scale, left * scale : (left + size) * scale]
        return turn(lr, way), turn(hr, way)


class ScalesSource:
    """Patches of several scales in turn by chance, all of the same HR size: one batch has one scale."""

    def __init__(self, sources: Sequence[PatchSource]) -> None:
        self.sources = sources
        self.random = sources[0].random
        for source in sources:
            source.random = self.random  # one generator, so that its state is the whole state

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` patches of one scale."""
        return self.sources[int(self.random.integers(len(self.sources)))].batch(count)
