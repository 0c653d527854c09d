"""Watches adversarial training: what goes wrong there goes wrong quietly, and more steps don't mend it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch

from subpixel.errors import PartialResultError


@dataclass(frozen=True)
class Limits:
    """``window``: steps that a running mean remembers, and that pass before one counts."""

    window: int = 100
    discriminator_loss: float = 0.01  # below it nothing is left to learn from: the discriminator has won
    psnr_to_bicubic_db: float = 18.0  # further from bicubic than any enlargement of a photograph
    variation_ratio: float = 2.0  # total variation against the truth's: noise
    least_variation_ratio: float = 0.2  # or nothing


LIMITS = Limits()


@dataclass(frozen=True)
class Signs:
    """What one step shows: both losses, and the batch's result against its bicubic and its truth."""

    generator_loss: float
    discriminator_loss: float
    psnr_to_bicubic_db: float
    variation_ratio: float


@torch.no_grad()
def signs(result: torch.Tensor, wanted: torch.Tensor, bicubic: torch.Tensor, losses: tuple[float, float]) -> Signs:
    """Of images ``[N, 3, H, W]``; ``losses``: the generator's and the discriminator's."""
    fault = float((result.clamp(0, 1) - bicubic.clamp(0, 1)).square().mean())
    ratio = float(total_variation(result) / (total_variation(wanted) + 1e-6))
    return Signs(*losses, -10 * math.log10(fault + 1e-10), ratio)


def total_variation(images: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of neighbours, both ways; a scalar."""
    down = (images[:, :, 1:] - images[:, :, :-1]).abs().mean()
    return down + (images[..., 1:] - images[..., :-1]).abs().mean()


@dataclass
class Watch:
    """Running means of the signs; part of a checkpoint."""

    seen: int = 0
    means: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])

    def look(self, sign: Signs, limits: Limits = LIMITS) -> str | None:
        """What has collapsed, in words, or ``None``."""
        values = (sign.discriminator_loss, sign.psnr_to_bicubic_db, sign.variation_ratio)
        if not all(map(math.isfinite, (sign.generator_loss, *values))):
            return "a loss or the result isn't finite"
        self.seen += 1
        share = 1 / min(self.seen, limits.window)
        self.means = [m + share * (v - m) for m, v in zip(self.means, values, strict=True)]
        return self.verdict(limits) if self.seen >= limits.window else None

    def verdict(self, limits: Limits = LIMITS) -> str | None:
        """By the running means alone."""
        loss, psnr, variation = self.means
        if loss < limits.discriminator_loss:
            return f"the discriminator has won: its loss is {loss:.4f}, needed {limits.discriminator_loss} or more"
        if psnr < limits.psnr_to_bicubic_db:
            return (
                f"the result left the image: {psnr:.1f} dB to bicubic, needed {limits.psnr_to_bicubic_db:.0f} or more"
            )
        if variation > limits.variation_ratio or variation < limits.least_variation_ratio:
            return (
                f"the result's total variation is {variation:.2f} times the truth's, needed "
                f"{limits.least_variation_ratio} to {limits.variation_ratio}"
            )
        return None


class CollapsedError(PartialResultError):
    """Adversarial training was stopped; the weights saved last are kept."""
