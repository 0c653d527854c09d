"""Bicubic enlargement in numpy: always there, the ground everything else is measured against."""

from __future__ import annotations

import time

import numpy as np

from subpixel.engines.base import Probe, Receipt, Request, check_precision, deliver, refuse_or_fall_back
from subpixel.quality.resize import resize_axis
from subpixel.spec import Array, Arrays, ModelSpec, Variant


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
