"""The part of a video that is worked on, by the times that its frames have in the file."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Span:
    """Times are seconds by the file's own clock; ``None`` is no bound.

    ``start``: of the first frame wanted; ``until``: frames and packets from then on are left out; ``seek``: where
    reading begins; ``shift``: what is taken off all times, so that a part begins at zero.
    ``frames``: at most so many, and with them ``before`` frames that come before and ``after`` that follow, for models
    that look around; that is a segment.
    """

    start: Fraction | None = None
    until: Fraction | None = None
    seek: Fraction | None = None
    shift: Fraction = Fraction(0)
    frames: int | None = None
    before: int = 0
    after: int = 0

    def ticks(self, time_base: Fraction) -> int:
        """``shift`` in a stream's ticks."""
        return round(self.shift / time_base)


WHOLE = Span()
