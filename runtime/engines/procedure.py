"""The classical methods of ``subpixel.classical`` as an engine: numpy, on the CPU."""

from __future__ import annotations

import json
import time

import numpy as np

from subpixel.classical.methods import Method, method
from subpixel.engines.base import Probe, Receipt, Request, check_precision, deliver, refuse_or_fall_back
from subpixel.errors import EngineError, faults_as
from subpixel.spec import Array, Arrays, ModelSpec, Variant


def probe() -> Probe:
    """numpy's version; the CPU."""
    return Probe(np.__version__, ("cpu",))


class ProcedureEngine:
    """Runs the method that the variant's file names. The receipt's detail says which."""

    def __init__(self, blobs: tuple[bytes, ...], variant: Variant, spec: ModelSpec, request: Request) -> None:
        started = time.perf_counter()
        self.spec, self.variant = spec, variant
        fallback = None if request.device == "cpu" else refuse_or_fall_back(request, "numpy runs on the CPU only")
        check_precision("fp32", "numpy", variant, request)
        with faults_as(EngineError, f"{spec.name}: {variant.id} names no classical method"):
            row = method(json.loads(blobs[0])["procedure"])
        _check_contract(row, variant, spec)
        self._enlarge = row.build(spec.scale)
        self.receipt = Receipt(
            engine="procedure",
            library="numpy",
            version=np.__version__,
            provider="numpy",
            device="cpu",
            precision="fp32",
            threads=1,
            build_seconds=time.perf_counter() - started,
            variant=variant.id,
            fallback=fallback,
            detail=row.name,
        )

    def run(self, inputs: Arrays, outputs: Arrays | None = None) -> Arrays:
        """Float is not clipped; u8 is rounded and clipped."""
        frames = inputs["lr"]
        if self.spec.window == 1:
            frames = frames[:, 0, None]
        return deliver({"sr": np.stack([self._plane(window) for window in frames])[:, None]}, outputs)

    def _plane(self, window: Array) -> Array:
        """``[T, H, W]`` of the variant's type to ``[s H, s W]`` of the same type."""
        if window.dtype != np.uint8:
            return self._enlarge(window)
        levels = self._enlarge(window.astype(np.float32) / np.float32(255)) * np.float32(255)
        return np.clip(np.rint(levels), 0, 255).astype(np.uint8)

    def reset(self) -> None:
        """Nothing is kept between frames."""

    def close(self) -> None:
        """Nothing is held."""


def _check_contract(row: Method, variant: Variant, spec: ModelSpec) -> None:
    """A manifest that says something else than the method does is refused. Raises ``EngineError``."""
    given, wanted = row.tensors(variant.kind)
    said = (variant.inputs, variant.outputs, spec.window, spec.lookahead)
    if said != ((given,), (wanted,), row.window, row.lookahead):
        raise EngineError(f"{spec.name}: {variant.id} has other tensors than {row.name} takes; use the built-in one")
