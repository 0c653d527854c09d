"""`import subpixel` is light, whatever else is installed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "torch", "onnx", "onnxscript", "onnxruntime", "openvino", "nncf", "ai_edge_litert", "tflite_runtime",
    "litert_torch", "ai_edge_quantizer", "tensorrt", "tensorrt_rtx", "av", "PIL", "click", "rich", "jsonschema",
    "scipy", "matplotlib", "safetensors", "cv2",
}  # fmt: skip


def loaded_by(code: str) -> set[str]:
    """Top-level modules that are there after ``code``, in a fresh process."""
    script = f"{code}\nimport sys, json; print(json.dumps([name for name in sys.modules]))"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=True)
    return {name.partition(".")[0] for name in json.loads(result.stdout.splitlines()[-1])}


@pytest.mark.parametrize(
    ("code", "loaded"), [("import subpixel", {"subpixel"}), ("from subpixel import *", {"subpixel", "numpy"})]
)
def test_importing_the_package_loads_numpy_and_the_standard_library_only(code: str, loaded: set[str]) -> None:
    foreign = loaded_by(code) - loaded_by("") - set(sys.stdlib_module_names)
    assert {name for name in foreign if not name.startswith("_")} == loaded


@pytest.mark.parametrize(
    "code",
    [
        "import subpixel; subpixel.open('bicubic-x3').close()",
        "import subpixel; subpixel.open('nedi-x3').close()",
        "import subpixel.bundle, subpixel.catalogue; subpixel.catalogue.find('espcn-x3')",
        "import numpy, subpixel; subpixel.open('bicubic-x2').upscale(numpy.zeros((4, 4, 3), numpy.uint8))",
    ],
)
def test_what_needs_no_library_loads_none(code: str) -> None:
    assert loaded_by(code) & HEAVY == set()


def test_an_engine_loads_its_own_library_and_no_other() -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    found = loaded_by("import subpixel; subpixel.open('espcn-x3', engine='onnxruntime').close()")
    assert found & HEAVY == {"onnxruntime"}


def test_the_command_line_puts_numpys_threads_to_sleep_before_it_is_loaded() -> None:
    code = """
import os, sys
import subpixel.cli.main as main
assert "numpy" not in sys.modules
sys.argv = ["subpixel", "upscale", "--help"]
try:
    main.main()
except SystemExit:
    assert os.environ["OPENBLAS_THREAD_TIMEOUT"] == "4"
print()
"""
    assert "numpy" in loaded_by(code)


def test_the_command_line_s_help_loads_no_engine_and_no_codec() -> None:
    code = "import click.testing, subpixel.cli.main as m; click.testing.CliRunner().invoke(m.cli, ['--help'])"
    assert loaded_by(code) & HEAVY <= {"click", "rich"}


def test_the_console_is_loaded_when_something_is_said() -> None:
    code = "import subpixel.cli.upscale"
    assert "rich" not in loaded_by(code)


def test_everything_public_is_there() -> None:
    import subpixel

    assert sorted(subpixel.__all__) == subpixel.__all__
    assert [name for name in subpixel.__all__ if not hasattr(subpixel, name)] == []
