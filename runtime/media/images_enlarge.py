"""Pixels of a picture, enlarged: luma (or all colours) by the model, the rest bicubic; large pictures in tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from subpixel import tiles
from subpixel.model import Model
from subpixel.quality.resize import resize, upscale
from subpixel.quality.ycbcr import rgb_from_ycbcr, ycbcr_from_rgb

Pixels = NDArray[Any]
Plane = NDArray[np.float32]
BICUBIC_HALO_PX = 3
STUDIO_BLACK, STUDIO_RANGE = 16 / 255, 219 / 255  # BT.601: full-range grey on the scale of the model's luma


def enlarge_colour(model: Model, colour: Pixels, size: tuple[int, int]) -> Pixels:
    """``[H, W, 1 or 3]`` uint8 or uint16, full range, by the model and then to exactly ``size`` (W, H) if that differs.

    uint16 runs on the model's float variant. uint8 does too, but for an int8 model, which gets 8-bit luma.
    """
    if size == (colour.shape[1] * model.scale, colour.shape[0] * model.scale):
        return _by_model(model, colour, colour.dtype)
    fine = _by_model(model, colour, np.dtype(np.uint16))  # rounded to the picture's own bits only once, at the end
    return bicubic(fine, size, colour.dtype)


def runs_in_eight_bits(model: Model, dtype: np.dtype[Any]) -> bool:
    """Whether the model gets luma in whole levels: only when somebody asked for int8 and the picture has 8 bits."""
    return dtype == np.uint8 and model.receipt.precision == "int8"


def bicubic(pixels: Pixels, size: tuple[int, int], dtype: np.dtype[Any] | None = None) -> Pixels:
    """``[H, W]`` or ``[H, W, C]`` of any unsigned type to exactly ``size`` (W, H), channel by channel."""
    wanted = dtype or pixels.dtype
    width, height = size
    planes = pixels[..., None] if pixels.ndim == 2 else pixels
    result = np.empty((height, width, planes.shape[2]), wanted)
    for channel in range(planes.shape[2]):
        result[..., channel] = _stored(resize(_real(planes[..., channel]), height, width), wanted)
    return result[..., 0] if pixels.ndim == 2 else result


def _by_model(model: Model, colour: Pixels, dtype: np.dtype[Any]) -> Pixels:
    """In one piece, or in tiles whose halo covers the model and the bicubic chroma."""
    height, width, channels = colour.shape
    radius = model.spec.radius_px
    if height * width <= tiles.WHOLE_LIMIT_PX or radius is None or not model.spec.can_tile:
        return _stored(_piece(model, colour), dtype)
    scale, halo = model.scale, max(radius, BICUBIC_HALO_PX)
    result = np.empty((height * scale, width * scale, channels), dtype)
    for row, column in tiles.windows(height, width, (_tile_px(halo),) * 2, halo, model.spec.size_multiple):
        piece = _piece(model, colour[row.start : row.stop, column.start : column.stop])
        result[row.output(scale), column.output(scale)] = _stored(piece[row.kept(scale), column.kept(scale)], dtype)
    return result


def _tile_px(halo: int) -> int:
    return tiles.TILE_PX + 2 * halo


def _piece(model: Model, colour: Pixels) -> Plane:
    eight_bit = runs_in_eight_bits(model, colour.dtype)
    real = _real(colour)
    if colour.shape[2] == 1:
        luma = _luma(model, real[..., 0] * np.float32(STUDIO_RANGE) + np.float32(STUDIO_BLACK), eight_bit)
        grey: Plane = ((luma - np.float32(STUDIO_BLACK)) / np.float32(STUDIO_RANGE))[..., None]
        return grey
    if model.spec.colour == "rgb":
        return _all_colours(model, colour if eight_bit else real)
    ycbcr = ycbcr_from_rgb(real)
    luma = _luma(model, np.ascontiguousarray(ycbcr[..., 0]), eight_bit)
    chroma = upscale(ycbcr[..., 1:], model.scale)
    rgb: Plane = rgb_from_ycbcr(np.concatenate([luma[..., None], chroma], axis=2), np.float32)
    return rgb


def _all_colours(model: Model, colour: Pixels) -> Plane:
    planes: Pixels = model.upscale_planes(np.ascontiguousarray(np.moveaxis(colour, 2, 0)))
    rgb: Plane = np.moveaxis(planes if planes.dtype == np.float32 else _real(planes), 0, 2)
    return rgb


def _luma(model: Model, luma: Plane, eight_bit: bool) -> Plane:
    if not eight_bit:
        return model.upscale_luma(luma)
    levels = model.upscale_luma(np.rint(luma * np.float32(255)).astype(np.uint8))
    return _real(levels)


def _real(pixels: Pixels) -> Plane:
    real: Plane = pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    return real


def _stored(real: Pixels, dtype: np.dtype[Any]) -> Pixels:
    peak = np.iinfo(dtype).max
    return np.clip(np.rint(real * np.float32(peak)), 0, peak).astype(dtype)


def fill_hidden(colour: Pixels, alpha: Pixels) -> Pixels:
    """``colour`` with what can't be seen (alpha 0) taken from what can, weighted by alpha, nearest first.

    Editors leave anything there, and interpolation would let it bleed into the visible edge.
    """
    if alpha.min() > 0 or alpha.max() == 0:
        return colour
    weight = _real(alpha)[..., None]
    spread = _stored(_spread(_real(colour) * weight, weight), colour.dtype)
    return np.where(alpha[..., None] > 0, colour, spread)


def _spread(total: Plane, weight: Plane) -> Plane:
    """Mean colours; where the weight is 0, those of ever larger neighbourhoods."""
    seen = weight > 0
    mean: Plane = (total / np.where(seen, weight, 1)).astype(np.float32, copy=False)
    if seen.all() or max(weight.shape) == 1:
        return mean
    coarse = _spread(_halved(total), _halved(weight))
    height, width = weight.shape[:2]
    return np.where(seen, mean, coarse.repeat(2, axis=0).repeat(2, axis=1)[:height, :width])


def _halved(planes: Plane) -> Plane:
    """Sums of 2x2 pixels; an odd side is filled up with zeros."""
    height, width, channels = planes.shape
    even = np.pad(planes, ((0, height % 2), (0, width % 2), (0, 0)))
    sums: Plane = even.reshape((height + 1) // 2, 2, (width + 1) // 2, 2, channels).sum(axis=(1, 3))
    return sums
