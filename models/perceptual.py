"""Losses beside the pixel error: Charbonnier's, perceptual, texture by patches. EnhanceNet, section 4; SRPGAN."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from subpixel.models.features import Features

CHARBONNIER_EPS = 1e-3
TEXTURE_PATCH_PX = 16  # of the image; EnhanceNet found 16 best: texture is compared where it is
TINY = 1e-8


def charbonnier(result: torch.Tensor, wanted: torch.Tensor, eps: float = CHARBONNIER_EPS) -> torch.Tensor:
    """Mean of ``sqrt(d^2 + eps^2)``: an absolute error that is smooth at 0. Charbonnier et al. 1994."""
    return torch.sqrt((result - wanted).square() + eps * eps).mean()


def gram(maps: torch.Tensor, patch: int) -> torch.Tensor:
    """Gram matrices of the feature vectors in every ``patch`` x ``patch`` square, divided by its pixels.

    ``maps``: ``[N, C, h, w]``; gives ``[N * patches, C, C]``. What doesn't fill a square is left out; a map smaller
    than a square is one square.
    """
    high, wide = (min(patch, side) for side in maps.shape[2:])
    rows, columns = maps.shape[2] // high, maps.shape[3] // wide
    number, channels = maps.shape[:2]
    squares = maps[:, :, : rows * high, : columns * wide].reshape(number, channels, rows, high, columns, wide)
    vectors = squares.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, high * wide)
    return vectors @ vectors.transpose(1, 2) / (high * wide)


def perceptual_loss(result: Features, wanted: Features) -> torch.Tensor:
    """Mean squared difference of the content maps, each in units of ``wanted``'s mean square, so none outweighs."""
    return relative_error(result.content, wanted.content)


def texture_loss(result: Features, wanted: Features, image_px: int) -> torch.Tensor:
    """The same of patch-wise Gram matrices. ``image_px``: width of the images, which tells a map's stride."""
    grams = []
    for maps in (result.texture, wanted.texture):
        grams.append([gram(m, max(1, TEXTURE_PATCH_PX * m.shape[3] // image_px)) for m in maps])
    return relative_error(*grams)


def relative_error(result: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor]) -> torch.Tensor:
    """Mean over the pairs of ``mean((a - b)^2) / mean(b^2)``."""
    parts = []
    for a, b in zip(result, wanted, strict=True):
        truth = b.detach().float()
        parts.append((a.float() - truth).square().mean() / (truth.square().mean() + TINY))
    return torch.stack(parts).mean()


def feature_matching(result: Sequence[torch.Tensor], wanted: Sequence[torch.Tensor]) -> torch.Tensor:
    """SRPGAN's perceptual loss: Charbonnier's difference of the discriminator's maps of both images.

    In units of the mean size of ``wanted``'s, without which a discriminator that grows its maps would grow the loss.
    """
    parts = []
    for a, b in zip(result, wanted, strict=True):
        truth = b.detach().float()
        parts.append(charbonnier(a.float(), truth) / (truth.abs().mean() + TINY))
    return torch.stack(parts).mean()
