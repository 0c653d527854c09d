"""What ``subpixel train`` asks beside the rest where a net is trained against a discriminator."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

import click
from click.core import ParameterSource

from subpixel.errors import BadInputError
from subpixel.manifest import sha256
from subpixel.models.adversarial import SYSTEMS, AdversarialRecipe, AdversarialTrainer
from subpixel.models.architecture import Architecture
from subpixel.models.features import FeatureName
from subpixel.models.recipe import Recipe
from subpixel.models.training import BatchSource, Trainer

LOSSES = ("pixel", "content", "texture", "matching", "adversarial")
OPTIONS = (
    click.option("--loss", "losses", metavar="NAME=WEIGHT", multiple=True,
                 help=f"Adversarial nets: weight of {', '.join(LOSSES)}; repeatable [the net's own]."),
    click.option("--features", type=click.Choice(get_args(FeatureName)),
                 help="Adversarial nets: whose features are compared [efficientnet-lite0]."),
    click.option("--weights", "feature_weights", type=Path, help="Weights of --features; vgg19: torchvision's file."),
    click.option("--discriminator-lr", type=float, help="Its learning rate [the net's own]."),
    click.option("--discriminator-width", type=int, help="Its first layer's channels [the net's own]."),
    click.option("--grid-every", type=int, default=200, show_default=True,
                 help="Adversarial nets: steps between two pictures."),
)  # fmt: skip

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True)
class AdversarialChoice:
    """What the user asked for; ``None``: what the net's own recipe says."""

    losses: tuple[str, ...]
    features: FeatureName | None
    feature_weights: Path | None
    discriminator_lr: float | None
    discriminator_width: int | None
    grid_every: int

    @property
    def given(self) -> bool:
        """Whether any of it was asked for."""
        return any((self.losses, self.features, self.feature_weights, self.discriminator_lr, self.discriminator_width))


def adversarial_options(command: Command) -> Command:
    """The options above, for a command that takes them as keywords of ``AdversarialChoice``."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


def trainer_for(
    chosen: Architecture, scale: int, recipe: Recipe, source: BatchSource, out: Path, device: str,
    choice: AdversarialChoice,
) -> Trainer:  # fmt: skip
    """An adversarial trainer for the nets that have a discriminator, else a plain one. Raises ``BadInputError``."""
    if chosen.name not in SYSTEMS:
        if choice.given:
            names = ", ".join(SYSTEMS)
            raise BadInputError(f"{chosen.name} has no discriminator; --loss, --features and so on are for {names}")
        return Trainer(chosen, scale, recipe, source, out, device)
    if recipe.average_steps:
        raise BadInputError(f"--average-steps: {chosen.name} always saves a running mean of its own; leave it out")
    plan = adversarial_recipe(SYSTEMS[chosen.name].recipe, recipe, choice)
    if _is_default("lr"):
        plan = replace(plan, lr=SYSTEMS[chosen.name].recipe.lr)
    return AdversarialTrainer(chosen, scale, plan, source, out, device, choice.feature_weights, choice.grid_every)


def adversarial_recipe(own: AdversarialRecipe, recipe: Recipe, choice: AdversarialChoice) -> AdversarialRecipe:
    """The net's ``own`` recipe with the user's steps, batch and so on, and what ``choice`` changes of the losses."""
    wishes = {
        "discriminator_lr": choice.discriminator_lr,
        "discriminator_width": choice.discriminator_width,
        "features": choice.features,
        "feature_weights": _hash(choice.feature_weights),
    }
    changes: dict[str, Any] = {**asdict(recipe), "warmup": own.warmup, **loss_weights(choice.losses)}
    changes |= {key: value for key, value in wishes.items() if value is not None}
    return replace(own, **changes)


def loss_weights(given: Sequence[str]) -> dict[str, float]:
    """``["texture=0.01"]`` as numbers. Raises ``BadInputError``."""
    weights = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            weights[name] = float(value)
        except ValueError:
            raise BadInputError(f"--loss {text}: needed NAME=WEIGHT, as texture=0.01") from None
        if name not in LOSSES or not weights[name] >= 0:
            raise BadInputError(f"--loss {text}: needed one of {', '.join(LOSSES)}, and a weight of 0 or more")
    return weights


def _hash(file: Path | None) -> str | None:
    return sha256(file.read_bytes()) if file is not None and file.is_file() else None


def _is_default(name: str) -> bool:
    context = click.get_current_context(silent=True)
    return context is not None and context.get_parameter_source(name) is ParameterSource.DEFAULT
