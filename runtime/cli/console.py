"""What all verbs share: the options, text on stderr, one JSON object on stdout."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from subpixel.records import to_json

if TYPE_CHECKING:
    from rich.console import Console  # a tenth of a second to import: only where something is said

FILE_COLUMNS = 140  # a file or a pipe has no width of its own; tables stay whole

Command = TypeVar("Command", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout; all else on stderr.")
quiet_option = click.option("--quiet", is_flag=True, help="No progress, no text; errors only.")
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace what is already there.")


@dataclass(frozen=True)
class Output:
    """Where a verb speaks. ``say`` is for people; ``result`` ends the verb, as JSON or not at all.

    ``is_piped``: stdout is taken by the result itself.
    """

    as_json: bool = False
    quiet: bool = False
    is_piped: bool = False

    @property
    def console(self) -> Console:
        """For tables, text and progress: stdout for people, stderr beside JSON, nowhere when quiet."""
        from rich.console import Console

        on_stderr = self.as_json or self.is_piped
        stream = sys.stderr if on_stderr else sys.stdout
        width = None if stream.isatty() else FILE_COLUMNS
        return Console(stderr=on_stderr, quiet=self.quiet, highlight=False, soft_wrap=True, width=width)

    @property
    def progress_console(self) -> Console:
        """Always stderr."""
        from rich.console import Console

        return Console(stderr=True, quiet=self.quiet, highlight=False)

    def say(self, text: str) -> None:
        """One line for people."""
        if self.quiet:
            return
        self.console.print(text, markup=False)

    def result(self, value: object) -> None:
        """The verb's result; printed only with ``--json``."""
        if self.as_json:
            json.dump(to_json(value), sys.stdout, indent=1, default=str)
            sys.stdout.write("\n")
