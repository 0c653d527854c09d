"""The shipped clip through every engine that is installed: as many frames, the same sound, and what really ran."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from subpixel.catalogue import find
from subpixel.errors import BundleError
from subpixel.media import UpscaleOptions, VideoReport, upscale_file
from subpixel.media.pixels import plane_of

ENGINES = ("onnxruntime", "openvino", "litert")


@pytest.mark.parametrize("engine", ENGINES)
def test_the_clip_becomes_full_hd_by_each_engine(
    engine: str, require: Callable[[str], None], samples: Path, facts_of: Callable[[Path], Any],
    frames_of: Callable[[Path], list[Any]], tmp_path: Path,
) -> None:  # fmt: skip
    require(engine)
    source, target = samples / "stream_640x360.mp4", tmp_path / "large.mp4"
    options = UpscaleOptions(model="espcn-x3", engine=engine, tune=False, duration_seconds=Fraction(1, 5))
    try:
        report = upscale_file(source, target, options)
    except BundleError as fault:
        if any(v.target == engine for v in find("espcn-x3").manifest.variants) or engine == "onnxruntime":
            raise
        pytest.skip(f"the shipped bundle has no variant for it: {fault}")
    before, after = facts_of(source), facts_of(target)
    assert isinstance(report, VideoReport)
    assert report.receipt.engine == engine and report.receipt.provider
    assert after.size == (1920, 1080)
    assert after.times == before.times[:5]
    heard = after.of_kind("audio")[0].packets
    assert heard and heard == before.of_kind("audio")[0].packets[: len(heard)]
    bicubic = sharpness(tmp_path, source, frames_of)
    assert edges(frames_of(target)[2]) > 1.05 * bicubic


def sharpness(folder: Path, source: Path, frames_of: Callable[[Path], list[Any]]) -> float:
    """Of bicubic, to compare with: a model that did nothing would be no sharper."""
    target = folder / "bicubic.mp4"
    upscale_file(source, target, UpscaleOptions(model="bicubic-x3", duration_seconds=Fraction(3, 25)))
    return edges(frames_of(target)[2])


def edges(frame: Any) -> float:
    luma = plane_of(frame, 0).astype(np.float32)
    return float(np.abs(np.diff(luma, axis=1)).mean() + np.abs(np.diff(luma, axis=0)).mean())
