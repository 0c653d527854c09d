"""What is asked of a measuring process and what it answers, as plain records that travel as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from subpixel.engines.base import Receipt


@dataclass(frozen=True)
class ProbeRequest:
    """Ask an engine of the table what it offers."""

    engine: str


@dataclass(frozen=True)
class ProbeFigures:
    """The engine's own answer: version, the devices it would really run on, a remark."""

    version: str
    devices: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class VariantRequest:
    """Run one variant on one engine for ``seconds``. ``bundle``: a shipped name or a path; sizes of the LR frame."""

    bundle: str
    variant: str
    engine: str
    device: str
    width: int
    height: int
    seconds: float


@dataclass(frozen=True)
class VariantFigures:
    """Times of whole luma planes, uint8 in and out, so that a variant's own conversions count.

    ``cold_start_ms``: from starting Python (in-process: from opening) to the first frame. ``peak_rss_bytes``: of the
    measuring process.
    """

    cold_start_ms: float
    p50_ms: float
    p90_ms: float
    fps: float
    frames: int
    peak_rss_bytes: int | None
    receipt: Receipt


@dataclass(frozen=True)
class JobRequest:
    """Run ``subpixel upscale`` on a clip. ``precision``: empty leaves it to the program."""

    bundle: str
    engine: str
    device: str
    clip: str
    out: str
    precision: str = ""


@dataclass(frozen=True)
class JobFigures:
    """``seconds``: the whole job, from starting Python to the finished file. ``upscale``: what the verb answered.

    ``fps``: by the verb's own clock, which leaves opening and tuning out; by ``seconds`` where it doesn't tell.
    """

    seconds: float
    frames: int
    fps: float
    peak_rss_bytes: int | None
    out_bytes: int
    exit_code: int = 0
    upscale: Mapping[str, Any] = field(default_factory=dict)
