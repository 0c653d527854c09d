"""The limits of DESIGN.md section 7, kept from the first commit."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    f for top in ("runtime", "models", "export", "quantize", "devices") for f in (ROOT / top).rglob("*.py")
)
TESTS = sorted((ROOT / "tests").rglob("*.py"))

MEDIAN_LINES = 8
MOST_LINES = 25  # 90 % of the functions
LONGEST_LINES = 60
FILE_LINES = 400
BANNED_WORDS = {"util", "utils", "helper", "helpers", "common", "manager", "misc"}


@dataclass(frozen=True)
class Function:
    """``lines``: from ``def`` to its end, the docstring not counted."""

    where: str
    lines: int


def functions(file: Path) -> Iterator[Function]:
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield Function(f"{file.relative_to(ROOT)}:{node.lineno} {node.name}", body_lines(node))


def body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert node.end_lineno is not None
    lines = node.end_lineno - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is not None and first.end_lineno is not None:
        lines -= first.end_lineno - first.lineno + 1
    return lines


def words(name: str) -> set[str]:
    return set(re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()))


def defined_names(file: Path) -> Iterator[str]:
    yield file.stem
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


def test_functions_are_short() -> None:
    found = sorted((f for file in SOURCES for f in functions(file)), key=lambda f: f.lines)
    assert found[len(found) // 2].lines <= MEDIAN_LINES
    assert found[len(found) * 9 // 10].lines <= MOST_LINES
    assert [f for f in found if f.lines > LONGEST_LINES] == []


@pytest.mark.parametrize("folder", ["runtime", "models", "export", "quantize", "devices"])
def test_no_folder_hides_its_long_functions_behind_the_others(folder: str) -> None:
    found = sorted(f.lines for file in SOURCES if file.is_relative_to(ROOT / folder) for f in functions(file))
    assert not found or found[len(found) * 9 // 10] <= MOST_LINES


def test_files_are_short() -> None:
    long = {str(f.relative_to(ROOT)): n for f in SOURCES + TESTS if (n := len(f.read_text().splitlines())) > FILE_LINES}
    assert long == {}


def test_names_say_what_a_thing_does() -> None:
    vague = {f"{file.relative_to(ROOT)}: {name}" for file in SOURCES + TESTS for name in defined_names(file)
             if words(name) & BANNED_WORDS}  # fmt: skip
    assert vague == set()


def has_code(file: Path) -> bool:
    """More than a docstring."""
    return any(not isinstance(node, ast.Expr) for node in ast.parse(file.read_text()).body)


def test_every_file_takes_annotations_as_text() -> None:
    without = [str(f.relative_to(ROOT)) for f in SOURCES + TESTS
               if has_code(f) and "from __future__ import annotations" not in f.read_text()]  # fmt: skip
    assert without == []


def test_nothing_is_left_for_later() -> None:
    later = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")
    left = [str(f.relative_to(ROOT)) for f in SOURCES + TESTS if f != Path(__file__) and later.search(f.read_text())]
    assert left == []


def test_every_module_class_and_public_function_has_a_docstring() -> None:
    bare = []
    for file in SOURCES:
        tree = ast.parse(file.read_text())
        if ast.get_docstring(tree) is None and file.read_text().strip():
            bare.append(str(file.relative_to(ROOT)))
        bare += [f"{file.relative_to(ROOT)}:{node.lineno} {node.name}" for node in tree.body
                 if isinstance(node, ast.FunctionDef | ast.ClassDef)
                 and not node.name.startswith("_") and ast.get_docstring(node) is None]  # fmt: skip
    assert bare == []
