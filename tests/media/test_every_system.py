"""Three seconds of real footage through every system there is: neural ones from their bundles, and classical ones."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import pytest

from subpixel.catalogue import find, procedure_names, shipped_names
from subpixel.media import UpscaleOptions, VideoReport, upscale_file

SIZE = (96, 54)  # small, for the deepest of them needs a second for each frame of 640x360


@pytest.fixture(scope="module")
def footage(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped camera pan, all of it with its sound, at ``SIZE``."""
    path = tmp_path_factory.mktemp("footage") / "pan.mp4"
    with av.open(str(samples / "stream_640x360.mp4")) as source, av.open(str(path), "w") as output:
        sound = output.add_stream_from_template(source.streams.audio[0])
        video = output.add_stream("libx264", rate=25, options={"crf": "14"})
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"  # type: ignore[attr-defined]
        for packet in source.demux():
            if packet.stream.type == "audio" and packet.dts is not None:
                packet.stream = sound
                output.mux(packet)
            for frame in packet.decode() if packet.stream.type == "video" else ():
                small = frame.reformat(*SIZE, interpolation="AREA")  # type: ignore[union-attr]
                output.mux(video.encode(small))  # type: ignore[attr-defined]
        output.mux(video.encode(None))  # type: ignore[attr-defined]
    return path


def needs_opencv(name: str) -> bool:
    return "flow" in name and importlib.util.find_spec("cv2") is None


def systems() -> list[str]:
    """Every bundle, and every classical method at x2: its arithmetic at other scales has tests of its own."""
    return sorted({*shipped_names(), *(name for name in procedure_names() if name.endswith("-x2"))})


@pytest.mark.parametrize("name", systems())
def test_a_real_clip_comes_out_whole(
    name: str, footage: Path, facts_of: Callable[[Path], Any], frames_of: Callable[[Path], list[Any]], tmp_path: Path
) -> None:
    if needs_opencv(name):
        pytest.skip("optical flow needs OpenCV, the extra `classical`")
    bundle, target = find(name), tmp_path / "large.mp4"
    options = UpscaleOptions(model=name, precision="fp32", tune=False)
    report = upscale_file(footage, target, options)
    before, after = facts_of(footage), facts_of(target)
    assert isinstance(report, VideoReport)
    assert report.receipt.variant in {variant.id for variant in bundle.manifest.variants}
    assert after.size == (SIZE[0] * bundle.spec.scale, SIZE[1] * bundle.spec.scale)
    assert len(frames_of(target)) == 75
    assert after.times == before.times
    assert [t.packets for t in after.of_kind("audio")] == [t.packets for t in before.of_kind("audio")]
