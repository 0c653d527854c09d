"""OpenVINO: a net built for the frames to expect gives what it gives of any other size."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import subpixel
from subpixel.catalogue import find
from subpixel.engines.built import keep_built
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


def test_a_shuffle_whose_convolution_is_not_found_takes_two_steps() -> None:
    from subpixel.engines import openvino

    bundle, file = find("edge-fast-x3"), "onnx-fp32-u8"
    phases = openvino._phases(openvino.core().read_model(*bundle.blobs(bundle.manifest.variant(file))))
    assert phases is not None and not openvino._filters(phases)
    luma = noise(EXPECTED)
    with opened("edge-fast-x3", "fp32", EXPECTED, variant=file) as built:
        assert "built for" in built.receipt.detail
        with opened("edge-fast-x3", "fp32", OTHER, variant=file) as other:
            assert far(built.upscale_luma(luma), other.upscale_luma(luma)) <= 1


@pytest.mark.parametrize(
    ("name", "expected", "shown"), [("espcn-x3", (38, 53), "53x38"), ("edge-fast-x2", (37, 53), "54x38")]
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


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache; where OpenVINO's part of it will be."""
    monkeypatch.setenv("SUBPIXEL_CACHE", str(tmp_path))
    return tmp_path / "openvino"


@pytest.mark.parametrize(("name", "precision"), [("edge-fast-x3", "int8"), ("espcn-x2", "fp32"), ("srcnn-x3", "fp32")])
def test_what_was_built_is_kept_and_gives_the_same(name: str, precision: str, kept: Path) -> None:
    frames, results, receipts = [noise(EXPECTED), noise(OTHER)], [], []
    for _ in range(2):
        with opened(name, precision, EXPECTED) as model:
            results += [model.upscale_luma(frame) for frame in frames]
            receipts.append(replace(model.receipt, build_seconds=0.0))
        files = {file: file.stat().st_mtime_ns for file in kept.iterdir()}
        assert len(files) == (1 if name == "srcnn-x3" else 2)
    assert receipts[0] == receipts[1]
    assert all(far(first, again) == 0 for first, again in zip(results[:2], results[2:], strict=True))
    with opened(name, precision, EXPECTED):
        assert {file: file.stat().st_mtime_ns for file in kept.iterdir()} == files


@pytest.mark.parametrize("damage", [b"", b"0" * 100, b"whole, and of another library"])
def test_what_was_kept_and_is_damaged_is_built_again(damage: bytes, kept: Path) -> None:
    with opened("edge-fast-x3", "int8", EXPECTED) as model:
        wanted = model.upscale_luma(noise(EXPECTED))
    (file,) = kept.iterdir()
    whole = file.read_bytes()
    if damage.startswith(b"whole"):
        keep_built(file, damage)
    else:
        file.write_bytes(damage)
    with opened("edge-fast-x3", "int8", EXPECTED) as model:
        assert far(model.upscale_luma(noise(EXPECTED)), wanted) == 0
    assert len(file.read_bytes()) == len(whole)


def test_a_cache_that_can_not_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a file").touch()
    monkeypatch.setenv("SUBPIXEL_CACHE", str(tmp_path / "a file"))
    with opened("edge-fast-x3", "int8", EXPECTED) as model:
        assert model.upscale_luma(noise(EXPECTED)).std() > 10


def test_of_what_was_built_the_oldest_go(tmp_path: Path) -> None:
    for number in range(5):
        keep_built(tmp_path / f"{number}.blob", b"built")
        os.utime(tmp_path / f"{number}.blob", (number, number))
    keep_built(tmp_path / "new.blob", b"built", most_files=3)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["3.blob", "4.blob", "new.blob"]
