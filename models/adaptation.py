"""What ``subpixel adapt`` does between reading the user's frames and exporting the net: kernel, training, card."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save as save_safetensors

from subpixel.models.architecture import TrainedModel
from subpixel.models.blur_kernels import Kernel, Plane, covariance_of, read_kernel
from subpixel.models.interrupts import held_back
from subpixel.models.kernel_estimation import estimated_kernel
from subpixel.models.reduction import Reduction
from subpixel.models.self_training import SelfRecipe, SelfTrainer
from subpixel.models.zssr import ZSSR
from subpixel.quality.metrics import psnr_db

STATE = "state.pt"
SAVE_SECONDS = 20.0
UNBOUNDED_STEPS = 100_000


@dataclass(frozen=True)
class Wish:
    """What the user asks for. ``kernel``: ``bicubic``, ``estimate`` or a ``.npy`` file; it ends at either limit."""

    scale: int
    kernel: str
    minutes: float
    steps: int = UNBOUNDED_STEPS


@dataclass(frozen=True)
class Adapted:
    """What came out. PSNR in dB: the input made again from its own reduction, by the net and by bicubic.

    ``kernel``: ``bicubic``, ``estimate`` or a file's name; ``covariance``: of the kernel, HR pixels squared.
    """

    scale: int
    kernel: str
    covariance: tuple[tuple[float, float], tuple[float, float]]
    frames: int
    steps: int
    seconds: float
    psnr_db: float
    bicubic_psnr_db: float


def kernel_named(word: str, planes: Sequence[Plane], scale: int) -> Kernel | None:
    """``bicubic`` (``None``), ``estimate``, or a ``.npy`` file. Raises ``NotFoundError`` or ``BadInputError``."""
    if word == "bicubic":
        return None
    return estimated_kernel(planes, scale) if word == "estimate" else read_kernel(Path(word), scale)


class Adaptation:
    """A training that can be left and taken up again. ``folder``: where its state is kept meanwhile.

    Raises ``BadInputError`` for frames too small, or a state of another input.
    """

    def __init__(self, planes: Sequence[Plane], wish: Wish, folder: Path) -> None:
        ZSSR.check_scale(wish.scale)
        self.planes, self.wish, self.file = planes, wish, folder / STATE
        kernel = kernel_named(wish.kernel, planes, wish.scale)
        recipe = SelfRecipe(steps=wish.steps, seconds=60 * wish.minutes)
        self.trainer = SelfTrainer(planes, Reduction(wish.scale, float(wish.scale), kernel), recipe)
        self.key = key_of(planes, self.trainer.reduction.full_kernel, replace(recipe, seconds=0.0, steps=0))
        self.resumed = self.file.is_file()
        if self.resumed:
            self.trainer.resume(self.file, self.key)

    def run(self, tell: Callable[[float, int], None]) -> None:
        """Train to the end; ``tell`` gets the seconds spent and the steps done. However it ends, the state is kept."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        trainer, saved = self.trainer, self.trainer.progress.seconds
        try:
            while not trainer.finished:
                with held_back():
                    trainer.step()
                tell(trainer.progress.seconds, trainer.progress.step)
                if trainer.progress.seconds - saved > SAVE_SECONDS:
                    trainer.save(self.file, self.key)
                    saved = trainer.progress.seconds
        finally:
            trainer.save(self.file, self.key)

    def result(self, name: str) -> tuple[TrainedModel, Adapted]:
        """The net with its weights and card; ``name``: of the input."""
        figures = self._figures()
        weights = {key: value.contiguous() for key, value in self.trainer.net.state_dict().items()}
        return TrainedModel(ZSSR, figures.scale, save_safetensors(weights), card(figures, name)), figures

    def _figures(self) -> Adapted:
        trainer, reduction = self.trainer, self.trainer.reduction
        (xx, xy), (_, yy) = covariance_of(reduction.full_kernel).tolist()
        ours, plain = zip(*(self._scores(given, wanted) for given, wanted in trainer.witnesses), strict=True)
        return Adapted(
            scale=reduction.scale,
            kernel=Path(self.wish.kernel).name,
            covariance=((xx, xy), (xy, yy)),
            frames=len(self.planes),
            steps=trainer.progress.step,
            seconds=trainer.progress.seconds,
            psnr_db=float(np.mean(ours)),
            bicubic_psnr_db=float(np.mean(plain)),
        )

    def _scores(self, given: torch.Tensor, wanted: torch.Tensor) -> tuple[float, float]:
        with torch.no_grad():
            made = given + self.trainer.net.residual(given)
        border = self.trainer.reduction.scale
        truth = wanted[0, 0].numpy()
        return psnr_db(made[0, 0].numpy(), truth, border), psnr_db(given[0, 0].numpy(), truth, border)


def key_of(planes: Sequence[Plane], kernel: Kernel, recipe: SelfRecipe) -> str:
    """Tells trainings apart that can't go on from each other; its limits aren't part of it."""
    digest = hashlib.sha256(repr(sorted(asdict(recipe).items())).encode())
    for array in (kernel, *planes):
        digest.update(repr(array.shape).encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def card(made: Adapted, name: str) -> str:
    """The bundle's card."""
    (xx, xy), (_, yy) = made.covariance
    source = "a picture" if made.frames == 1 else f"{made.frames} frames of a clip"
    return f"""# zssr-x{made.scale}, adapted to {name}

Architecture: {ZSSR.paper}. Trained on {source} alone ({name}) by `subpixel adapt`: {made.steps:,} steps in
{made.seconds / 60:.1f} minutes. It is made for that input and for others from the same source; on anything else it may
be worse than bicubic.

Kernel: {made.kernel}; its covariance (xx, xy, yy) is {xx:.2f}, {xy:.2f}, {yy:.2f} HR pixels squared.

The input made again from its own reduction by that kernel: {made.psnr_db:.2f} dB, bicubic
{made.bicubic_psnr_db:.2f} dB. That is what it was trained on: it shows that training worked, not how good
the enlargement is.

The bundle is the plain net on the bicubic enlargement. The paper's tests at the end (the median over the image's
symmetries, back-projection, sizes in steps) run several nets an image and are not in it.

Licence: the weights follow from your own input; the code is Apache-2.0.
"""
