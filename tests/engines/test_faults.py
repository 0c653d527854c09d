"""No library's exception reaches the user as it is: every class that the libraries define is tried."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from subpixel.catalogue import bicubic_bundle
from subpixel.choice import Candidate
from subpixel.engines.base import Receipt, Request
from subpixel.engines.checked import CheckedEngine
from subpixel.engines.table import EngineRow
from subpixel.errors import DeviceError, EngineError
from subpixel.spec import Arrays

BUNDLE = bicubic_bundle(2)
VARIANT = BUNDLE.manifest.variant("procedure-fp32-u8")
LIBRARIES = {
    "onnxruntime": ("onnxruntime", "onnxruntime.capi.onnxruntime_pybind11_state"),
    "openvino": ("openvino", "openvino._pyopenvino", "openvino.exceptions"),
    "numpy": ("numpy.exceptions", "numpy.linalg"),
    "python": ("builtins",),
}  # fmt: skip


def exceptions_of(modules: tuple[str, ...]) -> Iterator[type[Exception]]:
    for name in modules:
        for _, found in inspect.getmembers(importlib.import_module(name), inspect.isclass):
            # Python gives StopIteration a meaning of its own in generators; no library raises it out of a call.
            if issubclass(found, Exception) and not issubclass(found, (Warning, StopIteration)):
                yield found


def made(kind: type[Exception]) -> Exception:
    """An instance, whatever it must be made with."""
    for arguments in (
        ("boom",),
        (),
        ("utf-8", b"", 0, 1, "boom"),
        ("utf-8", "x", 0, 1, "boom"),
        ("x", 0, 1, "boom"),
        ("boom", [ValueError("inner")]),
        ("boom", 1),
    ):
        try:
            return kind(*arguments)
        except TypeError:
            continue
    raise AssertionError(f"no way known to make a {kind.__name__}")


class Faulty:
    """An engine whose every call raises."""

    spec, variant = BUNDLE.spec, VARIANT
    receipt = Receipt("faulty", "faulty", "1", "none", "cpu", "fp32", 1, 0.0)

    def __init__(self, fault: BaseException) -> None:
        self.fault = fault

    def run(self, inputs: Arrays, outputs: Arrays | None = None) -> Arrays:
        raise self.fault

    def reset(self) -> None:
        raise self.fault

    def close(self) -> None:
        raise self.fault


def calls(fault: BaseException) -> dict[str, Callable[[], Any]]:
    frame = {"lr": np.zeros((1, 1, 4, 4), np.uint8)}
    return {
        "run": lambda: CheckedEngine(Faulty(fault)).run(frame),
        "reset": CheckedEngine(Faulty(fault)).reset,
        "close": CheckedEngine(Faulty(fault)).close,
    }


@pytest.mark.parametrize("call", ["run", "reset", "close"])
@pytest.mark.parametrize("library", LIBRARIES)
def test_every_exception_becomes_an_engine_error_with_its_cause(
    library: str, call: str, require: Callable[[str], None]
) -> None:
    if library in ("onnxruntime", "openvino"):
        require(library)
    tried = 0
    for kind in exceptions_of(LIBRARIES[library]):
        fault = made(kind)
        with pytest.raises(EngineError, match=r"faulty .* bicubic-x2 \(procedure-fp32-u8\): .+") as caught:
            calls(fault)[call]()
        assert caught.value.__cause__ is fault
        tried += 1
    assert tried


@pytest.mark.parametrize("call", ["run", "reset", "close"])
def test_errors_of_ours_and_interrupts_pass_as_they_are(call: str) -> None:
    for fault in (DeviceError("the GPU went away"), KeyboardInterrupt()):
        with pytest.raises(type(fault)) as caught:
            calls(fault)[call]()
        assert caught.value is fault


def test_an_engine_that_fails_while_it_is_made_is_an_engine_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def factory(*_: Any) -> None:
        raise ZeroDivisionError("deep inside")

    monkeypatch.setattr(EngineRow, "load", lambda self: factory)
    row = EngineRow("odd", ("procedure",), (), "", "", "")
    with pytest.raises(EngineError, match=r"odd can't open bicubic-x2 .*deep inside") as caught:
        Candidate(row, BUNDLE, VARIANT, Request()).open()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_engine_that_fails_to_close_is_closed_all_the_same() -> None:
    engine = CheckedEngine(Faulty(RuntimeError("busy")))
    with pytest.raises(EngineError, match="can't close"):
        engine.close()
    engine.close()
    with pytest.raises(EngineError, match="was closed"):
        engine.reset()
