"""Bicubic enlargement in numpy: always there, the ground everything else is measured against."""

from __future__ import annotations

import time

import numpy as np

from subpixel.engines.base import Probe, Receipt, Request, deliver
from subpixel.errors import DeviceError
from subpixel.quality.resize import resize_axis
from subpixel.spec import Array, Arrays, ModelSpec, Variant


def probe() -> Probe:
    """numpy's version; the CPU."""
    return Probe(np.__version__, ("cpu",))


class BicubicEngine:
    """Keys' bicubic (a = -0.5) with mirrored borders, as MATLAB's ``imresize``."""

    def __init__(self, blobs: tuple[bytes, ...], variant: Variant, spec: ModelSpec, request: Request) -> None:
        started = time.perf_counter()
        if request.device != "cpu" and request.fallback != "cpu":
            raise DeviceError(f"bicubic runs on the CPU only, found device {request.device!r}; leave --device out")
        self.spec, self.variant = spec, variant
        seconds = time.perf_counter() - started
        self.receipt = Receipt(
            "bicubic", "numpy", np.__version__, "numpy", "cpu", "fp32", 1, build_seconds=seconds, variant=variant.id
        )

    def run(self, inputs: Arrays, outputs: Arrays | None = None) -> Arrays:
        """Float is not clipped; u8 is rounded and clipped."""
        frame = inputs[self.variant.inputs[0].name]
        return deliver({self.variant.outputs[0].name: self._enlarge(frame)}, outputs)

    def _enlarge(self, frame: Array) -> Array:
        result = frame.astype(np.float32)
        scale = self.spec.scale
        for name in "HW":
            axis = self.variant.inputs[0].axes.index(name)
            result = resize_axis(result, frame.shape[axis] * scale, scale, axis)
        if frame.dtype == np.uint8:
            return np.clip(np.rint(result), 0, 255).astype(np.uint8)
        return result

    def reset(self) -> None:
        """Nothing is kept between frames."""

    def close(self) -> None:
        """Nothing is held."""
