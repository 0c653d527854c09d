"""Bicubic enlargement in numpy: always there, the ground everything else is measured against.

What ``quality.resize`` gives, to the bit: the same weights and sums in the same order. But by a whole factor all output
samples of one phase have the same taps, so they are weighted sums of the plane shifted, and nothing is looked up.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from subpixel.engines.base import Probe, Receipt, Request, check_precision, refuse_or_fall_back
from subpixel.engines.states import result_for
from subpixel.quality.resize import mirror, unbounded_taps
from subpixel.spec import Array, Arrays, ModelSpec, Variant

REACH = 2  # source samples on each side of an output sample
STRIP = 32  # source rows at a time, so that what is added up stays in the cache
Shifts: TypeAlias = "tuple[tuple[int, NDArray[np.float32]], ...]"


def probe() -> Probe:
    """numpy's version; the CPU."""
    return Probe(np.__version__, ("cpu",))


class BicubicEngine:
    """Keys' bicubic (a = -0.5) with mirrored borders, as MATLAB's ``imresize``."""

    def __init__(self, blobs: tuple[bytes, ...], variant: Variant, spec: ModelSpec, request: Request) -> None:
        started = time.perf_counter()
        self.spec, self.variant = spec, variant
        fallback = None if request.device == "cpu" else refuse_or_fall_back(request, "bicubic runs on the CPU only")
        check_precision("fp32", "bicubic", variant, request)
        self.receipt = Receipt(
            engine="bicubic",
            library="numpy",
            version=np.__version__,
            provider="numpy",
            device="cpu",
            precision="fp32",
            threads=1,
            build_seconds=time.perf_counter() - started,
            variant=variant.id,
            fallback=fallback,
        )

    def run(self, inputs: Arrays, outputs: Arrays | None = None) -> Arrays:
        """Float is not clipped; u8 is rounded and clipped."""
        given, wanted = self.variant.inputs[0], self.variant.outputs[0]
        frame = inputs[given.name]
        if outputs is None:
            size = dict(zip(given.axes, frame.shape, strict=True))
            outputs = {wanted.name: result_for(self.spec, wanted, size)}
        planes, larger = _planes(frame, given.axes), _planes(outputs[wanted.name], wanted.axes)
        for place in np.ndindex(planes.shape[:-2]):
            enlarge(planes[place], self.spec.scale, larger[place])
        return outputs

    def reset(self) -> None:
        """Nothing is kept between frames."""

    def close(self) -> None:
        """Nothing is held."""


def _planes(tensor: Array, axes: str) -> Array:
    """A view ``[..., H, W]``."""
    return np.moveaxis(tensor, (axes.index("H"), axes.index("W")), (-2, -1))


def enlarge(plane: Array, scale: int, out: Array) -> None:
    """``plane`` ``[H, W]`` of uint8 or float32 into ``out`` ``[s H, s W]`` of the same type, rounded if it is uint8."""
    height, width = plane.shape
    rows, columns = phases(height, scale), phases(width, scale)
    source = plane[mirror(np.arange(-REACH, height + REACH), height)].astype(np.float32)
    beyond = mirror(np.arange(-REACH, width + REACH), width) + REACH
    tall = np.empty((min(STRIP, height) * scale, width + 2 * REACH), np.float32)
    spare, total = np.empty((2, len(tall), width), np.float32)
    for top in range(0, height, STRIP):
        count = min(STRIP, height - top)
        strip, lines = tall[: count * scale], slice(0, count * scale)
        for phase, shifts in enumerate(rows):
            _sum(source, shifts, top, strip[phase::scale, REACH:-REACH], spare[:count])
        strip[:, :REACH], strip[:, -REACH:] = strip[:, beyond[:REACH]], strip[:, beyond[-REACH:]]
        for phase, shifts in enumerate(columns):
            _sum(strip.T, shifts, 0, total[lines].T, spare[lines].T)
            out[top * scale : (top + count) * scale, phase::scale] = _stored(total[lines], out)


def _sum(source: Array, shifts: Shifts, first: int, total: Array, spare: Array) -> None:
    """Along axis 0, output samples ``first`` and following of one phase: the source shifted, weighted, added up."""
    last = first + len(total)
    for number, (shift, weight) in enumerate(shifts):
        part = spare if number else total
        np.multiply(source[first + shift : last + shift], weight[first:last], out=part)
        if number:
            total += part


def _stored(total: Array, out: Array) -> Array:
    """In place, as ``out`` has it."""
    if out.dtype == np.uint8:
        np.rint(total, out=total)
        np.clip(total, 0, 255, out=total)
    return total


@lru_cache(maxsize=64)
def phases(length: int, scale: int) -> tuple[Shifts, ...]:
    """For the output samples ``phase``, ``phase + scale`` ...: by how much a source with its border is shifted.

    With each shift the weights ``[length, 1]``; those of one phase differ in their last bit at most.
    """
    index, weight = unbounded_taps(length * scale, float(scale))
    weights = weight.astype(np.float32)[..., None]
    return tuple(
        tuple(
            (int(index[phase, tap]) + REACH, np.ascontiguousarray(weights[phase::scale, tap]))
            for tap in range(index.shape[1])
            if np.any(weights[phase::scale, tap])
        )
        for phase in range(scale)
    )
