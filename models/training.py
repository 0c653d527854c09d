"""The training loop: resumable to the bit, deterministic for a seed, saved on Ctrl-C."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from subpixel.errors import BadInputError, BundleError, NotFoundError, faults_as
from subpixel.models.architecture import Architecture
from subpixel.models.averaging import RunningMean
from subpixel.models.branches import folded_state, own_weights, widen
from subpixel.models.interrupts import held_back
from subpixel.models.patches import rim_weight
from subpixel.models.perceptual import CHARBONNIER_EPS
from subpixel.models.recipe import Criterion, Recipe
from subpixel.models.soap import Soap
from subpixel.quality.colour import luma
from subpixel.quality.metrics import psnr_db

KEPT_FIRST_LOSSES = 200  # what the reproduction test of a card compares
INITIAL_PATCHES = 64
CHECKPOINT, WEIGHTS_FILE = "checkpoint.pt", "weights.safetensors"


@dataclass
class Progress:
    """What the loop has done so far; part of a checkpoint."""

    step: int = 0
    seconds: float = 0.0
    loss: float = float("nan")
    first_losses: list[float] = field(default_factory=list)
    points: list[tuple[int, float, float, float]] = field(default_factory=list)  # step, seconds, loss, PSNR dB


LossOfNet = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


class BatchSource(Protocol):
    """Where batches come from: what the net takes and what it should give, ``[N, C, H, W]`` float32 each."""

    random: np.random.Generator

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]: ...


class Trainer:
    """One net, one recipe, one folder for what it leaves behind.

    A net may have ``initialise(lr)``, called once with a batch, and ``stretch(lr)``, called with the same on what is
    saved; ``inner()``, the convolutions that are trained as ``branches``; ``at_scale(lr, scale)``, where a batch has
    one of several scales; ``rim_px``, how wide a patch's rim is for it, in place of its reach; and
    ``training_loss(lr, hr, weight)`` in place of the recipe's criterion, ``weight`` being ``border_weight``
    ``[s p, s p]``.
    """

    def __init__(
        self, architecture: Architecture, scale: int, recipe: Recipe, source: BatchSource, out: Path,
        device: str = "cpu",
    ) -> None:  # fmt: skip
        torch.set_num_threads(recipe.threads)
        torch.manual_seed(recipe.seed)
        self.architecture, self.scale, self.recipe, self.source, self.out = architecture, scale, recipe, source, out
        self.device = torch.device(device)
        net = architecture.build(scale).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        initialise = getattr(net, "initialise", None)
        if initialise is not None:
            self._sample = source.batch(INITIAL_PATCHES)[0]
            initialise(self._sample)
        widen(net)
        self.net: nn.Module = net.to(self.device)
        self.optimiser = Soap(self.net.parameters(), lr=recipe.lr, refresh=recipe.refresh)
        self.progress, self.mean = Progress(), RunningMean(recipe.average_steps)
        rim_px = getattr(net, "rim_px", architecture.radius_px(scale) or 0)
        self.weight = border_weight(recipe.patch_px, rim_px, scale).to(self.device)
        self.bf16 = recipe.precision == "bf16" or (recipe.precision == "auto" and self._bf16_is_faster())

    def step(self) -> float:
        """One optimiser step; gives its loss."""
        started = time.perf_counter()
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.lr_at(self.progress.step)
        lr, hr = self.source.batch(self.recipe.batch)
        loss = self._loss(lr.to(self.device), hr.to(self.device))
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        if self.mean.steps:
            self.mean.take(folded_state(self.net))
        return self._count(float(loss.detach()), time.perf_counter() - started)

    def _loss(self, lr: torch.Tensor, hr: torch.Tensor) -> torch.Tensor:
        lr = lr.to(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            own: LossOfNet | None = getattr(self.net, "training_loss", None)
            if own is not None:
                return own(lr, hr, self.weight)
            at_scale = getattr(self.net, "at_scale", None)
            sr = at_scale(lr, hr.shape[-1] // lr.shape[-1]) if at_scale else self.net(lr)
        weight = torch.ones(()) if at_scale else self.weight  # such a net sees all of a patch anywhere
        return pixel_loss(sr.float() - hr, weight.to(hr.device), self.recipe.criterion)

    def _count(self, loss: float, seconds: float) -> float:
        progress = self.progress
        progress.step += 1
        progress.seconds += seconds
        progress.loss = loss if progress.step == 1 else 0.99 * progress.loss + 0.01 * loss
        if len(progress.first_losses) < KEPT_FIRST_LOSSES:
            progress.first_losses.append(loss)
        return loss

    def _bf16_is_faster(self) -> bool:
        """Measured, not assumed: on some CPUs with bf16 instructions torch's convolutions are slower in bf16."""
        if self.device.type != "cpu":
            return True
        state = self.source.random.bit_generator.state
        lr, hr = self.source.batch(self.recipe.batch)
        self.source.random.bit_generator.state = state
        return min(self._pass_times(lr, hr, True)) < min(self._pass_times(lr, hr, False))

    def _pass_times(self, lr: torch.Tensor, hr: torch.Tensor, bf16: bool) -> Sequence[float]:
        times = []
        self.bf16 = bf16
        for _ in range(4):
            started = time.perf_counter()
            self._loss(lr, hr).backward()  # type: ignore[no-untyped-call]
            times.append(time.perf_counter() - started)
        self.net.zero_grad()
        return times[1:]

    def record(self, psnr_db: float) -> None:
        """Add a point to the learning curve."""
        progress = self.progress
        progress.points.append((progress.step, progress.seconds, progress.loss, psnr_db))

    def save(self) -> None:
        """Checkpoint and weights, each written aside and renamed."""
        self.out.mkdir(parents=True, exist_ok=True)
        state = self.state()
        _write(self.out / CHECKPOINT, lambda path: torch.save(state, path))
        weights = {key: value.contiguous() for key, value in self._finished().items()}
        _write(self.out / WEIGHTS_FILE, lambda path: save_file(weights, path))

    def shown(self) -> nn.Module:
        """The net as it would be saved: with the mean of its weights where the recipe asks for it."""
        if not self.mean.values:
            return self.net
        net = self.architecture.build(self.scale)
        net.load_state_dict(self.mean.values)
        return net.to(self.device)

    def _finished(self) -> dict[str, torch.Tensor]:
        """The plain net's weights, as they are used from here on."""
        weights = {key: value.cpu() for key, value in (self.mean.values or folded_state(self.net)).items()}
        if not hasattr(self.net, "stretch"):
            return weights
        net: Any = self.architecture.build(self.scale)
        net.load_state_dict(weights)
        net.stretch(self._sample)
        return dict(net.state_dict())

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "recipe": json.dumps(asdict(self.recipe)),
            "net": self.net.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "torch_rng": torch.get_rng_state(),
            "patches_rng": json.dumps(self.source.random.bit_generator.state),
            "progress": json.dumps(asdict(self.progress)),
            "name": self.architecture.weights_name(self.scale),
            "bf16": self.bf16,
            "mean": self.mean.values,
            "mean_taken": self.mean.taken,
        }

    def resume(self) -> bool:
        """Go on from the folder's checkpoint when there is one. Raises ``BadInputError`` for another recipe."""
        file = self.out / CHECKPOINT
        if not file.is_file():
            return False
        with faults_as(BundleError, f"{file} can't be read; remove it to start again"):
            state = torch.load(file, weights_only=True)
        self._check_same(state, file)
        self.restore(state)
        return True

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        self.net.load_state_dict(state["net"])
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["torch_rng"])
        self.source.random.bit_generator.state = json.loads(state["patches_rng"])
        self.progress = read_progress(json.loads(state["progress"]))
        self.bf16 = state["bf16"]
        self.mean.restore(state["mean_taken"], state["mean"])

    def _check_same(self, state: dict[str, str], file: Path) -> None:
        mine = {"name": self.architecture.weights_name(self.scale), "recipe": json.dumps(asdict(self.recipe))}
        for key, value in mine.items():
            if state[key] != value:
                raise BadInputError(
                    f"{file} was made with another {key}: found {state[key]}, needed {value}; "
                    "repeat that command, or choose another --out"
                )

    def start_from(self, weights: Path) -> list[str]:
        """Take over every tensor that fits from other weights (another scale's); gives those left as they were."""
        if not weights.is_file():
            raise NotFoundError(f"{weights}: no such weights for --init")
        with faults_as(BadInputError, f"{weights} isn't a safetensors file"):
            given = load_file(weights)
        mine, names = self.net.state_dict(), own_weights(self.net)
        fitting = {k: given[name] for k, name in names.items() if name in given and mine[k].shape == given[name].shape}
        self.net.load_state_dict({**mine, **fitting})
        return sorted(names[k] for k in names.keys() - fitting.keys())


