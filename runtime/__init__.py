"""Sub-pixel super-resolution on the device at hand.

>>> import subpixel
>>> subpixel.open("bicubic-x3").scale
3
"""

from __future__ import annotations

from subpixel.engines.base import Fallback, Receipt
from subpixel.errors import (
    BadInputError,
    BundleError,
    DeviceError,
    EngineError,
    GateError,
    MissingPackageError,
    NotFoundError,
    OutputError,
    PartialResultError,
    SubpixelError,
)
from subpixel.model import Model
from subpixel.opening import open_model as open
from subpixel.spec import ModelSpec

__version__ = "0.1.0"

__all__ = [
    "BadInputError",
    "BundleError",
    "DeviceError",
    "EngineError",
    "Fallback",
    "GateError",
    "MissingPackageError",
    "Model",
    "ModelSpec",
    "NotFoundError",
    "OutputError",
    "PartialResultError",
    "Receipt",
    "SubpixelError",
    "__version__",
    "open",
]
