"""The errors a user meets: their family, their codes, their words."""

from __future__ import annotations

import ast
import inspect
import pickle
from pathlib import Path

import pytest

import subpixel
from subpixel import errors
from subpixel.errors import SubpixelError, faults_as, missing_package

CLASSES = [found for _, found in inspect.getmembers(errors, inspect.isclass) if issubclass(found, SubpixelError)]
RUNTIME = Path(subpixel.__file__).parent

FAMILY: dict[type[SubpixelError], tuple[type[Exception], int]] = {
    errors.BadInputError: (ValueError, 2),
    errors.NotFoundError: (FileNotFoundError, 2),
    errors.OutputError: (OSError, 2),
    errors.BundleError: (ValueError, 2),
    errors.EngineError: (RuntimeError, 2),
    errors.DeviceError: (RuntimeError, 2),
    errors.MissingPackageError: (ImportError, 2),
    errors.GateError: (SubpixelError, 1),
    errors.PartialResultError: (SubpixelError, 3),
}


def test_every_error_is_in_the_family_of_this_test() -> None:
    assert set(CLASSES) == {SubpixelError, *FAMILY}


@pytest.mark.parametrize("kind", FAMILY)
def test_an_error_is_also_the_builtin_that_fits(kind: type[SubpixelError]) -> None:
    builtin, code = FAMILY[kind]
    assert issubclass(kind, builtin)
    assert kind.exit_code == code


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_shows_its_words_and_nothing_else(kind: type[SubpixelError]) -> None:
    fault = kind("found this, needed that")
    assert str(fault) == "found this, needed that"
    assert str(pickle.loads(pickle.dumps(fault))) == str(fault)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_can_be_caught_from_the_package(kind: type[SubpixelError]) -> None:
    assert getattr(subpixel, kind.__name__) is kind
    assert kind.__name__ in subpixel.__all__


def test_a_missing_package_names_the_command_that_brings_it() -> None:
    fault = missing_package("openvino", "openvino", "the openvino engine")
    assert str(fault).endswith("pip install 'subpixel[openvino]'")
    assert isinstance(fault, ImportError)


def test_a_library_s_fault_becomes_ours_and_stays_the_cause() -> None:
    with (
        pytest.raises(errors.EngineError, match="opening: the reason") as caught,
        faults_as(errors.EngineError, "opening"),
    ):
        raise OSError("the reason")
    assert isinstance(caught.value.__cause__, OSError)


def test_a_fault_without_words_is_named_by_its_class() -> None:
    with pytest.raises(errors.BundleError, match="reading: RecursionError"), faults_as(errors.BundleError, "reading"):
        raise RecursionError


@pytest.mark.parametrize("fault", [errors.BadInputError("ours"), KeyboardInterrupt(), SystemExit(3)])
def test_ours_and_interrupts_pass_unchanged(fault: BaseException) -> None:
    with pytest.raises(type(fault)) as caught, faults_as(errors.EngineError, "doing"):
        raise fault
    assert caught.value is fault


def raised(file: Path) -> set[str]:
    """The names of all classes that a file raises."""
    calls = [n.exc for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.Raise) and n.exc is not None]
    return {c.func.id for c in calls if isinstance(c, ast.Call) and isinstance(c.func, ast.Name)}


# Errors of ours that are no mistake of a user: caught inside the package, told to whoever calls a function wrongly, or
# what Python itself asks for.
INSIDE = {"RecordError", "Malformed", "ValueError", "TypeError", "AttributeError"}


def test_the_runtime_raises_nothing_that_a_user_could_not_read() -> None:
    ours = {kind.__name__ for kind in CLASSES} | INSIDE
    strangers = {
        f"{file.relative_to(RUNTIME)}: {name}"
        for file in RUNTIME.rglob("*.py")
        if file.relative_to(RUNTIME).parts[0] not in ("models", "export", "quantize", "devices")
        for name in raised(file) - ours
        if not name.islower()
    }
    assert strangers == set()
