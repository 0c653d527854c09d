"""The engine table: a new engine is one file, one row here, one extra in pyproject.toml."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import re
import sys
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import cast

from subpixel.engines.base import EngineFactory, Precision, Probe
from subpixel.errors import BadInputError, EngineError, faults_as, missing_package


@dataclass(frozen=True)
class EngineRow:
    """``targets``: which variants it opens, best first; ``packages``: any one of these import names is enough;
    ``distributions``: what they are called where they are installed from; ``precisions``: arithmetic worth measuring
    beside the library's own choice, which isn't always the fastest; ``side_by_side``: whether it takes several runs at
    once.
    """

    name: str
    targets: tuple[str, ...]
    packages: tuple[str, ...]
    extra: str
    module: str
    factory: str
    distributions: tuple[str, ...] = ()
    precisions: tuple[Precision, ...] = ()
    side_by_side: bool = False

    @property
    def version(self) -> str:
        """The installed distribution and its version, nothing imported; empty where the system doesn't tell."""
        if not self.installed:
            return ""
        known = _described(tuple(sys.path))
        described = ((name, known.get(_normal(name))) for name in self.distributions)
        asked = ((name, _asked_version(name)) for name in self.distributions)
        return next((f"{name} {version}" for name, version in chain(described, asked) if version), "")

    @property
    def installed(self) -> bool:
        """Whether the library can be imported; nothing is imported to find out."""
        return not self.packages or any(importlib.util.find_spec(package) for package in self.packages)

    def load(self) -> EngineFactory:
        """The engine class. Raises ``MissingPackageError`` naming the command that installs the library."""
        return cast(EngineFactory, getattr(self._import(), self.factory))

    def probe(self) -> Probe:
        """What the installed library offers on this machine. Raises ``MissingPackageError`` or ``EngineError``."""
        module = self._import()
        with faults_as(EngineError, f"the {self.name} engine can't look for devices"):
            return cast(Probe, module.probe())

    def _import(self) -> ModuleType:
        if not self.installed:
            raise missing_package(self.packages[0], self.extra, f"the {self.name} engine")
        with faults_as(EngineError, f"the {self.name} engine's library is installed and does not load"):
            return importlib.import_module(self.module)


# In the order tried when nothing was measured on this machine.
ENGINES: tuple[EngineRow, ...] = (
    EngineRow("tensorrt", ("tensorrt",), ("tensorrt", "tensorrt_rtx"), "tensorrt",
              "subpixel.engines.tensorrt", "TensorRtEngine", ("tensorrt", "tensorrt-rtx")),
    EngineRow("openvino", ("openvino", "onnx"), ("openvino",), "openvino",
              "subpixel.engines.openvino", "OpenVinoEngine", ("openvino",), ("fp32",), side_by_side=True),
    EngineRow("onnxruntime", ("onnx",), ("onnxruntime",), "onnxruntime",
              "subpixel.engines.onnxruntime", "OnnxRuntimeEngine",
              ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"),
              side_by_side=True),
    EngineRow("litert", ("litert",), ("ai_edge_litert", "tflite_runtime"), "litert",
              "subpixel.engines.litert", "LiteRtEngine", ("ai-edge-litert", "tflite-runtime"),
              side_by_side=True),
    EngineRow("bicubic", ("procedure",), (), "", "subpixel.engines.bicubic", "BicubicEngine", ("numpy",)),
    EngineRow("procedure", ("classical",), (), "", "subpixel.engines.procedure", "ProcedureEngine", ("numpy",)),
)  # fmt: skip


def _asked_version(distribution: str) -> str:
    """As ``importlib.metadata`` tells, which brings in what reads e-mails: 15 ms of a start. Empty for an unknown."""
    from importlib.metadata import PackageNotFoundError, version

    with contextlib.suppress(PackageNotFoundError):
        return version(distribution)
    return ""


@lru_cache(maxsize=1)
def _described(folders: tuple[str, ...]) -> dict[str, str]:
    """Versions by normal names, from what lies in these folders; the first of a name is the one imported."""
    found: dict[str, str] = {}
    for folder in folders:
        with contextlib.suppress(OSError):
            for entry in Path(folder).iterdir():
                if entry.suffix in (".dist-info", ".egg-info"):
                    name, _, version = entry.stem.partition("-")
                    found.setdefault(_normal(name), version.partition("-")[0])
    return found


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def engine_row(name: str) -> EngineRow:
    """The row called ``name``. Raises ``BadInputError`` naming those there are."""
    for row in ENGINES:
        if row.name == name:
            return row
    raise BadInputError(f"no engine {name!r}; there are: {', '.join(row.name for row in ENGINES)}")
