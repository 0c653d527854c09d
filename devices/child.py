"""Puts a question to a measuring process of its own, and survives what may happen to it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from subpixel.records import from_json, to_json

T = TypeVar("T")
COMMAND = (sys.executable or "", "-m", "subpixel.devices.measure")


@dataclass(frozen=True)
class Answer(Generic[T]):
    """``figures``, or the ``fault`` in words. ``in_process``: why no process could be started, if so."""

    figures: T | None = None
    fault: str = ""
    in_process: str = ""


def ask(
    task: str, request: object, kind: type[T], timeout_seconds: float, command: Sequence[str] = COMMAND
) -> Answer[T]:
    """Have ``task`` done (see ``measure.TASKS``) and its answer read as ``kind``. Nothing is raised but an interrupt.

    Where no process can be started (an emulator without binfmt, for one) the task is done here instead, and said so.
    """
    started = time.time()
    question = json.dumps({"task": task, "request": to_json(request), "started": started})
    try:
        done = subprocess.run(
            command, input=question, capture_output=True, text=True, errors="replace", timeout=timeout_seconds
        )
    except subprocess.TimeoutExpired:
        return Answer(fault=f"no answer within {timeout_seconds:g} s; the measuring process was stopped")
    except OSError as fault:
        return _here(task, request, kind, f"{command[0] or 'Python'} can't be started ({fault.strerror or fault})")
    if done.returncode:
        return Answer(fault=_obituary(done.returncode, done.stderr))
    return _read(done.stdout, kind)


def _here(task: str, request: object, kind: type[T], reason: str) -> Answer[T]:
    """In this process: memory and start-up are then those of the whole program."""
    from subpixel.devices.measure import answer

    found = answer(task, to_json(request), time.time())
    return _answer(found, kind, reason)


def _read(text: str, kind: type[T]) -> Answer[T]:
    try:
        found = json.loads(text)
    except ValueError:
        return Answer(fault="the measuring process ended without an answer")
    return _answer(found, kind, "")


def _answer(found: Mapping[str, Any], kind: type[T], in_process: str) -> Answer[T]:
    if "fault" in found:
        return Answer(fault=str(found["fault"]), in_process=in_process)
    return Answer(from_json(kind, found["data"]), in_process=in_process)


def _obituary(code: int, said: str) -> str:
    """How the process ended, and the last line it said."""
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")
    how = f"ended with exit code {code}"
    if code < 0:
        known = code in [-number for number in signal.Signals]
        how = f"was ended by {signal.Signals(-code).name if known else f'signal {-code}'}"
    return f"the measuring process {how}{': ' + last if last else ''}"