def run(trainer: Trainer, validate: Callable[[nn.Module], float], every: int) -> Iterator[Progress]:
    """Train to the recipe's end, yielding after every step; validates and saves each ``every`` steps and at the end.

    Interrupted (Ctrl-C, or the generator closed), the state so far is saved.
    """
    try:
        while trainer.progress.step < trainer.recipe.steps:
            with held_back():
                trainer.step()
            if trainer.progress.step % every == 0 or trainer.progress.step == trainer.recipe.steps:
                trainer.record(validate(trainer.shown()))
                trainer.save()
            yield trainer.progress
    finally:
        trainer.save()


def pixel_loss(fault: torch.Tensor, weight: torch.Tensor, criterion: Criterion) -> torch.Tensor:
    """The weighted mean of an error ``[N, 1, H, W]`` as the criterion sees it; ``weight``: of the pixels, mean 1."""
    if criterion == "charbonnier":
        return (weight * torch.sqrt(fault.square() + CHARBONNIER_EPS**2)).mean()
    return (weight * fault.square()).mean()


def border_weight(patch_px: int, radius_px: int, scale: int) -> torch.Tensor:
    """``rim_weight`` of an HR patch, ``[s p, s p]``, whose rim is as wide as an LR pixel reaches."""
    return rim_weight(patch_px * scale, patch_px * scale, radius_px * scale)


