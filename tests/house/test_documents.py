"""What the documents say is run: Python examples, doctests, the command lines, the scripts they name."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import click
import pytest

import subpixel
from subpixel.cli.main import VERBS, cli

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
RUN_PAGES = [page for page in PAGES if page.name != "CONTRIBUTING.md"]  # its recipes have tests of their own
FENCE = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
Require = Callable[[str], None]


def blocks(page: Path, *languages: str) -> list[str]:
    return [body for language, body in FENCE.findall(page.read_text()) if language in languages]


def commands() -> list[str]:
    """Every ``subpixel ...`` line of the shell blocks, continuation lines joined, without prompt and comment."""
    found = []
    for page in PAGES:
        for body in blocks(page, "sh", "bash", "shell", "console"):
            for line in body.replace("\\\n", " ").splitlines():
                text = line.removeprefix("$ ").partition("  #")[0].strip()
                if text.startswith("subpixel "):
                    found.append(text)
    return sorted(set(found))


def modules() -> list[str]:
    return [m.name for m in pkgutil.walk_packages(subpixel.__path__, "subpixel.") if not m.name.endswith("__main__")]


@pytest.mark.parametrize("name", ["subpixel", *modules()])
def test_doctests_hold(name: str, require: Require, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as fault:
        assert fault.name is not None and not fault.name.startswith("subpixel")
        require(fault.name.partition(".")[0])
        raise
    assert doctest.testmod(module).failed == 0


@pytest.mark.parametrize("page", RUN_PAGES, ids=lambda page: page.name)
def test_python_examples_run(page: Path, samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder that has ``clip.mp4`` and ``photo.webp``; the blocks of a page share their names."""
    shutil.copy(samples / "bunny_424x240.mp4", tmp_path / "clip.mp4")
    shutil.copy(ROOT / "runtime" / "gate_set" / "gate_fig_720x480.webp", tmp_path / "photo.webp")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": page.stem}
    for number, body in enumerate(blocks(page, "python"), 1):
        exec(compile(body, f"{page.name}, example {number}", "exec"), names)


@pytest.mark.parametrize("line", commands())
def test_command_lines_in_the_documents_name_verbs_and_options_that_there_are(line: str, require: Require) -> None:
    verb, *arguments = shlex.split(line, comments=True)[1:]
    if verb.startswith("-"):
        return
    assert verb in VERBS
    if VERBS[verb][1]:
        require("torch")
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    command.make_parser(click.Context(command)).parse_args(list(arguments))


def test_scripts_that_the_documents_name_are_there() -> None:
    named = {name for page in PAGES for name in re.findall(r"(?<![\w/])scripts/[\w-]+", page.read_text())}
    assert {name for name in named if not (ROOT / name).is_file()} == set()
