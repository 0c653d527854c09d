"""A video of which little changes: the same pictures, less computed, and the receipt says how much."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from click.testing import CliRunner

from subpixel.cli.upscale import upscale
from subpixel.errors import BadInputError
from subpixel.media import UpscaleOptions, VideoReport, upscale_file

LOSSLESS = UpscaleOptions(model="espcn-x2", encoder="ffv1", precision="fp32", engine="onnxruntime", tune=False)
SIZE = (160, 240)
FRAMES = 20


@pytest.fixture(scope="module", params=["yuv420p", "yuvj420p", "yuv420p10le"])
def still_clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every frame twice, and a pointer that moves over a desk of noise; 8 bit, full range, 10 bit."""
    path = tmp_path_factory.mktemp("still") / f"{request.param}.mkv"
    desk = np.random.default_rng(4).integers(40, 200, SIZE, dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1" if "10" in request.param else "libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], request.param
        stream.options = {} if "10" in request.param else {"qp": "0"}
        for at in range(FRAMES):
            shown = desk.copy()
            shown[20:28, 10 + 2 * (at // 2) : 16 + 2 * (at // 2)] = 220
            frame = VideoFrame(SIZE[1], SIZE[0], request.param)
            kind = np.uint16 if "10" in request.param else np.uint8
            for index, plane in enumerate(frame.planes):
                rows = np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width]  # type: ignore[call-overload]
                rows[:] = 128 if index else shown
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def luma_of(frame: Any) -> Any:
    kind = np.uint16 if "10" in frame.format.name else np.uint8
    plane = frame.planes[0]
    return np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width].astype(int)


def made(source: Path, target: Path, **wanted: Any) -> VideoReport:
    report = upscale_file(source, target, replace(LOSSLESS, **wanted))
    assert isinstance(report, VideoReport)
    return report


def test_what_stands_still_is_computed_once_and_looks_the_same(
    still_clip: Path, frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    spared = made(still_clip, tmp_path / "spared.mkv")
    whole = made(still_clip, tmp_path / "whole.mkv", reuse=False)
    assert whole.reused is None and spared.reused is not None
    assert spared.reused.frames == FRAMES and spared.reused.duplicates == FRAMES // 2
    assert spared.reused.share >= 0.5
    assert any(line.strip() == f"reuse     {spared.reused.line()}" for line in spared.lines())
    for one, other in zip(frames_of(tmp_path / "spared.mkv"), frames_of(tmp_path / "whole.mkv"), strict=True):
        assert np.abs(luma_of(one) - luma_of(other)).max() <= (4 if "10" in one.format.name else 1)


def test_the_command_line_sets_the_tolerance_or_turns_it_off(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    source = clip_of()
    plain = ["--model", "espcn-x2", "--no-tune", "--json", "--quiet"]
    loose = CliRunner().invoke(upscale, [str(source), str(tmp_path / "a.mp4"), *plain, "--reuse-tolerance", "60"])
    assert loose.exit_code == 0 and '"reused": {' in loose.stdout
    off = CliRunner().invoke(upscale, [str(source), str(tmp_path / "b.mp4"), *plain, "--no-reuse"])
    assert off.exit_code == 0 and '"reused": null' in off.stdout


def test_a_tolerance_out_of_range_is_refused() -> None:
    with pytest.raises(BadInputError, match="levels of 255"):
        UpscaleOptions(reuse_tolerance=-1)
