"""The scripts stop at the first failure, quote what they should, and can be started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(f for f in [ROOT / ".ci" / "run", *(ROOT / "scripts").iterdir()] if f.is_file())
BASH = [f for f in SCRIPTS if f.read_text().startswith("#!/usr/bin/env bash\n")]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda f: f.name)
def test_a_script_can_be_started(script: Path) -> None:
    assert script.read_text().startswith("#!/usr/bin/env ")
    assert os.access(script, os.X_OK)


@pytest.mark.parametrize("script", BASH, ids=lambda f: f.name)
def test_a_script_stops_at_the_first_failure(script: Path) -> None:
    assert "\nset -euo pipefail\n" in script.read_text()


def test_shellcheck_finds_nothing(require: Callable[[str], None]) -> None:
    shellcheck = Path(sys.executable).with_name("shellcheck")
    if not shellcheck.is_file():
        require("shellcheck")
    result = subprocess.run([shellcheck, "--severity=warning", *BASH], capture_output=True, text=True, check=False)
    assert result.stdout == ""


def test_find_python_finds_one_that_runs() -> None:
    found = subprocess.run(
        [ROOT / "scripts" / "find-python"], capture_output=True, text=True, check=True
    ).stdout.strip()
    version = subprocess.run([found, "-c", "import sys; print(sys.version_info[:2] >= (3, 10))"],
                             capture_output=True, text=True, check=True).stdout  # fmt: skip
    assert version == "True\n"


def test_find_python_says_what_to_do_when_there_is_none() -> None:
    result = subprocess.run([ROOT / "scripts" / "find-python", "3.2"], capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "install Python 3.10 to 3.13" in result.stderr
