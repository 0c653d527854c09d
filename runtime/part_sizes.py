"""The sizes in which parts of frames go through a model: few, for a library takes time and memory for every new one."""

from __future__ import annotations

from collections import Counter

MOST_LARGER = 1.5  # than what is wanted: more pixels than so many times are not run for nothing
NEW_SIZE_COST = 8  # runs of a size; OpenVINO takes 2 to 5 for the first one, and keeps 0.4 MB for each from then on

Size = tuple[int, int]


class PartSizes:
    """Which were run already. Another one is run in the smallest that holds it, until that has cost too much."""

    def __init__(self) -> None:
        self._known: set[Size] = set()
        self._wasted: Counter[Size] = Counter()  # pixels run for nothing, by the size that was wanted

    def size_for(self, wanted: Size) -> Size:
        """Height and width in which a part of ``wanted`` is run: no less on either side."""
        most = MOST_LARGER * _area(wanted)
        holding = [s for s in self._known if s[0] >= wanted[0] and s[1] >= wanted[1] and _area(s) <= most]
        if wanted in self._known or not holding:
            return wanted
        least = min(holding, key=_area)
        self._wasted[wanted] += _area(least) - _area(wanted)
        return least if self._wasted[wanted] <= NEW_SIZE_COST * _area(wanted) else wanted

    def ran(self, sizes: set[Size]) -> bool:
        """Remember them; whether all were known."""
        were_known = sizes <= self._known
        self._known |= sizes
        return were_known


def _area(size: Size) -> int:
    return size[0] * size[1]
