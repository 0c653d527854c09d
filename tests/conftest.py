"""What all tests share: packages, data and hardware that may be absent, the cache, one real bundle."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from subpixel.bundle import Bundle, file_record
from subpixel.engines.table import ENGINES
from subpixel.evidence import Evidence, with_evidence
from subpixel.manifest import Manifest
from subpixel.quality.gates import PARITY_MAX_ABS, PARITY_U8_LEVELS, Verdict
from subpixel.spec import Kind, Provenance, Variant, luma_frame

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
def tiny_bundle() -> Bundle:
    """A real bundle: a seeded ESPCN x3 through the exporter where torch is there, else the shipped ``espcn-x3``."""
    from subpixel import catalogue

    if not is_installed("torch"):
        return catalogue.find("espcn-x3")
    return seeded_espcn()


def seeded_espcn() -> Bundle:
    """ESPCN x3 with seeded weights as ONNX, float kind and u8 kind, each with its measured evidence."""
    import torch

    from subpixel.models.registry import architecture

    torch.manual_seed(SEED)
    espcn = architecture("espcn")
    net = espcn.build(3).eval()
    bundle = Bundle(Manifest(espcn.spec(3), Provenance(architecture="espcn"), ()), {})
    return with_onnx(with_onnx(bundle, net, "float"), net, "u8")


def with_onnx(bundle: Bundle, net: Any, kind: Kind) -> Bundle:
    """The bundle plus the net as an ONNX variant of this kind, measured on one odd-sized frame."""
    import onnxruntime
    import torch

    suffix, module = ("", net) if kind == "float" else ("-u8", eight_bit(net))
    frame = torch.from_numpy(np.random.default_rng(SEED).integers(0, 256, (1, 1, 23, 37), dtype=np.uint8))
    given = frame / 255 if kind == "float" else frame
    path, data = f"model.fp32{suffix.replace('-', '.')}.onnx", onnx_bytes(module, given)
    variant = Variant(
        f"onnx-fp32{suffix}", "onnx", "fp32", kind, (file_record(path, data),),
        (luma_frame("lr", kind),), (luma_frame("sr", kind),), "onnx",
    )  # fmt: skip
    with torch.no_grad():
        wanted = module(given).numpy().astype(np.float32)
    found = onnxruntime.InferenceSession(data).run(["sr"], {"lr": given.numpy()})[0].astype(np.float32)
    limit = PARITY_MAX_ABS if kind == "float" else PARITY_U8_LEVELS
    verdict = Verdict("parity", float(np.abs(found - wanted).max()), limit, "max abs", "37x23 noise")
    return with_evidence(bundle.plus(variant, {path: data}), Evidence(variant.id, variant.file.sha256, (verdict,)))


def eight_bit(net: Any) -> Any:
    """The net with uint8 levels in and out."""
    import torch

    class EightBit(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, levels: torch.Tensor) -> torch.Tensor:
            result = self.net(levels.to(torch.float32) / 255) * 255
            return result.clamp(0, 255).round().to(torch.uint8)

    return EightBit().eval()


def onnx_bytes(module: Any, frame: Any) -> bytes:
    """The module as ONNX with free N, H and W."""
    import torch

    free = torch.export.Dim.DYNAMIC
    program = torch.onnx.export(
        module, (frame.repeat(2, 1, 1, 1),), input_names=["lr"], output_names=["sr"], opset_version=18, dynamo=True,
        dynamic_shapes=({0: free, 2: free, 3: free},), verbose=False,
    )  # fmt: skip
    assert program is not None
    data: bytes = program.model_proto.SerializeToString()
    return data
