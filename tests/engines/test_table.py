"""The table of engines: what is said when a library is missing, broken, or unknown."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from subpixel.engines.table import ENGINES, EngineRow, engine_row
from subpixel.errors import BadInputError, EngineError, MissingPackageError

OPTIONAL = [row for row in ENGINES if row.packages]


def named(row: EngineRow) -> str:
    return row.name


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python as it is where no inference library was installed."""
    packages = {package for row in ENGINES for package in row.packages}
    find = importlib.util.find_spec

    def absent(name: str, package: str | None = None) -> Any:
        return None if name in packages else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", absent)


@pytest.mark.usefixtures("nothing_installed")
@pytest.mark.parametrize("row", OPTIONAL, ids=named)
def test_a_missing_library_names_the_command_that_brings_it(row: EngineRow) -> None:
    assert not row.installed
    for ask in (row.load, row.probe):
        with pytest.raises(MissingPackageError, match=rf"pip install 'subpixel\[{row.extra}\]'"):
            ask()


@pytest.mark.usefixtures("nothing_installed")
def test_bicubic_is_there_without_any_library() -> None:
    assert engine_row("bicubic").installed
    assert engine_row("bicubic").probe().devices == ("cpu",)


def test_an_unknown_engine_names_those_there_are() -> None:
    with pytest.raises(BadInputError, match=r"tensorflow.*openvino.*bicubic"):
        engine_row("tensorflow")


def test_names_are_distinct_and_every_extra_can_be_installed() -> None:
    assert len({row.name for row in ENGINES}) == len(ENGINES)
    project = Path(__file__).parents[2] / "pyproject.toml"
    extras = project.read_text().partition("[project.optional-dependencies]")[2].partition("\n[")[0]
    assert all(f"\n{row.extra} = [" in extras for row in OPTIONAL)


def test_a_library_that_does_not_load_is_an_engine_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_engine_of_the_tests.py").write_text("raise OSError('libbroken.so.7: cannot open')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    row = replace(engine_row("openvino"), packages=("broken_engine_of_the_tests",), module="broken_engine_of_the_tests")
    for ask in (row.load, row.probe):
        with pytest.raises(EngineError, match=r"openvino.*does not load.*libbroken") as caught:
            ask()
        assert isinstance(caught.value.__cause__, OSError)


def run_litert_beside(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """A fresh Python without ai-edge-litert, with what lies in ``folder``."""
    program = f"import sys; sys.modules['ai_edge_litert'] = None; sys.path.insert(0, {str(folder)!r}); {code}"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_tflite_runtime_is_taken_where_ai_edge_litert_is_not(tmp_path: Path) -> None:
    """Its module and class under the older name. The real 2.14, with numpy 1.26, was run by hand: same results."""
    package = tmp_path / "tflite_runtime"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "interpreter.py").write_text("class Interpreter:\n    pass\n")
    metadata = tmp_path / "tflite_runtime-2.14.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tflite-runtime\nVersion: 2.14.0\n")
    code = "import subpixel.engines.litert as e; print(e.LIBRARY, e.VERSION, e.Interpreter.__module__)"
    result = run_litert_beside(tmp_path, code)
    assert result.stdout.split() == ["tflite-runtime", "2.14.0", "tflite_runtime.interpreter"], result.stderr


def test_both_litert_libraries_failing_gives_both_reasons(tmp_path: Path) -> None:
    """As with tflite-runtime beside numpy 2: it is installed and fails to import."""
    package = tmp_path / "tflite_runtime"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "interpreter.py").write_text("raise ImportError('numpy.core.multiarray failed to import')\n")
    code = "from subpixel.engines.table import engine_row; engine_row('litert').load()"
    result = run_litert_beside(tmp_path, code)
    last = result.stderr.strip().splitlines()[-1]
    assert "EngineError" in last
    assert "ai-edge-litert" in last
    assert "tflite-runtime: numpy.core.multiarray failed to import" in last
    assert "pip install 'subpixel[litert]'" in last