def read_progress(data: dict[str, object]) -> Progress:
    """The progress that a checkpoint holds as JSON."""
    progress = Progress(**data)  # type: ignore[arg-type]
    progress.points = [(int(p[0]), float(p[1]), float(p[2]), float(p[3])) for p in progress.points]
    return progress


def _write(path: Path, write: Callable[[Path], object]) -> None:
    fresh = path.with_name(f".{path.name}.part")
    write(fresh)
    fresh.replace(path)


def psnr_of(net: nn.Module, pairs: Sequence[tuple[np.ndarray, np.ndarray]], scale: int) -> float:
    """Mean PSNR in dB of a net over (LR, HR) pairs, ``scale`` pixels cropped.

    LR: a plane ``[h, w]`` or what the net takes, ``[C, h, w]`` (frames for a net that is ``unrolled``); HR: luma
    ``[s h, s w]``. Of an RGB net Y is measured.
    """
    net.eval()
    results = [psnr_db(_enlarged(net, lr).clip(0, 1), hr, scale) for lr, hr in pairs]
    net.train()
    return float(np.mean(results))


def _enlarged(net: nn.Module, lr: np.ndarray) -> np.ndarray:
    planes = lr if lr.ndim == 3 else lr[None]
    given = torch.from_numpy(planes[None].astype(np.float32)).to(next(net.parameters()).device)
    with torch.no_grad():
        result = getattr(net, "unrolled", net)(given)[0].cpu().numpy()
    return luma(result.transpose(1, 2, 0)) if len(result) == 3 else result[0]
