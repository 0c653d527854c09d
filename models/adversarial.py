"""Adversarial training: a generator that was trained on pixels, a discriminator, and in turn a step of each.

Goodfellow et al. 2014. Resumable to the bit and interruptible as ``training.Trainer``; what it shows as its net, and
saves as weights, is the running mean of the generator's weights, which is calmer than any one step's.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from subpixel.models.architecture import Architecture
from subpixel.models.bicubic import BicubicEnlarge
from subpixel.models.collapse import CollapsedError, Signs, Watch, signs
from subpixel.models.discriminators import EnhanceNetDiscriminator, SrpganDiscriminator
from subpixel.models.enhancenet import pixel_loss
from subpixel.models.features import FeatureName, FeatureNet, feature_net
from subpixel.models.grids import write_grid
from subpixel.models.losses_log import LossRow, draw_losses, write_losses
from subpixel.models.perceptual import charbonnier, feature_matching, perceptual_loss, texture_loss
from subpixel.models.recipe import Recipe
from subpixel.models.training import WEIGHTS_FILE, BatchSource, Trainer

LOG_EVERY = 10


@dataclass(frozen=True)
class AdversarialRecipe(Recipe):
    """Weights of the generator's losses, and the discriminator's part.

    ``average``: how much of the running mean of weights a step keeps. ``rest_below``: with a smaller loss than this the
    discriminator skips its step, so that it doesn't win (EnhanceNet, section 4.3). ``features`` name the network of the
    perceptual and texture losses, ``feature_weights`` the hash of its file where the user named one.
    """

    lr: float = 5e-4
    warmup: int = 50
    pixel: float = 1.0
    content: float = 0.0
    texture: float = 0.0
    matching: float = 0.0
    adversarial: float = 1e-3
    discriminator_lr: float = 1e-4
    discriminator_width: int = 32
    average: float = 0.99
    rest_below: float = 0.3
    features: FeatureName = "efficientnet-lite0"
    feature_weights: str = ""


@dataclass(frozen=True)
class System:
    """A published pair: its discriminator (HR pixels a side, width), its loss of pixels, and our recipe for it."""

    discriminator: Callable[[int, int], nn.Module]
    pixel: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    recipe: AdversarialRecipe


# At an image the perceptual loss's gradient is some 130 times the pixel error's and the texture loss's 50 times. The
# judges are measures of likeness: ESPCN x4, trained 160 steps further with twice or ten times a perceptual weight of
# half the pixel error's pull, lost by HaarPSI (0.701 to 0.700, 0.699) and by MDSI; EnhanceNet, trained 2,000 steps
# with it on the absolute error of R, G and B, won by HaarPSI (0.7496 to 0.7509 on Set14) and lost by MDSI.
SYSTEMS = {
    "enhancenet-pat": System(
        EnhanceNetDiscriminator,
        pixel_loss,
        AdversarialRecipe(pixel=15.0, content=0.0015, texture=0.0006, adversarial=3e-4),
    ),
    "srpgan": System(SrpganDiscriminator, charbonnier, AdversarialRecipe(matching=0.1)),
}


@dataclass(frozen=True)
class Parts:
    """The generator's losses of one step, unweighted; named as their weights in the recipe."""

    pixel: torch.Tensor
    content: torch.Tensor
    texture: torch.Tensor
    matching: torch.Tensor
    adversarial: torch.Tensor

    def total(self, recipe: AdversarialRecipe) -> torch.Tensor:
        """Their weighted sum."""
        weighted = [getattr(recipe, f.name) * getattr(self, f.name) for f in fields(self)]
        return torch.stack(weighted).sum()


