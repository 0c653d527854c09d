"""The registry: a new model is one file, one line here, one test."""

from __future__ import annotations

import difflib
import re
from pathlib import Path

from subpixel.errors import BadInputError, NotFoundError
from subpixel.models.architecture import WEIGHTS, Architecture, TrainedModel, read_trained
from subpixel.models.edge import EDGE, EDGE_BEST
from subpixel.models.edge_fast import EDGE_FAST
from subpixel.models.enhancenet import ENHANCENET, ENHANCENET_PAT
from subpixel.models.espcn import ESPCN, ESPCN_CLAMPED
from subpixel.models.spmc import SPMC, SPMC_RECURRENT
from subpixel.models.srcnn import SRCNN
from subpixel.models.srpgan import SRPGAN, SRPGAN_PRE
from subpixel.models.vdsr import VDSR
from subpixel.models.vespcn import VESPCN
from subpixel.models.zssr import ZSSR


def by_name(*architectures: Architecture) -> dict[str, Architecture]:
    """A table of architectures; a repeated name raises ``ValueError``."""
    table: dict[str, Architecture] = {}
    for architecture in architectures:
        if architecture.name in table:
            raise ValueError(f"two architectures are called {architecture.name!r}")
        table[architecture.name] = architecture
    return table


ARCHITECTURES = by_name(
    EDGE_FAST,
    EDGE,
    EDGE_BEST,
    ESPCN,
    ESPCN_CLAMPED,
    SRCNN,
    VDSR,
    ENHANCENET,
    ENHANCENET_PAT,
    SRPGAN,
    SRPGAN_PRE,
    VESPCN,
    SPMC,
    SPMC_RECURRENT,
    ZSSR,
)


def architecture(name: str) -> Architecture:
    """The architecture called ``name``. Raises ``NotFoundError`` with the nearest name."""
    if name in ARCHITECTURES:
        return ARCHITECTURES[name]
    near = difflib.get_close_matches(name, ARCHITECTURES, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise NotFoundError(f"no architecture {name!r}; {hint}there are: {', '.join(ARCHITECTURES)}")


def trained(name: str, scale: int | None = None, weights: Path | None = None) -> TrainedModel:
    """``trained("espcn-x3")`` or ``trained("espcn", 3)``. Raises ``NotFoundError`` or ``BadInputError``."""
    match = re.fullmatch(r"(.+)-x(\d+)", name)
    if match and scale is None:
        return read_trained(architecture(match.group(1)), int(match.group(2)), weights)
    if scale is None:
        raise BadInputError(f"{name!r} names no scale; write {name}-x3, or pass --scale 3")
    return read_trained(architecture(name), scale, weights)


def trained_names() -> list[str]:
    """Names of all models whose weights are committed, sorted; without nets that are only rounded for others."""
    return sorted(
        f"{known.name}-x{scale}"
        for known in ARCHITECTURES.values()
        for scale in known.scales
        if not known.rounded_for and (WEIGHTS / f"{known.weights_name(scale)}.safetensors").is_file()
    )


def stem(name: str) -> str:
    """The stem of the committed files of ``espcn-x3``. Raises ``NotFoundError`` or ``BadInputError``."""
    model = trained(name)
    return model.architecture.weights_name(model.scale)
