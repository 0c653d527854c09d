"""What is built into the wheel is what lies on the disk."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import subpixel

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
FOLDERS = {"subpixel": "runtime", **{f"subpixel.{name}": name for name in ("models", "export", "quantize", "devices")}}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
SETUPTOOLS = PROJECT["tool"]["setuptools"]
# `setup.py`-less builds leave these beside the sources; they are no part of the package.
NOT_SOURCES = {"__pycache__"}


def packages_on_disk() -> dict[str, str]:
    """Import name -> folder, for every folder with an ``__init__.py`` below the five source folders."""
    found = {}
    for top, folder in FOLDERS.items():
        for file in sorted((ROOT / folder).rglob("__init__.py")):
            inside = file.parent.relative_to(ROOT / folder).parts
            found[".".join((top, *inside))] = file.parent.relative_to(ROOT).as_posix()
    return found


def data_files_on_disk() -> set[Path]:
    return {
        file
        for folder in FOLDERS.values()
        for file in (ROOT / folder).rglob("*")
        if file.is_file() and file.suffix != ".py" and not NOT_SOURCES & set(file.parts)
    }


def test_the_package_list_equals_the_disk() -> None:
    assert sorted(SETUPTOOLS["packages"]) == sorted(packages_on_disk())


def test_each_package_is_mapped_to_its_folder() -> None:
    assert SETUPTOOLS["package-dir"] == packages_on_disk()


def test_every_python_file_lies_in_a_listed_package() -> None:
    folders = {ROOT / folder for folder in packages_on_disk().values()}
    strays = [
        file.relative_to(ROOT)
        for folder in FOLDERS.values()
        for file in (ROOT / folder).rglob("*.py")
        if file.parent not in folders
    ]
    assert strays == []


def test_every_data_file_is_packed_and_no_pattern_is_idle() -> None:
    packed: set[Path] = set()
    for package, patterns in SETUPTOOLS["package-data"].items():
        for pattern in patterns:
            matched = set((ROOT / packages_on_disk()[package]).glob(pattern))
            assert matched, f"{package}: {pattern} matches no file"
            packed |= matched
    assert data_files_on_disk() - packed == set()


def test_the_version_is_the_same_everywhere() -> None:
    first = re.search(r"^## \[?(\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first is not None
    assert PROJECT["project"]["version"] == subpixel.__version__ == first.group(1)


def test_every_dependency_is_pinned_in_the_constraints() -> None:
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = {
        re.split(r"[\[<>=!~; ]", line)[0].lower()
        for lines in (PROJECT["project"]["dependencies"], *extras.values())
        for line in lines
    }
    # TensorRT itself comes with the driver's own index or with JetPack, in the version that fits the GPU.
    assert wanted - pinned - {"subpixel", "tensorrt"} == set()


def test_importing_the_runtime_loads_numpy_and_the_standard_library_only() -> None:
    code = "import sys, subpixel; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    bare = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    already = subprocess.run(
        [sys.executable, "-I", "-c", bare], capture_output=True, text=True, check=True
    ).stdout.split()
    foreign = set(loaded) - set(already) - set(sys.stdlib_module_names) - {"numpy", "subpixel"}
    assert foreign == set()
