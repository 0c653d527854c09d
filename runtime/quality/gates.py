"""The gates of DESIGN.md section 5 and their verdicts. A limit is never loosened; NaN fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

PARITY_MAX_ABS = 1e-4  # of full scale, fp32 against torch
PARITY_U8_LEVELS = 1.0
HALF_MIN_DB = 50.0  # fp16 and bf16 against torch
INT8_MAX_LOSS_DB = 0.1
INT8_MAX_BIAS_LEVELS = 0.5
INT8_MAX_FLAT_LEVELS = 2.0
TILED_LEVELS = 1.0
FLICKER_MAX_GAIN = 1.05


@dataclass(frozen=True)
class Verdict:
    """One gate's outcome; ``worst`` names the image or patch that gave ``figure``. True when it passed."""

    gate: str
    figure: float
    limit: float
    unit: str
    worst: str
    at_least: bool = False

    def __bool__(self) -> bool:
        if isnan(self.figure):
            return False
        return self.figure >= self.limit if self.at_least else self.figure <= self.limit

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        verdict = "passed" if self else "FAILED"
        return f"{self.gate}: {self.figure:.4g} {self.unit} ({sign} {self.limit:g}; {self.worst}) {verdict}"


def all_passed(verdicts: Sequence[Verdict]) -> bool:
    """True when there is evidence and every gate passed."""
    return bool(verdicts) and all(verdicts)
