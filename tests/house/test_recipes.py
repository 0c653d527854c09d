"""The recipes of CONTRIBUTING.md, followed word for word on a copy of the sources: a toy engine, model and board."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from subpixel.devices.board import load_profile, load_profiles
from subpixel.devices.detection import detect

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```(?P<language>\w+) file=(?P<file>\S+)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
STAGES = ("models", "export", "quantize", "devices")


@dataclass(frozen=True)
class Step:
    """A file to write, or (``diff``) one to change."""

    language: str
    file: str
    text: str


def recipe(title: str) -> list[Step]:
    """The steps under a heading of CONTRIBUTING.md."""
    page = (ROOT / "CONTRIBUTING.md").read_text()
    section = page.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return [Step(m["language"], m["file"], m["text"]) for m in BLOCK.finditer(section)]


def place(tree: Path, file: str) -> Path:
    """Where a file of the repository lies in the copy, which is laid out as it is imported."""
    top, _, rest = file.partition("/")
    if top == "runtime":
        return tree / "subpixel" / rest
    return tree / "subpixel" / file if top in STAGES else tree / file


def follow(steps: list[Step], tree: Path) -> None:
    for step in steps:
        target = place(tree, step.file)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(changed(target.read_text(), step) if step.language == "diff" else step.text)


def changed(text: str, step: Step) -> str:
    lines = step.text.splitlines(keepends=True)
    old, new = ("".join(line[1:] for line in lines if line[0] in f" {sign}") for sign in "-+")
    assert text.count(old) == 1, f"{step.file}: the recipe's lines are not there (once):\n{old}"
    return text.replace(old, new)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources, importable from here as ``subpixel``, and of the files that recipes change."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "runtime", tmp_path / "subpixel", ignore=ignored)
    for stage in STAGES:
        shutil.copytree(ROOT / stage, tmp_path / "subpixel" / stage, ignore=ignored)
    for name in ("pyproject.toml", ".importlinter"):
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def run(tree: Path, *arguments: str | Path) -> str:
    """Python in the copy; what it printed. Its ``subpixel`` is the copy's."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "SUBPIXEL_CACHE": str(tree / "cache")}
    result = subprocess.run([sys.executable, *arguments], cwd=tree, env=environment, capture_output=True, text=True,
                            check=False, stdin=subprocess.DEVNULL)  # fmt: skip
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def run_tests(tree: Path, *arguments: str | Path) -> None:
    """Tests of the repository against the copy; at least one must have run."""
    settings = ("-q", "-p", "no:cacheprovider", "-c", ROOT / "pyproject.toml", "--rootdir", ROOT)
    assert re.search(r"\b[1-9]\d* passed", run(tree, "-m", "pytest", *settings, *arguments))


def lint_imports(tree: Path) -> str:
    return run(tree, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache")


def test_the_toy_engine_runs_by_its_name_and_says_so(tree: Path) -> None:
    follow(recipe("Add an engine"), tree)
    code = """
import numpy as np, subpixel
print(subpixel.__file__)
image = np.random.default_rng(0).integers(0, 256, (9, 14, 3), dtype=np.uint8)
toy, known = (subpixel.open("bicubic-x3", engine=name) for name in ("matrix", "bicubic"))
print(toy.receipt.engine, np.abs(toy.upscale(image).astype(int) - known.upscale(image)).max() <= 1)
"""
    printed = run(tree, "-c", code).splitlines()
    assert Path(printed[0]).is_relative_to(tree)
    assert printed[1] == "matrix True"


def test_the_contract_suite_takes_the_toy_engine_from_its_row(tree: Path) -> None:
    follow(recipe("Add an engine"), tree)
    run_tests(tree, ROOT / "tests" / "contract", "-k", "matrix")


def test_the_toy_engine_and_the_toy_model_keep_the_layers(tree: Path, require: Callable[[str], None]) -> None:
    require("importlinter")
    follow(recipe("Add an engine"), tree)
    follow(recipe("Add a model"), tree)
    assert "0 broken" in lint_imports(tree)


def test_a_file_that_the_layers_do_not_list_is_noticed(tree: Path, require: Callable[[str], None]) -> None:
    require("importlinter")
    (tree / "subpixel" / "unlisted.py").write_text('"""Nobody listed this."""\n')
    with pytest.raises(AssertionError, match="unlisted"):
        lint_imports(tree)


def test_the_toy_model_passes_its_own_test_and_those_of_the_registry(
    tree: Path, require: Callable[[str], None]
) -> None:
    require("torch")
    follow(recipe("Add a model"), tree)
    run_tests(
        tree, tree / "tests" / "models" / "test_linear.py", ROOT / "tests/models/test_registry.py", "-k", "linear"
    )


def test_the_toy_model_becomes_a_bundle_that_runs(tree: Path, require: Callable[[str], None]) -> None:
    for package in ("torch", "onnx", "onnxruntime"):
        require(package)
    follow(recipe("Add a model"), tree)
    code = """
import numpy as np, torch, subpixel
from safetensors.torch import save
from subpixel.export.driver import export_trained
from subpixel.models.architecture import TrainedModel
from subpixel.models.registry import architecture
torch.manual_seed(0)
linear = architecture("linear")
weights = save({key: value / 10 for key, value in linear.build(2).state_dict().items()})
model = subpixel.open(export_trained(TrainedModel(linear, 2, weights, "")), engine="onnxruntime")
print(model.spec.name, model.upscale(np.zeros((5, 7), np.uint8)).shape)
"""
    assert run(tree, "-c", code).splitlines()[-1] == "linear-x2 (10, 14)"


def test_the_toy_board_is_recognised_among_the_others(tmp_path: Path) -> None:
    follow(recipe("Add a board"), tmp_path)
    board = load_profile(next((tmp_path / "subpixel" / "devices" / "profiles").glob("*.toml")))
    system = tmp_path / "tests" / "devices" / "system_files" / board.id
    entries = system / "proc" / "device-tree" / "compatible"
    entries.write_bytes(entries.read_bytes().replace(b"\n", b"\0"))
    assert detect(system, (*load_profiles(), board)).board == board
