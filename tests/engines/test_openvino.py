"""OpenVINO: a net built for the frames to expect gives what it gives of any other size."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import subpixel
from subpixel.model import Model

EXPECTED, OTHER = (38, 53), (61, 44)
SHUFFLING = [
    (name, precision)
    for name in ("espcn-x2", "espcn-x3", "espcn-x4", "edge-fast-x2", "edge-fast-x3", "edge-fast-x4", "edge-x3")
    for precision in ("int8", "fp32")
]


@pytest.fixture(autouse=True)
def _openvino_is_here(require: Callable[[str], None]) -> None:
    require("openvino")


def opened(name: str, precision: Any, expected: tuple[int, int], **more: Any) -> Model:
    return subpixel.open(name, engine="openvino", precision=precision, frame_size=expected, threads=1, **more)


def noise(size: tuple[int, int], seed: int = 0) -> Any:
    return np.random.default_rng(seed).integers(16, 236, size, dtype=np.uint8)


def far(one: Any, other: Any) -> int:
    return int(np.abs(one.astype(int) - other).max())


@pytest.mark.parametrize(("name", "precision"), SHUFFLING)
def test_built_for_a_size_or_not_the_result_is_the_same(name: str, precision: str) -> None:
    with opened(name, precision, EXPECTED) as built, opened(name, precision, OTHER) as other:
        for size in (EXPECTED, OTHER, EXPECTED, (90, 31)):
            luma = noise(size)
            given = built.upscale_luma(luma), other.upscale_luma(luma)
            assert far(*given) <= (1 if precision == "fp32" else 0)
            assert given[0].std() > 10  # neither is empty


@pytest.mark.parametrize(
    ("name", "expected", "shown"), [("espcn-x3", (38, 53), "53x38"), ("edge-fast-x3", (37, 53), "54x38")]
)
def test_the_receipt_says_what_it_was_built_for(name: str, expected: tuple[int, int], shown: str) -> None:
    with opened(name, "int8", expected) as model:
        assert f"built for {shown}, other sizes take longer" in model.receipt.detail
        assert model.receipt.precision == "int8" and "convolutions in" in model.receipt.detail


@pytest.mark.parametrize("name", ["srcnn-x3", "enhancenet-x4"])
def test_a_net_without_a_shuffle_to_bytes_is_built_for_all_sizes(name: str) -> None:
    with subpixel.open(name, engine="openvino", frame_size=EXPECTED) as model:
        assert "built for" not in model.receipt.detail


def test_frames_of_both_kinds_may_come_from_several_threads() -> None:
    frames = [noise(size, seed) for seed in range(12) for size in (EXPECTED, OTHER)]
    with opened("edge-x3", "int8", EXPECTED, streams=2) as model, opened("edge-x3", "int8", (9, 9)) as alone:
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(model.upscale_luma, frames))
        for frame, result in zip(frames, results, strict=True):
            assert far(result, alone.upscale_luma(frame)) == 0
