"""Material to quantise: the seeded net, and the shipped model where quality counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from subpixel.bundle import Bundle
from subpixel.catalogue import find, shipped_names
from subpixel.quantize.calibration import Calibration, calibration
from subpixel.quantize.targets import Material


@pytest.fixture(scope="session")
def used(samples: Path) -> Calibration:
    """A few crops: enough to tell right from wrong."""
    return calibration(samples / "bunny_424x240.mp4", 3, count=6)


@pytest.fixture(scope="session")
def material(tiny_bundle: Bundle, used: Calibration, require: Callable[[str], None]) -> Material:
    """The seeded ESPCN x3."""
    require("onnx")
    return Material(tiny_bundle, used)


@pytest.fixture(scope="session")
def shipped() -> Bundle:
    """A trained model, whose losses mean something."""
    if "espcn-x3" not in shipped_names():
        pytest.skip("espcn-x3 is not shipped")
    return find("espcn-x3")
