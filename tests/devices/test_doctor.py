"""`subpixel doctor` on this machine: what it says, and that its JSON keeps its shape."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from subpixel.devices.doctor import examine_engine
from subpixel.devices.ffmpeg import read_ffmpeg
from subpixel.devices.system import read_system
from subpixel.engines.table import ENGINES, EngineRow

SHAPE = {
    "": {
        "subpixel", "board", "board_name", "profile", "system", "python", "resources", "engines", "ffmpeg", "cache",
        "hints",
    },
    "system": {
        "arch", "os", "kernel", "model", "compatible", "cpu", "l4t", "jetpack", "nvidia_driver",
    },
    "resources": {"cores", "usable_cores", "total_bytes", "available_bytes", "limit_bytes"},
    "ffmpeg": {"pyav", "ffmpeg", "encoders", "error"},
    "cache": {"path", "writable", "size_bytes"},
}  # fmt: skip
ENGINE_SHAPE = {"name", "installed", "version", "devices", "note", "error", "install"}


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "subpixel", "doctor", *arguments], capture_output=True, text=True)


@pytest.fixture(scope="module")
def report() -> dict[str, Any]:
    done = run("--json", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_json_keeps_its_shape(report: dict[str, Any]) -> None:
    for part, keys in SHAPE.items():
        assert set(report[part] if part else report) == keys, part
    assert all(set(engine) == ENGINE_SHAPE for engine in report["engines"])


def test_it_tells_the_machine_it_runs_on(report: dict[str, Any]) -> None:
    assert report["system"]["arch"] == platform.machine()
    assert report["python"] == platform.python_version()
    resources = report["resources"]
    assert 1 <= resources["usable_cores"] <= resources["cores"]
    assert 0 < resources["available_bytes"] <= resources["total_bytes"]


def test_every_row_of_the_engine_table_is_examined(report: dict[str, Any]) -> None:
    assert [engine["name"] for engine in report["engines"]] == [row.name for row in ENGINES]


@pytest.mark.parametrize("name", [row.name for row in ENGINES])
def test_an_engine_says_where_it_runs_or_why_not(report: dict[str, Any], name: str) -> None:
    engine = next(engine for engine in report["engines"] if engine["name"] == name)
    if not engine["installed"]:
        assert engine["install"] and not engine["version"]
    elif engine["error"]:
        assert not engine["devices"]
    else:
        assert engine["version"]
        assert engine["devices"] or engine["note"]


def test_onnxruntime_and_bicubic_run_on_the_cpu(report: dict[str, Any]) -> None:
    engines = {engine["name"]: engine for engine in report["engines"]}
    assert "cpu" in engines["onnxruntime"]["devices"]
    assert engines["bicubic"]["devices"] == ["cpu"]


def test_a_missing_engine_comes_with_the_command_that_brings_it() -> None:
    row = EngineRow("toy", ("toy",), ("no_such_package",), "toy", "no_such_module", "ToyEngine")
    found = examine_engine(row, read_system(Path(__file__).parent / "system_files/raspberry-pi-5"))
    assert (found.installed, found.install) == (False, "pip install 'subpixel[toy]'")


def test_the_encoders_that_ffmpeg_was_built_with_are_named(report: dict[str, Any]) -> None:
    assert "libx264" in report["ffmpeg"]["encoders"]
    assert tuple(report["ffmpeg"]["encoders"]) == read_ffmpeg().encoders


def test_the_text_names_every_engine_and_no_markup_is_swallowed() -> None:
    done = run()
    assert done.returncode == 0, done.stderr
    assert all(row.name in done.stdout for row in ENGINES)
    assert "subpixel" in done.stdout and "FFmpeg" in done.stdout
