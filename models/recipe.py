"""A training recipe: everything that decides the weights, so that a card's command can be repeated."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from subpixel.errors import BadInputError

TrainPrecision = Literal["auto", "fp32", "bf16"]
Criterion = Literal["mse", "charbonnier"]


@dataclass(frozen=True)
class Recipe:
    """``lr`` rises over ``warmup`` steps, then falls to 1 % of itself by a cosine.

    ``criterion``: what is made of the pixels' errors by nets without a loss of their own: the mean of their squares, or
    of Charbonnier's ``sqrt(error^2 + 1e-6)``, which leaves the few large ones less to say. ``refresh``: steps between
    two updates of the optimiser's eigenbases, which take a third of a step's time in nets of 64 channels. ``resized``:
    images are also taken at these shares of their size, where they are sharper and their own compression shows less.
    ``average_steps``: what is saved is the mean of the weights after about the last so many steps; 0: the last ones.
    """

    steps: int = 20_000
    batch: int = 8
    patch_px: int = 48
    lr: float = 3e-3
    warmup: int = 200
    seed: int = 1
    precision: TrainPrecision = "auto"
    threads: int = 1
    criterion: Criterion = "mse"
    refresh: int = 10
    resized: tuple[float, ...] = ()
    average_steps: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "patch_px", "threads", "refresh"):
            if getattr(self, name) < 1:
                raise BadInputError(f"--{name.replace('_px', '')}: found {getattr(self, name)}, needed at least 1")
        if self.average_steps < 0:
            raise BadInputError(f"--average-steps: found {self.average_steps}, needed 0 or more")
        if not all(0 < share < 1 for share in self.resized):
            raise BadInputError(f"--resized: found {self.resized}, needed shares between 0 and 1")
        if not 0 < self.lr < 1:
            raise BadInputError(f"--lr: found {self.lr}, needed more than 0 and less than 1")

    def lr_at(self, step: int) -> float:
        """The learning rate of step ``step``, counted from 0."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        return self.lr * rise * cosine_fall(min(1.0, step / self.steps))


def cosine_fall(done: float) -> float:
    """The share of the learning rate that is left: 1 at 0, a hundredth at 1."""
    return 0.99 * 0.5 * (1 + math.cos(math.pi * done)) + 0.01
