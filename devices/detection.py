"""Which board this is: what the system tells against the profiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from subpixel.devices.board import Board, Match, load_profiles
from subpixel.devices.system import System, read_system

UNKNOWN = "unknown board"


@dataclass(frozen=True)
class Detection:
    """``board`` is ``None`` when no profile matches; ``system`` says what was seen either way."""

    board: Board | None
    system: System

    @property
    def name(self) -> str:
        """The board's name, or ``unknown board`` with what is known of it."""
        if self.board is not None:
            return self.board.name
        seen = [part for part in (self.system.model, self.system.cpu.name, self.system.arch) if part]
        return f"{UNKNOWN} ({', '.join(seen) or 'the system tells nothing'})"


def detect(root: Path = Path("/"), boards: Sequence[Board] | None = None) -> Detection:
    """Recognise the board whose system files lie under ``root``, among ``boards`` (default: the shipped profiles)."""
    system = read_system(root)
    known = load_profiles() if boards is None else boards
    return Detection(next((board for board in known if matches(board.match, system)), None), system)


def matches(match: Match, system: System) -> bool:
    """Whether everything that the profile asks for holds."""
    flags = set(system.cpu.flags)
    return (
        _named(match, system)
        and (not match.cpu_part or not system.cpu.parts or bool({*match.cpu_part} & {*system.cpu.parts}))
        and flags.issuperset(match.flags)
        and (not match.any_flag or not flags.isdisjoint(match.any_flag))
        and flags.isdisjoint(match.no_flag)
    )


def _named(match: Match, system: System) -> bool:
    """By the device tree's ``compatible`` or by the model's name, where the profile has either."""
    if not match.device_tree and not match.model:
        return True
    by_tree = not {*match.device_tree}.isdisjoint(system.compatible)
    return by_tree or any(text in system.model for text in match.model)
