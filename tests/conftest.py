"""What all tests share: packages, data and hardware that may be absent, the cache, one real bundle."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from subpixel.bundle import Bundle
from subpixel.engines.table import ENGINES
from subpixel.manifest import Manifest
from subpixel.spec import Provenance

ROOT = Path(__file__).parents[1]
SEED = 20160916


def must_be_here(name: str) -> bool:
    """Whether ``SUBPIXEL_REQUIRE`` (comma-separated) turns the absence of ``name`` from a skip into a failure."""
    return name in os.environ.get("SUBPIXEL_REQUIRE", "").replace(" ", "").split(",")


def absent(name: str, reason: str) -> None:
    """Skip with the reason, or fail where ``SUBPIXEL_REQUIRE`` names it."""
    if must_be_here(name):
        pytest.fail(f"SUBPIXEL_REQUIRE lists {name!r}, and {reason}", pytrace=False)
    pytest.skip(reason)


def is_installed(name: str) -> bool:
    """``name``: a row of the engine table, or a package by its import name."""
    for row in ENGINES:
        if row.name == name:
            return row.installed
    return importlib.util.find_spec(name) is not None


@pytest.fixture(scope="session")
def require() -> Callable[[str], None]:
    """``require("openvino")``: skip unless that engine or package is installed; fail if ``SUBPIXEL_REQUIRE`` has it."""

    def check(name: str) -> None:
        if not is_installed(name):
            absent(name, f"{name} is not installed")

    return check


@pytest.fixture(scope="session")
def samples() -> Path:
    """The clips and pictures that come with the repository."""
    return ROOT / "samples"


@pytest.fixture(scope="session")
def eval_data() -> Path:
    """The folder of evaluation sets and awkward clips: ``SUBPIXEL_DATA``, else ``../shared/data``."""
    folder = Path(os.environ.get("SUBPIXEL_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "SOURCES.md").is_file():
        absent("data", "the evaluation data are not here (SUBPIXEL_DATA names their folder)")
    return folder


@pytest.fixture(scope="session", autouse=True)
def cache_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The user's cache is never touched: ``SUBPIXEL_CACHE`` is a temporary folder for the whole session."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SUBPIXEL_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def toy_nets(require: Callable[[str], None]) -> Any:
    """The module ``toy_nets``: real ONNX nets of several frames, with a state, in colour, whose results are known."""
    require("onnx")
    return _beside("toy_nets")


@pytest.fixture(scope="session")
def edge_nets(require: Callable[[str], None]) -> Any:
    """The module ``edge_nets``: a small net of the edge family and its bundle."""
    require("torch")
    require("onnx")
    return _beside("edge_nets")


def _beside(name: str) -> Any:
    """A module that lies beside this file."""
    source = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert source is not None and source.loader is not None
    module = importlib.util.module_from_spec(source)
    sys.modules[source.name] = module  # dataclasses look their module up
    source.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_bundle() -> Bundle:
    """A real bundle: a seeded ESPCN x3 through the exporter where torch is there, else the shipped ``espcn-x3``."""
    from subpixel import catalogue

    if not is_installed("torch"):
        return catalogue.find("espcn-x3")

    from subpixel.export.driver import export_module

    return export_module(seeded_espcn(), seeded_contract())


@pytest.fixture(scope="session")
def full_bundle(tiny_bundle: Bundle) -> Bundle:
    """``tiny_bundle`` with a variant for every target whose converter is installed; the shipped one without torch."""
    if not is_installed("torch"):
        return tiny_bundle

    from subpixel.export.driver import add_variant
    from subpixel.export.targets import target

    bundle, net = tiny_bundle, seeded_espcn()
    for name, package in (("openvino", "openvino"), ("litert", "litert_torch")):
        if is_installed(package):
            bundle = add_variant(bundle, target(name), net)
    return bundle


@pytest.fixture(scope="session")
def expected(tiny_bundle: Bundle) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """What ``tiny_bundle`` must give: planes ``[N, 1, H, W]`` through torch, without torch through ONNX Runtime."""
    if not is_installed("torch"):
        import onnxruntime

        session = onnxruntime.InferenceSession(tiny_bundle.blobs(tiny_bundle.reference)[0])
        return lambda planes: np.asarray(session.run(None, {"lr": planes})[0])

    import torch

    net = seeded_espcn()

    def by_torch(planes: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(net(torch.from_numpy(planes)))

    return by_torch


def seeded_espcn() -> Any:
    """ESPCN x3 as torch makes it from the seed; the same at every call."""
    import torch

    from subpixel.models.registry import architecture

    torch.manual_seed(SEED)
    return architecture("espcn").build(3).eval()


def seeded_contract() -> Bundle:
    """The contract of ESPCN x3 in a bundle without variants."""
    from subpixel.models.registry import architecture

    spec = replace(architecture("espcn").spec(3), name="seeded-x3")
    return Bundle(Manifest(spec, Provenance(architecture="espcn", created_by="the tests"), ()), {})
