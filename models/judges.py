"""Perceptual judges: HaarPSI and MDSI of the library ``piq``, full-reference measures that need no download.

Chosen before any net was judged by them: of the measures without a network they follow people's opinions best in piq's
own comparison (PIPAL, which holds results of adversarial nets: rank correlation 0.59 each; LPIPS 0.57, SSIM 0.50, PSNR
0.41), and no training loss here uses them. Y is judged, of luma and RGB models alike. Sources: Reisenhofer et al. 2018,
arXiv:1607.06140; Nafchi et al. 2016, arXiv:1608.07433.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from subpixel.errors import missing_package
from subpixel.quality.metrics import shave

Plane = NDArray[np.float64]


@dataclass(frozen=True)
class Judge:
    """``name`` of the measure and of its function and module in piq; ``channels``: grey, or RGB of three equal ones."""

    name: str
    title: str
    higher_is_better: bool
    channels: int

    def __call__(self, result: Plane, truth: Plane, border: int) -> float:
        """Of two Y planes ``[H, W]`` in [0, 1] without ``border`` pixels at each side."""
        with torch.inference_mode():
            planes = (self._tensor(shave(plane, border)) for plane in (result, truth))
            return float(measure(self.name)(*planes, data_range=1.0))

    def _tensor(self, plane: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(plane.clip(0, 1).astype(np.float32)).expand(1, self.channels, *plane.shape)


HAARPSI = Judge("haarpsi", "HaarPSI", True, 1)
MDSI = Judge("mdsi", "MDSI", False, 3)
JUDGES = (HAARPSI, MDSI)


def measure(name: str) -> Any:
    """The function ``name`` of piq. Raises ``MissingPackageError``.

    piq as a whole imports torchvision for its networks, and torchvision is often absent, or built for another torch.
    These two measures need neither, so their modules are loaded without the package's ``__init__``.
    """
    if name not in _LOADED:
        found = find_spec("piq")
        if found is None or found.submodule_search_locations is None:
            raise missing_package("piq", "judges", "judging by HaarPSI and MDSI")
        with _bare_package("piq", list(found.submodule_search_locations)):
            _LOADED[name] = getattr(importlib.import_module(f"piq.{name}"), name)
    return _LOADED[name]


_LOADED: dict[str, Any] = {}


@contextmanager
def _bare_package(name: str, folders: list[str]) -> Iterator[None]:
    """Inside, ``import name.module`` runs that module alone; afterwards nobody sees the bare package."""
    kept = {key: module for key, module in sys.modules.items() if key.partition(".")[0] == name}
    if name in kept:  # the whole package was imported already, so it can be
        yield
        return
    package = ModuleType(name)
    package.__path__ = folders
    sys.modules[name] = package
    try:
        yield
    finally:
        for key in [key for key in sys.modules if key.partition(".")[0] == name]:
            del sys.modules[key]
