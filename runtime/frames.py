"""Planes to tensors and back: the one place where kinds, layouts and quantisation of a variant meet pixels."""

from __future__ import annotations

import numpy as np

from subpixel.errors import BundleError
from subpixel.spec import Array, TensorSpec

PLANES = "NCHW"


def to_tensor(planes: Array, spec: TensorSpec) -> Array:
    """``planes`` ``[C, H, W]``, uint8 (0..255) or float32 ([0, 1]), as a tensor of batch 1; a view if it can be.

    For a tensor of several luma frames (axis ``T``) they are these frames, ``[T, H, W]``, the oldest first.
    """
    tensor = np.transpose(planes[None], _order(PLANES, spec.axes, spec))
    return np.ascontiguousarray(_encode(tensor, spec))


def from_tensor(tensor: Array, spec: TensorSpec, dtype: type[np.uint8] | type[np.float32]) -> Array:
    """The planes ``[C, H, W]`` of a tensor of batch 1, as uint8 (rounded, clipped) or float32; may be a view."""
    return _decode(np.transpose(tensor, _order(spec.axes, PLANES, spec))[0], spec, dtype)


def held_in(planes: Array, spec: TensorSpec) -> Array | None:
    """The memory of ``planes`` ``[C, H, W]`` as the tensor of batch 1 whose values it would hold unchanged.

    ``None`` where they are stored in another way.
    """
    top = 255 if spec.dtype == "uint8" else 1
    if planes.dtype != spec.dtype or spec.quantisation is not None or (spec.low, spec.high) != (0, top):
        return None
    return np.transpose(planes[None], _order(PLANES, spec.axes, spec))


def _order(come: str, go: str, spec: TensorSpec) -> tuple[int, ...]:
    come, go = (axes if "C" in axes else axes.replace("T", "C") for axes in (come, go))
    if sorted(come) != sorted(go):
        raise BundleError(f"tensor {spec.name!r} has the axes {spec.axes}; needed N, H, W, and C or T")
    return tuple(come.index(axis) for axis in go)


def _encode(pixels: Array, spec: TensorSpec) -> Array:
    if spec.dtype == "uint8":
        return pixels if pixels.dtype == np.uint8 else _to_u8(pixels * np.float32(255))
    real = pixels.astype(np.float32) / np.float32(255) if pixels.dtype == np.uint8 else pixels.astype(np.float32)
    if (spec.low, spec.high) != (0, 1):
        real = real * np.float32(spec.high - spec.low) + np.float32(spec.low)
    if spec.quantisation is None:
        return real.astype(spec.dtype, copy=False)
    limits = np.iinfo(spec.dtype)
    stored = np.rint(real / np.float32(spec.quantisation.scale)) + spec.quantisation.zero_point
    clipped: Array = np.clip(stored, limits.min, limits.max).astype(spec.dtype)
    return clipped


def _decode(values: Array, spec: TensorSpec, dtype: type[np.uint8] | type[np.float32]) -> Array:
    if spec.dtype == "uint8":
        return values if dtype is np.uint8 else values.astype(np.float32) / np.float32(255)
    real = values.astype(np.float32, copy=False)
    if spec.quantisation is not None:
        real = (real - np.float32(spec.quantisation.zero_point)) * np.float32(spec.quantisation.scale)
    if (spec.low, spec.high) != (0, 1):
        real = (real - np.float32(spec.low)) / np.float32(spec.high - spec.low)
    return _to_u8(real * np.float32(255)) if dtype is np.uint8 else real


def _to_u8(levels: Array) -> Array:
    return np.clip(np.rint(levels), 0, 255).astype(np.uint8)