class AdversarialTrainer(Trainer):
    """As ``Trainer``: ``net`` is the running mean of ``generator``. ``grid_every``: steps between two grids."""

    def __init__(
        self, architecture: Architecture, scale: int, recipe: AdversarialRecipe, source: BatchSource, out: Path,
        device: str = "cpu", feature_weights: Path | None = None, grid_every: int = 200,
    ) -> None:  # fmt: skip
        super().__init__(architecture, scale, recipe, source, out, device)
        system = SYSTEMS[architecture.name]
        self.plan, self.grid_every, self.pixel_loss = recipe, grid_every, system.pixel
        self.generator, self.net = self.net, copy.deepcopy(self.net).requires_grad_(False)
        critic = system.discriminator(recipe.patch_px * scale, recipe.discriminator_width)
        self.discriminator = critic.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.opponent = torch.optim.Adam(self.discriminator.parameters(), recipe.discriminator_lr, betas=(0.9, 0.99))
        self.features: FeatureNet | None = None
        if recipe.content or recipe.texture:
            self.features = feature_net(recipe.features, feature_weights).to(self.device)
        self.enlarge = BicubicEnlarge(scale).to(self.device)
        self.watch, self.rows = Watch(), list[LossRow]()
        self.healthy, self.saved_step = True, 0

    def step(self) -> float:
        """One step of the discriminator, one of the generator. Raises ``CollapsedError``."""
        started = time.perf_counter()
        if self.progress.step == 0:
            self._grid()
        self._set_rates()
        lr, hr = (
            part.to(self.device, memory_format=torch.channels_last) for part in self.source.batch(self.plan.batch)
        )
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            sr = self.generator(lr).float()
        opposed = self._discriminate(sr.detach(), hr)
        parts = self._losses(sr, hr)
        loss = parts.total(self.plan)
        sign = signs(sr, hr, self.enlarge(lr), (float(loss.detach()), opposed))
        self._check(sign)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self._average()
        result = self._count(float(loss.detach()), time.perf_counter() - started)
        self._note(sign, parts)
        return result

    def _set_rates(self) -> None:
        share = self.plan.lr_at(self.progress.step) / self.plan.lr
        for optimiser, rate in ((self.optimiser, self.plan.lr), (self.opponent, self.plan.discriminator_lr)):
            for group in optimiser.param_groups:
                group["lr"] = rate * share

    def _discriminate(self, sr: torch.Tensor, hr: torch.Tensor) -> float:
        """The discriminator's step; gives its loss before it."""
        self.discriminator.requires_grad_(True)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits = self.discriminator(torch.cat([hr, sr]))[0].float()
        truth = torch.cat([torch.ones(len(hr)), torch.zeros(len(sr))]).to(logits)
        loss = binary_cross_entropy_with_logits(logits, truth)
        value = float(loss.detach())
        if value > self.plan.rest_below:
            self.opponent.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.opponent.step()
        self.discriminator.requires_grad_(False)
        return value

    def _losses(self, sr: torch.Tensor, hr: torch.Tensor) -> Parts:
        none = sr.new_zeros(())
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            logits, maps = self.discriminator(sr)
            content, texture = self._feature_losses(sr, hr) if self.features else (none, none)
            matching = feature_matching(maps, self._maps(hr)) if self.plan.matching else none
        fooled = binary_cross_entropy_with_logits(logits.float(), torch.ones_like(logits, dtype=torch.float32))
        return Parts(self.pixel_loss(sr, hr), content, texture, matching, fooled)

    @torch.no_grad()
    def _maps(self, hr: torch.Tensor) -> tuple[torch.Tensor, ...]:
        maps: tuple[torch.Tensor, ...] = self.discriminator(hr)[1]
        return maps

    def _feature_losses(self, sr: torch.Tensor, hr: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        assert self.features is not None
        with torch.no_grad():
            wanted = self.features(hr)
        found = self.features(sr)
        return perceptual_loss(found, wanted), texture_loss(found, wanted, hr.shape[3])

    def _check(self, sign: Signs) -> None:
        trouble = self.watch.look(sign)
        if trouble is None:
            return
        self.healthy = False
        draw_losses(self.rows, self.out)
        kept = self.out / WEIGHTS_FILE
        hint = f"the weights of step {self.saved_step} are kept: {kept}" if self.saved_step else "nothing was saved yet"
        raise CollapsedError(
            f"stopped at step {self.progress.step}: {trouble}; {hint}. "
            "Start again with a smaller --adversarial or --lr, or another --seed, and another --out"
        )

    @torch.no_grad()
    def _average(self) -> None:
        pairs = zip(self.net.parameters(), self.generator.parameters(), strict=True)
        for mean, now in pairs:
            mean.lerp_(now, 1 - self.plan.average)

    def _note(self, sign: Signs, parts: Parts) -> None:
        step = self.progress.step
        if step % LOG_EVERY == 0 or step == self.plan.steps:
            self.rows.append(LossRow(step, *astuple(sign), *(float(p.detach()) for p in vars(parts).values())))
        if step % self.grid_every == 0 or step == self.plan.steps:
            self._grid()

    def _grid(self) -> None:
        draw_losses(self.rows, self.out)
        write_grid(self.net, self.scale, self.out / "grids" / f"step_{self.progress.step:06d}.png")

    def save(self) -> None:
        """As ``Trainer.save``, with the losses as CSV; what has collapsed isn't saved."""
        if self.healthy:
            super().save()
            self.saved_step = self.progress.step
        write_losses(self.rows, self.out)

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            **super().state(),
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "opponent": self.opponent.state_dict(),
            "watch": json.dumps(asdict(self.watch)),
            "rows": json.dumps([astuple(row) for row in self.rows]),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state."""
        super().restore(state)
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.opponent.load_state_dict(state["opponent"])
        self.watch = Watch(**json.loads(state["watch"]))
        self.rows = [LossRow(*row) for row in json.loads(state["rows"])]
        self.saved_step = self.progress.step

    def start_from(self, weights: Path) -> list[str]:
        """As ``Trainer.start_from``, for the generator and its running mean."""
        fresh = super().start_from(weights)
        self.generator.load_state_dict(self.net.state_dict())
        return fresh
