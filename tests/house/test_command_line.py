"""Every verb of the table resolves, explains itself, and speaks the shared options."""

from __future__ import annotations

from collections.abc import Callable

import click
import pytest
from click.testing import CliRunner

from subpixel.cli.main import VERBS, cli

Require = Callable[[str], None]
NEEDS = {"train": "torch", "export": "torch", "quantize": "torch"}


def command(verb: str, require: Require) -> click.Command:
    if VERBS[verb][1]:
        require(NEEDS.get(VERBS[verb][1], VERBS[verb][1]))
    found = cli.get_command(click.Context(cli), verb)
    assert found is not None
    return found


def options(found: click.Command) -> set[str]:
    return {option for parameter in found.params for option in parameter.opts}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_resolves_and_takes_the_shared_options(verb: str, require: Require) -> None:
    assert {"--json", "--quiet"} <= options(command(verb, require))


@pytest.mark.parametrize("verb", VERBS)
def test_help_shows_an_example_of_the_verb(verb: str, require: Require) -> None:
    command(verb, require)
    result = CliRunner().invoke(cli, [verb, "--help"])
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"subpixel {verb}" in result.output.partition("Example")[2]


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_is_explained(verb: str, require: Require) -> None:
    found = command(verb, require)
    silent = [p.name for p in found.params if isinstance(p, click.Option) and not p.help]
    assert silent == []


def test_the_overview_lists_every_verb_with_its_line() -> None:
    output = CliRunner().invoke(cli, ["--help"]).output
    assert [verb for verb in VERBS if f"  {verb} " not in output] == []


def test_every_extra_that_a_verb_names_is_one_that_there_is() -> None:
    from importlib.metadata import metadata

    known = set(metadata("subpixel").get_all("Provides-Extra") or ())
    assert {extra for _, extra, _ in VERBS.values() if extra} <= known
