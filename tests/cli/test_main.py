"""The command line as a process: exit codes, one line for a mistake, never a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest

from subpixel import __version__, errors
from subpixel.cli import main as command_line

CLI = (sys.executable, "-m", "subpixel")


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CLI, *arguments], capture_output=True, text=True, timeout=120, env={**os.environ, **environment}, check=False
    )


def test_the_module_runs_as_a_program() -> None:
    result = run("--version")
    assert (result.returncode, result.stderr) == (0, "")
    assert __version__ in result.stdout


def test_the_installed_command_is_the_same_program() -> None:
    script = Path(sys.executable).with_name("subpixel")
    if not script.exists():
        pytest.skip("the package's command is not installed beside this Python")
    result = subprocess.run([script, "--version"], capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout == run("--version").stdout


def test_no_verb_shows_the_help() -> None:
    result = run()
    assert "upscale" in result.stdout + result.stderr
    assert result.returncode == 2


@pytest.mark.parametrize("arguments", [("upscael",), ("info",), ("info", "--no-such-option"), ("info", "nowhere")])
def test_a_mistake_is_told_in_words_with_code_two(arguments: tuple[str, ...]) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    assert arguments[-1].lstrip("-") in result.stderr


def test_a_near_name_is_suggested() -> None:
    assert "did you mean 'espcn-x3'" in run("info", "esspcn-x3").stderr


def test_a_damaged_bundle_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.spx").write_bytes(b"PK\x03\x04 and nothing more")
    result = run("info", str(tmp_path / "bad.spx"))
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("subpixel: ")


def test_a_missing_extra_names_the_command_that_brings_it(tmp_path: Path) -> None:
    """A package that isn't there, whatever this machine has installed: found first on the path, it says so itself."""
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    result = run("export", "espcn", "--scale", "3", PYTHONPATH=str(tmp_path))
    assert result.returncode == 2
    assert "pip install 'subpixel[export]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_reader_that_goes_away_is_no_error() -> None:
    with subprocess.Popen([*CLI, "models", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert b"Traceback" not in process.stderr.read()


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_an_interrupt_ends_with_130_and_no_traceback(tmp_path: Path) -> None:
    pipe = tmp_path / "bundle.json"
    # A job in the background of a script ignores interrupts, and its children with it: they are let in again below.
    os.mkfifo(pipe)  # reading it waits for a writer that never comes
    code = (
        "import pathlib, sys, subpixel.cli.info as verb, subpixel.cli.main as m;"
        f"verb.find_here = lambda name: pathlib.Path({str(pipe)!r}).read_bytes();"
        "print('ready', flush=True); sys.argv = ['subpixel', 'info', 'x']; m.main()"
    )
    command = [sys.executable, "-c", "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);" + code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        told = process.stderr.read().decode()
    assert process.returncode == 130
    assert "interrupted" in told
    assert "Traceback" not in told


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (errors.BadInputError("x"), 2),
        (errors.BundleError("x"), 2),
        (errors.DeviceError("x"), 2),
        (errors.GateError("x"), 1),
        (errors.PartialResultError("x"), 3),
        (KeyboardInterrupt(), 130),
        (click.exceptions.Abort(), 130),
        (click.UsageError("x"), 2),
        (MemoryError(), 2),
    ],
)
def test_every_way_to_fail_has_its_code(
    fault: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    @click.command()
    def failing() -> None:
        raise fault

    monkeypatch.setattr(command_line, "cli", failing)
    monkeypatch.setattr(sys, "argv", ["subpixel"])
    with pytest.raises(SystemExit) as end:
        command_line.main()
    assert end.value.code == code
    assert capsys.readouterr().err


def test_a_number_that_a_verb_returns_is_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    def gate() -> int:
        return 1

    monkeypatch.setattr(command_line, "cli", gate)
    monkeypatch.setattr(sys, "argv", ["subpixel"])
    with pytest.raises(SystemExit) as end:
        command_line.main()
    assert end.value.code == 1
