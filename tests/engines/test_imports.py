"""Who loads what: an engine's file loads its own library, and nothing else does."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import subpixel
from subpixel.engines.table import ENGINES, EngineRow

ENGINE_FOLDER = Path(subpixel.__file__).parent / "engines"
LIBRARIES = {package for row in ENGINES for package in row.packages}

CALLED = """
try:
    openvino.convert_model("none.onnx")
except Exception as fault:
    print(type(fault).__name__, openvino.convert_model.__module__)
"""


def loaded_by(code: str) -> set[str]:
    """The top-level modules that a fresh Python holds after running ``code``, beyond those it starts with."""
    program = f"import json, sys; before = set(sys.modules); {code}; print(json.dumps([*(set(sys.modules) - before)]))"
    text = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return {name.partition(".")[0] for name in json.loads(text.splitlines()[-1])}


@pytest.mark.parametrize("row", ENGINES, ids=lambda row: row.name)
def test_an_engine_loads_its_own_library_alone(row: EngineRow, require: Callable[[str], None]) -> None:
    require(row.name)
    loaded = loaded_by(f"from subpixel.engines.table import engine_row; engine_row({row.name!r}).load()")
    assert loaded & LIBRARIES <= set(row.packages)


@pytest.mark.parametrize("file", sorted(ENGINE_FOLDER.glob("*.py")), ids=lambda file: file.stem)
def test_only_an_engines_own_file_imports_its_library(file: Path) -> None:
    own = {package for row in ENGINES if row.module.endswith(f".{file.stem}") for package in row.packages}
    imported = set(re.findall(r"^\s*(?:import|from)\s+(\w+)", file.read_text(), re.MULTILINE))
    assert imported & LIBRARIES <= own


def test_finding_out_what_is_installed_imports_nothing() -> None:
    code = "from subpixel.engines.table import ENGINES; print([(row.installed, row.version) for row in ENGINES])"
    assert not loaded_by(code) & LIBRARIES


def test_openvino_comes_without_its_converter_which_is_imported_when_it_is_called(
    require: Callable[[str], None],
) -> None:
    require("openvino")
    opened = "import subpixel.engines.openvino, openvino"
    assert "openvino_telemetry" not in loaded_by(opened)
    program = f"{opened}\n{CALLED}"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert said == ["Error", "openvino.tools.ovc.convert"]
