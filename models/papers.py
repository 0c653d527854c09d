"""What others published, and what is to be reached here: the figures that ours stand beside.

PSNR in dB of Y, unrounded LR, as the papers of the time have it. Urban100 is the whole set of a hundred there: ours are
of a quarter of it, so none of those figures is here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Relation = Literal["at least", "above", "judged better"]


@dataclass(frozen=True)
class Source:
    """A system and the paper it is from."""

    system: str
    paper: str


@dataclass(frozen=True)
class Published:
    """A figure as its paper has it."""

    system: str
    scale: int
    set_name: str
    psnr_db: float


@dataclass(frozen=True)
class Goal:
    """What a system must reach to land here.

    ``at least``: ``psnr_db`` on the set. ``above``: ``psnr_db`` more there than the system ``other`` of the same scale.
    ``judged better``: both perceptual judges on the set prefer it to ``other``.
    """

    system: str
    scale: int
    set_name: str
    relation: Relation
    psnr_db: float = 0.0
    other: str = ""

    def __str__(self) -> str:
        if self.relation == "at least":
            return f"≥ {self.psnr_db:.1f} dB"
        if self.relation == "above":
            return f"≥ {self.psnr_db:.1f} dB over {self.other}"
        return f"better than {self.other} by both judges"


def _published(system: str, set_name: str, figures: dict[int, float]) -> tuple[Published, ...]:
    return tuple(Published(system, scale, set_name, db) for scale, db in figures.items())


SOURCES = (
    Source("bicubic", "Keys 1981; figures as the field reports MATLAB's imresize"),
    Source("srcnn", "Dong et al., TPAMI 2016, arXiv:1501.00092, 9-5-5, trained on ImageNet"),
    Source("espcn", "Shi et al., CVPR 2016, arXiv:1609.05158, trained on ImageNet"),
    Source("vdsr", "Kim et al., CVPR 2016, arXiv:1511.04587"),
    Source("vespcn", "Caballero et al., CVPR 2017, arXiv:1611.05250; its ESPCN has 26.97 and 25.06 dB there"),
    Source("enhancenet", "Sajjadi et al., ICCV 2017, arXiv:1612.07919, their E, trained on MSCOCO"),
    Source("enhancenet-pat", "the same, their PAT"),
    Source("spmc", "Tao et al., ICCV 2017, arXiv:1704.02738; 25.5 with few frames, 25.9 with seven"),
    Source("zssr", "Shocher et al., CVPR 2018, arXiv:1712.06087"),
    Source("srpgan", "Wu et al., 2017, arXiv:1712.05927; no PSNR by this protocol"),
)

PUBLISHED = (
    *_published("bicubic", "set5", {2: 33.66, 3: 30.39, 4: 28.42}),
    *_published("bicubic", "set14", {2: 30.24, 3: 27.55, 4: 26.00}),
    *_published("bicubic", "b100", {2: 29.56, 3: 27.21, 4: 25.96}),
    *_published("bicubic", "vid4", {4: 23.8}),
    *_published("srcnn", "set5", {2: 36.66, 3: 32.75, 4: 30.49}),
    *_published("srcnn", "set14", {2: 32.45, 3: 29.30, 4: 27.50}),
    *_published("espcn", "set5", {3: 33.13, 4: 30.90}),
    *_published("espcn", "set14", {3: 29.49}),
    *_published("espcn", "vid4", {3: 26.97, 4: 25.06}),
    *_published("vdsr", "set5", {2: 37.53, 3: 33.66, 4: 31.35}),
    *_published("vdsr", "set14", {2: 33.03, 3: 29.77, 4: 28.01}),
    *_published("vdsr", "b100", {2: 31.90, 3: 28.82, 4: 27.29}),
    *_published("vespcn", "vid4", {3: 27.25, 4: 25.35}),
    *_published("enhancenet", "set5", {4: 31.74}),
    *_published("enhancenet-pat", "set5", {4: 28.56}),
    *_published("spmc", "vid4", {4: 25.5}),
    *_published("zssr", "set5", {2: 37.37, 3: 33.42, 4: 31.13}),
)

PRETRAINED_SRPGAN = "srpgan-pre"  # its own net before the adversarial training

GOALS = (
    *(Goal("srcnn", scale, "set5", "at least", db) for scale, db in {2: 36.3, 3: 32.4, 4: 30.1}.items()),
    *(Goal("vdsr", scale, "set5", "at least", db) for scale, db in {2: 37.0, 3: 33.1, 4: 30.8}.items()),
    Goal("espcn", 3, "set5", "at least", 33.0),
    Goal("enhancenet", 4, "set5", "at least", 31.0),
    *(Goal("enhancenet-pat", 4, name, "judged better", other="enhancenet") for name in ("set14", "b100")),
    *(Goal("srpgan", 4, name, "judged better", other=PRETRAINED_SRPGAN) for name in ("set14", "b100")),
    Goal("zssr", 2, "set5", "at least", 36.8),
    *(Goal("vespcn", scale, "vid4", "above", 0.2, "espcn") for scale in (3, 4)),
    Goal("spmc", 4, "vid4", "above", 0.2, "espcn"),
    *(Goal("edge-fast", scale, "set5", "at least", db) for scale, db in {2: 36.5, 3: 32.5, 4: 30.4}.items()),
    *(Goal("edge", scale, "set5", "at least", db) for scale, db in {2: 36.9, 3: 33.1, 4: 30.8}.items()),
    *(Goal("edge-best", scale, "set5", "at least", db) for scale, db in {2: 37.4, 3: 33.6, 4: 31.3}.items()),
)


def published_db(system: str, scale: int, set_name: str) -> float | None:
    """A paper's figure, where it has one by this protocol."""
    key = (system, scale, set_name.lower())
    return next((p.psnr_db for p in PUBLISHED if (p.system, p.scale, p.set_name) == key), None)


def goals(system: str, scale: int, set_name: str) -> tuple[Goal, ...]:
    """What the system is to reach on a set."""
    key = (system, scale, set_name.lower())
    return tuple(goal for goal in GOALS if (goal.system, goal.scale, goal.set_name) == key)


def what_the_paper_says(system: str, scales: Sequence[int], set_name: str) -> str:
    """In words, for a card; empty where the paper has no figure by this protocol."""
    found = {scale: db for scale in scales if (db := published_db(system, scale, set_name)) is not None}
    if not found:
        return ""
    values = ", ".join(f"{db:.2f} dB" + (f" (x{scale})" if len(scales) > 1 else "") for scale, db in found.items())
    return f"the paper reports {values} on {set_name.capitalize()}"
