"""How large the result shall be: the model's factor, ``--to 1080p`` or ``--size WxH``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from subpixel.errors import BadInputError

NAMED_LINES = {"hd": 720, "fullhd": 1080, "2k": 1440, "4k": 2160, "uhd": 2160, "8k": 4320}
LARGEST_SIDE_PX = 65535


@dataclass(frozen=True)
class SizeWish:
    """``lines``: the shorter side's new length, the shape kept; or ``exact``: ``(width, height)`` in stored pixels.

    >>> SizeWish(lines=1080).resolve(640, 360)
    (1920, 1080)
    """

    lines: int | None = None
    exact: tuple[int, int] | None = None

    def resolve(self, width: int, height: int, even: bool = False) -> tuple[int, int]:
        """The new ``(width, height)`` of a ``width`` x ``height`` picture; ``even`` rounds ``lines``' result to even.

        Raises ``BadInputError`` when that is smaller than the picture.
        """
        found = self.exact or self._by_lines(width, height, 2 if even else 1)
        if found[0] < width or found[1] < height:
            raise BadInputError(
                f"asked for {found[0]}x{found[1]}, and the input has {width}x{height} already; ask for a larger size"
            )
        if max(found) > LARGEST_SIDE_PX:
            raise BadInputError(f"asked for {found[0]}x{found[1]}; no side can be longer than {LARGEST_SIDE_PX}")
        return found

    def _by_lines(self, width: int, height: int, step: int) -> tuple[int, int]:
        lines = self.lines or min(width, height)
        longer = max(width, height) * lines / min(width, height)
        rounded = max(step, round(longer / step) * step), max(step, round(lines / step) * step)
        return rounded if width >= height else (rounded[1], rounded[0])


def parse_to(text: str) -> SizeWish:
    """``1080p``, ``720p``, ``4k``, ``8k``: the length of the shorter side. Raises ``BadInputError``."""
    name = text.strip().lower()
    match = re.fullmatch(r"(\d{2,5})p", name)
    lines = int(match.group(1)) if match else NAMED_LINES.get(name)
    if not lines:
        raise BadInputError(f"--to: found {text!r}, needed lines as 720p or 1080p, or 4k or 8k")
    return SizeWish(lines=lines)


def parse_size(text: str) -> SizeWish:
    """``1920x1080``: width and height. Raises ``BadInputError``."""
    match = re.fullmatch(r"(\d{1,5})[xX×:](\d{1,5})", text.strip())
    if not match or not int(match.group(1)) or not int(match.group(2)):
        raise BadInputError(f"--size: found {text!r}, needed WIDTHxHEIGHT as 1920x1080")
    return SizeWish(exact=(int(match.group(1)), int(match.group(2))))
