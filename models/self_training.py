"""Training on the test image alone. Shocher, Cohen, Irani, CVPR 2018, sections 3.1 and 3.2.

Pairs: a random crop of the image at a random smaller size, in one of eight symmetries, is the HR father; reduced by the
kernel it is the LR son, and enlarged by bicubic what the net is given. Two things differ from the paper: the loss is
the squared error, and the optimiser SOAP: 25 processor seconds on one 128 x 128 image gave 39.0 dB with it and 34.7 dB
with the paper's Adam.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from subpixel.errors import BadInputError, BundleError, faults_as
from subpixel.models.blur_kernels import Plane
from subpixel.models.patches import rim_weight, turn
from subpixel.models.recipe import cosine_fall
from subpixel.models.reduction import Reduction
from subpixel.models.soap import Soap
from subpixel.models.zssr import Zssr
from subpixel.quality.resize import resize

FATHER_SIZES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)  # of the image's own
SMALLEST_PX = 16
WITNESSES, WITNESS_PX = 4, 128  # what the reconstruction error is measured on: the middle of so many images
FIRST_CROPS = 16
RIM_PX = 6  # a crop's own border is hardly ever seen in an image
SOAP_REFRESH = 20

Pair = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class SelfRecipe:
    """At most ``steps`` steps and ``seconds`` seconds. ``lr`` falls as ``RateRule`` says, and by a cosine to 1 % of
    itself from the share ``tail`` of steps or seconds on, so that a short training ends as quietly as a long one.
    """

    steps: int = 1200
    seconds: float = math.inf
    crop_px: int = 64
    lr: float = 3e-3
    warmup: int = 20
    tail: float = 0.5
    check_every: int = 25
    seed: int = 1
    threads: int = 1

    def rate(self, step: int, seconds: float) -> float:
        """The learning rate before the rule, at a step counted from 0."""
        done = min(1.0, max(step / self.steps, seconds / self.seconds))
        rise = min(1.0, (step + 1) / self.warmup)
        return self.lr * rise * cosine_fall(max(0.0, (done - self.tail) / (1 - self.tail)))


@dataclass
class RateRule:
    """Divides the learning rate when the reconstruction error no longer falls clearly, and says when to stop.

    A line is fitted to the last ``points`` errors: where ``ratio`` times its fall is not more than the standard error
    of that fall, the rate is divided by ``divisor``. Below ``lowest`` of the first rate, training has finished.
    """

    points: int = 10
    ratio: float = 1.5
    divisor: float = 10.0
    lowest: float = 1e-3
    factor: float = 1.0
    since: int = 0
    steps: list[int] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)

    def add(self, step: int, error: float) -> None:
        """A new reconstruction error (mean squared) after ``step`` steps."""
        self.steps.append(step)
        self.errors.append(error)
        self.since += 1
        if self.since >= self.points and self._stalled():
            self.factor, self.since = self.factor / self.divisor, 0

    def _stalled(self) -> bool:
        slope, spread = fitted_slope(self.steps[-self.points :], self.errors[-self.points :])
        return -self.ratio * slope <= spread

    @property
    def finished(self) -> bool:
        """Whether the rate has fallen below the lowest."""
        return self.factor < self.lowest


def fitted_slope(steps: Sequence[int], errors: Sequence[float]) -> tuple[float, float]:
    """Slope of the least-squares line and the slope's standard error; at least three points."""
    x, y = np.asarray(steps, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    x, y = x - x.mean(), y - y.mean()
    slope = float((x * y).sum() / (x * x).sum())
    rest = y - slope * x
    return slope, float(np.sqrt((rest**2).sum() / (len(x) - 2) / (x * x).sum()))


@dataclass
class SelfProgress:
    """What has been done so far; part of a checkpoint. ``curve``: step, seconds, reconstruction error, rate."""

    step: int = 0
    seconds: float = 0.0
    curve: list[tuple[int, float, float, float]] = field(default_factory=list)


class SelfTrainer:
    """One net for one image, or for the frames of one clip: planes ``[h, w]``, Y in about [0, 1].

    ``net``: to go on with, else a fresh one. Raises ``BadInputError`` when the images are too small for a pair.
    """

    def __init__(
        self, images: Sequence[Plane], reduction: Reduction, recipe: SelfRecipe, net: Zssr | None = None
    ) -> None:
        torch.set_num_threads(recipe.threads)
        torch.manual_seed(recipe.seed)
        self.recipe, self.reduction = recipe, reduction
        self.random = np.random.default_rng(recipe.seed)
        self.fathers = [father for image in images for father in fathers(image)]
        self.share = np.cumsum([father.size for father in self.fathers], dtype=np.float64)
        fresh = Zssr(reduction.scale) if net is None else net
        self.net: Zssr = fresh.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if net is None:
            first = [self.pair(self._crop())[0] for _ in range(FIRST_CROPS)]
            self.net.initialise_enlarged(torch.cat([f for f in first if f.shape == first[0].shape]))
        self.optimiser = Soap(self.net.parameters(), lr=recipe.lr, refresh=SOAP_REFRESH)
        self.rule, self.progress = RateRule(), SelfProgress()
        self.witnesses = [self.pair(middle(image)) for image in images[:WITNESSES]]

    def _crop(self) -> Plane:
        at = int(np.searchsorted(self.share, self.random.random() * self.share[-1], side="right"))
        father = self.fathers[min(at, len(self.fathers) - 1)]
        height, width = (min(self.recipe.crop_px, side) for side in father.shape)
        top = int(self.random.integers(father.shape[0] - height + 1))
        left = int(self.random.integers(father.shape[1] - width + 1))
        return turn(father[top : top + height, left : left + width], int(self.random.integers(8)))

    def pair(self, father: Plane) -> Pair:
        """What the net is given and what it should give, ``[1, 1, h, w]`` each."""
        given, wanted = self.reduction.pair(father)
        return _tensor(given), _tensor(wanted)

    def step(self) -> float:
        """One optimiser step; gives its loss."""
        started = time.perf_counter()
        recipe, progress = self.recipe, self.progress
        for group in self.optimiser.param_groups:
            group["lr"] = self.rule.factor * recipe.rate(progress.step, progress.seconds)
        given, wanted = self.pair(self._crop())
        error = (given + self.net.residual(given) - wanted).square()
        loss = (rim_weight(error.shape[2], error.shape[3], RIM_PX) * error).mean()
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        progress.step += 1
        if progress.step % recipe.check_every == 0:
            self._check()
        progress.seconds += time.perf_counter() - started
        return float(loss.detach())

    def _check(self) -> None:
        progress, error = self.progress, self.reconstruction_error()
        self.rule.add(progress.step, error)
        rate = self.rule.factor * self.recipe.rate(progress.step, progress.seconds)
        progress.curve.append((progress.step, progress.seconds, error, rate))

    def reconstruction_error(self) -> float:
        """Mean squared error of the images made again from their own sons."""
        with torch.no_grad():
            errors = [(given + self.net.residual(given) - wanted).square().mean() for given, wanted in self.witnesses]
        return float(torch.stack(errors).mean())

    @property
    def finished(self) -> bool:
        """By the rule, or because steps or time are used up."""
        spent = self.progress.step >= self.recipe.steps or self.progress.seconds >= self.recipe.seconds
        return spent or self.rule.finished

    def run(self) -> Zssr:
        """Train to the end; the net in evaluation mode."""
        while not self.finished:
            self.step()
        return self.net.eval()

    def save(self, file: Path, key: str) -> None:
        """A checkpoint, written aside and renamed. ``key``: what it was made from."""
        state = {
            "key": key,
            "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "random": json.dumps(self.random.bit_generator.state),
            "rule": json.dumps(asdict(self.rule)),
            "progress": json.dumps(asdict(self.progress)),
        }
        fresh = file.with_name(f".{file.name}.new")
        torch.save(state, fresh)
        fresh.replace(file)

    def resume(self, file: Path, key: str) -> None:
        """Go on from a checkpoint. Raises ``BundleError`` for a damaged one, ``BadInputError`` for another ``key``."""
        with faults_as(BundleError, f"{file} can't be read; remove it to start again"):
            state: dict[str, Any] = torch.load(file, weights_only=True)
        if state["key"] != key:
            raise BadInputError(f"{file} was made from another input or with other options; remove it to start again")
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.random.bit_generator.state = json.loads(state["random"])
        self.rule = RateRule(**json.loads(state["rule"]))
        progress = json.loads(state["progress"])
        progress["curve"] = [tuple(point) for point in progress["curve"]]
        self.progress = SelfProgress(**progress)


def fathers(image: Plane) -> list[Plane]:
    """The image at its own size and at smaller ones. Raises ``BadInputError`` for one too small to make a pair."""
    if min(image.shape) < SMALLEST_PX:
        height, width = image.shape
        raise BadInputError(
            f"found an image of {width}x{height}; needed {SMALLEST_PX}x{SMALLEST_PX} or more to learn from"
        )
    found = [image]
    for size in FATHER_SIZES[1:]:
        height, width = (round(side * size) for side in image.shape)
        if min(height, width) >= SMALLEST_PX:
            found.append(np.asarray(resize(image, height, width)))
    return found


def middle(image: Plane) -> Plane:
    """At most ``WITNESS_PX`` a side."""
    height, width = (min(side, WITNESS_PX) for side in image.shape)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]


def _tensor(plane: Plane) -> torch.Tensor:
    return torch.from_numpy(plane[None, None].astype(np.float32)).to(memory_format=torch.channels_last)
