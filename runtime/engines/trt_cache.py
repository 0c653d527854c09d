"""Where built TensorRT plans are kept: one file for each model, size, precision, library, GPU and driver."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from subpixel.cache import cache_folder
from subpixel.engines.built import keep_built, load_built
from subpixel.engines.trt_build import ShapeProfile
from subpixel.manifest import sha256


@dataclass(frozen=True)
class PlanKey:
    """All that a plan depends on: another value of any of these needs another plan."""

    model_sha256: str
    profile: ShapeProfile
    precision: str
    library: str
    version: str
    gpu: str
    compute_capability: str
    driver: str

    @property
    def file(self) -> Path:
        """Its place in the cache."""
        text = json.dumps(asdict(self), sort_keys=True)
        size = f"{self.profile.batch}x{self.profile.height}x{self.profile.width}"
        return cache_folder() / "tensorrt" / f"{self.model_sha256[:12]}-{size}-{sha256(text.encode())[:16]}.plan"


def load_plan(key: PlanKey) -> bytes | None:
    """The plan built before, ``None`` when there is none or it is damaged."""
    return load_built(key.file)


def keep_plan(key: PlanKey, plan: bytes) -> None:
    """Keep a plan for the next time."""
    keep_built(key.file, plan)
