"""What a model costs and reaches, in its bundle: ``figures.json``, written where the bundle is made."""

from __future__ import annotations

import json
from dataclasses import dataclass

from subpixel.bundle import Bundle
from subpixel.errors import BundleError
from subpixel.records import from_json, to_json

FIGURES = "figures.json"


@dataclass(frozen=True)
class SetFigure:
    """Means of one evaluation set: PSNR in dB and SSIM of Y, from unrounded LR."""

    set_name: str
    psnr_db: float
    ssim: float


@dataclass(frozen=True)
class ModelFigures:
    """``parameters``: numbers that were learnt. ``macs_per_pixel``: multiply-accumulates for one output pixel.

    Counted are convolutions and matrix products of one output frame, nothing else. ``sets``: what its card has.
    """

    parameters: int
    macs_per_pixel: float
    sets: tuple[SetFigure, ...] = ()


def with_figures(bundle: Bundle, figures: ModelFigures) -> Bundle:
    """A bundle with these figures, or with them in the place of others."""
    return bundle.plus_file(FIGURES, (json.dumps(to_json(figures), indent=1, allow_nan=False) + "\n").encode())


def figures_of(bundle: Bundle) -> ModelFigures | None:
    """The figures of a bundle; ``None`` where it has none (a foreign or an older one). Raises ``BundleError``."""
    data = bundle.files.get(FIGURES)
    if data is None:
        return None
    try:
        return from_json(ModelFigures, json.loads(data))
    except (ValueError, RecursionError) as fault:
        raise BundleError(f"{bundle.spec.name}: {FIGURES}: {fault}") from fault
