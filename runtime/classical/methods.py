"""The table of the classical methods: a new one is one function or class, and one row here."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from subpixel.errors import NotFoundError
from subpixel.spec import Array, Kind, TensorSpec, luma_frame

TARGET = "classical"
Enlarge = Callable[[Array], Array]
"""Frames ``[T, H, W]`` float32 in [0, 1] (``T``: the method's window) to a plane ``[s H, s W]`` float32, unclipped."""


@dataclass(frozen=True)
class Method:
    """``radius_px``: how far an LR pixel reaches (what changes less than float32 holds is not counted), ``None``:
    unbounded; ``source``: the paper.

    ``module``, ``factory``: what makes the ``Enlarge`` of a scale, imported when it is opened; ``options``: what the
    factory takes beside the scale. ``window`` and ``lookahead`` as in ``ModelSpec``.
    """

    name: str
    scales: range
    radius_px: int | None
    source: str
    module: str
    factory: str
    options: tuple[str, ...] = ()
    window: int = 1
    lookahead: int = 0

    def build(self, scale: int) -> Enlarge:
        """Raises ``NotFoundError`` for a scale it hasn't, ``MissingPackageError`` without its optional package."""
        if scale not in self.scales:
            last = self.scales.stop - 1
            raise NotFoundError(f"{self.name} enlarges by {self.scales.start} to {last}, found a scale of {scale}")
        make: Callable[..., Enlarge] = getattr(importlib.import_module(self.module), self.factory)
        return make(scale, *self.options)

    def tensors(self, kind: Kind) -> tuple[TensorSpec, TensorSpec]:
        """Its input and output: ``lr`` NCHW, or NTHW where it takes a window of frames, and ``sr`` NCHW."""
        return luma_frame("lr", kind, "NTHW" if self.window > 1 else "NCHW"), luma_frame("sr", kind)


def _fusion(name: str, estimator: str, source: str) -> Method:
    scales, papers = range(2, 5), f"Farsiu et al. 2004; motion: {source}"
    return Method(name, scales, None, papers, "subpixel.classical.estimators", "fusion", (estimator,), 5, 2)


METHODS: tuple[Method, ...] = (
    Method("lanczos", range(1, 17), 3, "Duchon 1979", "subpixel.classical.lanczos", "Lanczos"),
    Method("nedi", range(2, 5), 20, "Li and Orchard 2001", "subpixel.classical.nedi", "Nedi"),
    Method(
        "backprojection", range(2, 9), 20, "Irani and Peleg 1991", "subpixel.classical.backprojection", "BackProjection"
    ),
    _fusion("fusion", "gradient", "Lucas and Kanade 1981"),
    _fusion("fusion-block", "block", "exhaustive block matching"),
    _fusion("fusion-diamond", "diamond", "Zhu and Ma 2000"),
    _fusion("fusion-flow", "flow", "Kroeger et al. 2016, by OpenCV"),
)


def method(name: str) -> Method:
    """The row called ``name``. Raises ``NotFoundError`` naming those there are."""
    for row in METHODS:
        if row.name == name:
            return row
    raise NotFoundError(f"no classical method {name!r}; there are: {', '.join(row.name for row in METHODS)}")
