"""What can go wrong, in words: found, needed, what to do next.

SubpixelError                     base of all; `exit_code` is what the command line returns
  BadInputError (ValueError)      the user's file, option or array can't be served
    NotFoundError (FileNotFoundError)
    OutputError (OSError)         the result can't be written
  BundleError (ValueError)        a bundle is damaged, unsafe, of an unknown version, or lacks what was asked
  EngineError (RuntimeError)      an engine can't be opened or fails while it runs
    DeviceError                   the accelerator that was asked for isn't there
    MissingPackageError (ImportError)
  GateError                       a quality gate failed
  PartialResultError              finished in part; says what is missing
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class SubpixelError(Exception):
    """Base of every error this package raises on purpose."""

    exit_code = 2


class BadInputError(SubpixelError, ValueError):
    """A file, an option or an array that can't be served."""


class NotFoundError(BadInputError, FileNotFoundError):
    """A file or a name that isn't there."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class OutputError(BadInputError, OSError):
    """The result can't be written where it was asked for."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class BundleError(SubpixelError, ValueError):
    """A bundle that is damaged, unsafe, of an unknown version, or lacks what was asked for."""


class EngineError(SubpixelError, RuntimeError):
    """An inference library can't open a model, or fails while it runs."""


class DeviceError(EngineError):
    """An accelerator that was asked for isn't there, and no fallback was allowed."""


class MissingPackageError(EngineError, ImportError):
    """An optional package isn't installed; the message names the command that brings it."""


class GateError(SubpixelError):
    """A conversion lost more than DESIGN allows."""

    exit_code = 1


class PartialResultError(SubpixelError):
    """The work was finished in part; the message says what is missing."""

    exit_code = 3


def missing_package(package: str, extra: str, purpose: str) -> MissingPackageError:
    """The error for an optional package: what it is for, and how to get it."""
    return MissingPackageError(f"{purpose} needs {package}, which isn't installed; pip install 'subpixel[{extra}]'")


@contextmanager
def faults_as(kind: type[SubpixelError], doing: str) -> Iterator[None]:
    """Turn whatever a library raises into ``kind``, keeping ours, the interrupt and the original as the cause."""
    try:
        yield
    except SubpixelError:
        raise
    except Exception as fault:
        reason = str(fault).strip() or type(fault).__name__
        raise kind(f"{doing}: {reason}") from fault
