"""The import rules: import-linter runs in CI, here the parts that it can't hold by itself."""

from __future__ import annotations

import ast
import configparser
import pkgutil
from pathlib import Path

import pytest

import subpixel

ROOT = Path(__file__).parents[2]
STAGES = {"subpixel.models", "subpixel.export", "subpixel.quantize"}

# An inference library may be imported by its own engine file, and by the stage that makes files for it.
OWNERS = {
    "onnxruntime": ("runtime/engines/onnxruntime", "export/", "quantize/", "models/"),
    "openvino": ("runtime/engines/openvino", "export/", "quantize/", "models/"),
    "ai_edge_litert": ("runtime/engines/litert", "export/", "quantize/"),
    "tflite_runtime": ("runtime/engines/litert",),
    "tensorrt": ("runtime/engines/tensorrt", "export/", "quantize/"),
    "tensorrt_rtx": ("runtime/engines/tensorrt", "export/", "quantize/"),
    "cv2": ("runtime/classical/dense_flow",),
    "av": ("runtime/media/", "runtime/cli/", "models/", "quantize/", "devices/ffmpeg"),
    "PIL": ("runtime/media/", "runtime/cli/", "runtime/gate_images", "runtime/stream", "models/", "quantize/"),
}


def contracts() -> dict[str, configparser.SectionProxy]:
    parser = configparser.ConfigParser()
    parser.read(ROOT / ".importlinter")
    return {name.rpartition(":")[2]: parser[name] for name in parser.sections() if ":" in name}


def lines(value: str) -> set[str]:
    return {line.strip() for line in value.splitlines() if line.strip()}


def imported(file: Path) -> set[str]:
    """Top-level names of what a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def subpackages() -> list[str]:
    return [m.name for m in pkgutil.iter_modules(subpixel.__path__, "subpixel.") if m.ispkg]


def test_the_ban_on_torch_names_every_module_of_the_runtime() -> None:
    everything = {m.name for m in pkgutil.iter_modules(subpixel.__path__, "subpixel.")}
    assert lines(contracts()["light"]["source_modules"]) == everything - STAGES


@pytest.mark.parametrize("package", subpackages())
def test_every_package_with_modules_has_its_own_layers(package: str) -> None:
    folder = Path(ROOT, *package.replace("subpixel.", "").split("."))
    if not folder.is_dir():
        folder = ROOT / "runtime" / package.rpartition(".")[2]
    if len(list(folder.glob("*.py"))) > 2:
        layered = {c["containers"].strip() for c in contracts().values() if c["type"] == "layers"}
        assert package in layered, f"{package} has several modules and no layers contract in .importlinter"


def test_every_layers_contract_is_exhaustive() -> None:
    assert [n for n, c in contracts().items() if c["type"] == "layers" and not c.getboolean("exhaustive")] == []


@pytest.mark.parametrize("library", sorted(OWNERS))
def test_a_library_is_imported_by_its_owners_only(library: str) -> None:
    sources = (f for top in ("runtime", "models", "export", "quantize", "devices") for f in (ROOT / top).rglob("*.py"))
    strangers = [
        path for file in sources
        if library in imported(file) and not (path := file.relative_to(ROOT).as_posix()).startswith(OWNERS[library])
    ]  # fmt: skip
    assert strangers == []


def test_no_file_imports_the_source_folders_by_their_own_names() -> None:
    folders = {"runtime", "models", "export", "quantize", "devices"}
    files = [f for top in (*folders, "tests") for f in (ROOT / top).rglob("*.py")]
    assert [str(f.relative_to(ROOT)) for f in files if imported(f) & folders] == []
