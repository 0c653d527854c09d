"""What the registry knows of an architecture, and a trained model: architecture, scale, weights, card."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load as load_safetensors
from torch import nn

from subpixel.errors import BadInputError, BundleError, NotFoundError
from subpixel.manifest import sha256
from subpixel.spec import Colour, Family, ModelSpec, StateSpec

Material = Literal["luma", "scales", "rgb", "clips"]

WEIGHTS = Path(__file__).parent / "weights"


@dataclass(frozen=True)
class Architecture:
    """``build`` gives the net for a scale, untrained; ``radius_px``: how far an LR pixel reaches there, in LR pixels;
    ``size_multiple``: of which a frame's sides must be multiples.

    ``material``: what it is trained on: luma patches, those of all its scales at once, RGB patches, or clips.
    ``shared``: one file of weights serves all scales. ``rounded_for``: whose int8 variants are made from it, for a net
    that is no model of its own. ``window``, ``lookahead``, ``states``: as in ``ModelSpec``; the net then takes
    ``[N, window, H, W]`` and the states, and gives ``(sr, *next_states)`` where there are any.
    A net that ends with a pixel shuffle has ``trunk(x)`` for all before it: LiteRT appends its own operator there. One
    that begins with a symmetric border has ``border_px``, and ``inside(x)`` for the trunk behind it.
    """

    name: str
    family: Family
    paper: str
    scales: tuple[int, ...]
    build: Callable[[int], nn.Module]
    radius_px: Callable[[int], int | None]
    colour: Colour = "y"
    size_multiple: Callable[[int], int] = lambda scale: 1
    material: Material = "luma"
    shared: bool = False
    rounded_for: str = ""
    window: int = 1
    lookahead: int = 0
    states: tuple[StateSpec, ...] = ()

    def spec(self, scale: int, version: str = "1") -> ModelSpec:
        """The bundle's contract of this architecture at one scale."""
        return ModelSpec(
            f"{self.name}-x{scale}", version, scale, self.family, self.colour, self.radius_px(scale),
            self.size_multiple(scale), self.window, self.lookahead, self.states,
        )  # fmt: skip

    def weights_name(self, scale: int) -> str:
        """The stem of the committed files: ``espcn-x3``, or ``vdsr`` where one file serves all scales."""
        return self.name if self.shared else f"{self.name}-x{scale}"

    def check_scale(self, scale: int) -> None:
        """Raises ``BadInputError`` for a scale this architecture isn't made for."""
        if scale not in self.scales:
            have = ", ".join(f"x{s}" for s in self.scales)
            raise BadInputError(f"{self.name}: found scale {scale}, needed one of {have}")


@dataclass(frozen=True)
class TrainedModel:
    """Weights for one scale of an architecture, and where they come from."""

    architecture: Architecture
    scale: int
    weights: bytes
    card: str

    @property
    def name(self) -> str:
        """``espcn-x3``."""
        return f"{self.architecture.name}-x{self.scale}"

    @property
    def weights_sha256(self) -> str:
        """Hash of the safetensors file."""
        return sha256(self.weights)

    def module(self) -> nn.Module:
        """The net with its weights, in evaluation mode, fp32. Raises ``BundleError`` when they don't fit."""
        net = self.architecture.build(self.scale)
        try:
            net.load_state_dict(load_safetensors(self.weights))
        except Exception as fault:
            raise BundleError(f"{self.name}: the weights don't fit the architecture: {fault}") from fault
        return net.eval().to(torch.float32)


def read_trained(architecture: Architecture, scale: int, weights: Path | None = None) -> TrainedModel:
    """The committed weights of a scale, or those of a ``.safetensors`` file. Raises ``NotFoundError``."""
    architecture.check_scale(scale)
    file = weights or WEIGHTS / f"{architecture.weights_name(scale)}.safetensors"
    if not file.is_file():
        raise NotFoundError(f"{file}: no such weights; train them: subpixel train {architecture.name} --scale {scale}")
    card = file.with_suffix(".md")
    return TrainedModel(architecture, scale, file.read_bytes(), card.read_text() if card.is_file() else "")
