"""Sub-pixel super-resolution on the device at hand.

>>> import subpixel
>>> subpixel.open("bicubic-x3").scale
3
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_HOMES = {
    "Fallback": "engines.base",
    "Receipt": "engines.base",
    "Model": "model",
    "ModelSpec": "spec",
    "open": "opening",
}
_CALLED_THERE = {"open": "open_model"}


def __getattr__(name: str) -> Any:
    """A name is imported when it is first asked for: the command line has something to say before NumPy is loaded."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(f"{__name__}.{_HOMES.get(name, 'errors')}")
    value = globals()[name] = getattr(home, _CALLED_THERE.get(name, name))
    return value


def __dir__() -> list[str]:
    return __all__
