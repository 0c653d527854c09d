"""A measuring process may crash, hang, babble or not start at all: each is an answer in words."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from subpixel.bundle import save
from subpixel.devices.child import ask
from subpixel.devices.figures import ProbeFigures, ProbeRequest, VariantFigures, VariantRequest
from subpixel.devices.measure import measure_variant

BABBLER = """
import os
from subpixel.devices import measure
kind, probe = measure.TASKS["probe"]
def babbling(request, started):
    os.write(1, b"a C library prints")
    print("and Python too")
    return probe(request, started)
measure.TASKS["probe"] = kind, babbling
measure.main()
"""


def python(code: str) -> tuple[str, ...]:
    return sys.executable, "-c", code


def test_a_process_killed_by_a_signal_is_reported_by_the_signals_name() -> None:
    crash = python("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    answer = ask("probe", ProbeRequest("bicubic"), ProbeFigures, 60, crash)
    assert answer.figures is None
    assert answer.fault == "the measuring process was ended by SIGSEGV"


def test_a_process_that_fails_is_reported_with_its_last_words() -> None:
    answer = ask("probe", ProbeRequest("bicubic"), ProbeFigures, 60, python("raise SystemExit('out of paper')"))
    assert answer.fault == "the measuring process ended with exit code 1: out of paper"


def test_a_process_that_says_nothing_is_reported() -> None:
    answer = ask("probe", ProbeRequest("bicubic"), ProbeFigures, 60, python("pass"))
    assert answer.fault == "the measuring process ended without an answer"


def test_a_process_that_hangs_is_stopped() -> None:
    answer = ask("probe", ProbeRequest("bicubic"), ProbeFigures, 0.5, python("import time; time.sleep(60)"))
    assert answer.fault == "no answer within 0.5 s; the measuring process was stopped"


def test_what_libraries_print_does_not_spoil_the_answer() -> None:
    answer = ask("probe", ProbeRequest("bicubic"), ProbeFigures, 60, python(BABBLER))
    assert answer.figures is not None, answer.fault
    assert answer.figures.devices == ("cpu",)


def test_where_no_process_can_be_started_it_is_measured_here_and_said() -> None:
    request = VariantRequest("bicubic-x2", "procedure-fp32", "bicubic", "cpu", 32, 24, 0.01)
    answer = ask("variant", request, VariantFigures, 60, ("/no/such/python",))
    assert answer.in_process == "/no/such/python can't be started (No such file or directory)"
    assert answer.figures is not None
    assert answer.figures.receipt.provider == "numpy"


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (VariantRequest("espcn-x99", "onnx-fp32", "onnxruntime", "cpu", 8, 8, 0.01), "no model 'espcn-x99'"),
        (VariantRequest("bicubic-x2", "onnx-fp32", "bicubic", "cpu", 8, 8, 0.01), "onnx-fp32"),
        (VariantRequest("bicubic-x2", "procedure-fp32", "bicubic", "gpu", 8, 8, 0.01), "gpu"),
    ],
)
def test_what_the_runtime_refuses_is_the_answers_fault(request_: VariantRequest, words: str) -> None:
    answer = ask("variant", request_, VariantFigures, 60)
    assert answer.figures is None
    assert words in answer.fault


def test_models_of_several_frames_states_and_colours_are_timed_on_what_they_take(toy_nets: Any, tmp_path: Path) -> None:
    for bundle in (toy_nets.picks(1), toy_nets.running_sum(2, 1), toy_nets.same_colours()):
        place = tmp_path / f"{bundle.spec.name}.spx"
        save(bundle, place)
        request = VariantRequest(str(place), "onnx-fp32-u8", "onnxruntime", "cpu", 32, 24, 0.01)
        figures = measure_variant(request, 0.0)
        assert figures.frames >= 3
        assert figures.p50_ms > 0
        assert figures.receipt.variant == "onnx-fp32-u8"
