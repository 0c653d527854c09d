"""Real clips as training material: windows of neighbouring frames, reduced until compression no longer shows."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subpixel.errors import BadInputError
from subpixel.scenes import SceneDetector

SUFFIXES = {".mp4", ".mkv", ".264", ".mov", ".webm"}
SHOWN = ("openh264_street_*", "mdn_flower_*", "*bigbuckbunny*")  # what samples and figures are made from
AT_MOST_PX = 640  # width of a reduced frame
LEAST_FACTOR = 2
WINDOWS = 16  # from each clip, spread evenly: what memory has to hold
SEEN_FRAMES = 300

Plane = NDArray[np.float32]


def clip_files(folder: Path) -> list[Path]:
    """The videos below a folder that may be trained on, sorted."""
    found = (file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES)
    return sorted(file for file in found if not any(fnmatch(file.name, shown) for shown in SHOWN))


def luma_frames(clip: Path) -> Iterator[Plane]:
    """Y of the first ``SEEN_FRAMES`` frames, reduced, ``[H, W]``, of 255. Raises ``BadInputError`` without planes."""
    import av  # only clips need it

    with av.open(str(clip)) as container:
        for count, frame in enumerate(container.decode(video=0)):
            if count == SEEN_FRAMES:
                return
            if not frame.format.is_planar or frame.format.components[0].bits != 8:
                raise BadInputError(f"{clip}: found pixel format {frame.format.name}, needed 8-bit planes with luma")
            plane = frame.planes[0]
            luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
                : frame.height, : frame.width
            ]
            yield area_reduced(luma, max(LEAST_FACTOR, round(frame.width / AT_MOST_PX)))


def area_reduced(luma: NDArray[np.uint8], factor: int) -> Plane:
    """The mean of every ``factor`` x ``factor`` block, as float32 in [0, 1]."""
    height, width = (side // factor for side in luma.shape)
    cut = luma[: height * factor, : width * factor].reshape(height, factor, width, factor)
    mean: Plane = cut.mean((1, 3), dtype=np.float32) / np.float32(255)
    return mean


def windows(frames: Iterable[Plane], length: int, step: int) -> Iterator[Plane]:
    """Every ``step``-th window ``[T, H, W]`` of neighbouring frames; one that spans a scene cut is left out."""
    detector, last = SceneDetector(), deque[Plane](maxlen=length)
    for count, frame in enumerate(frames):
        if detector.is_cut(frame):
            last.clear()
        last.append(frame)
        if len(last) == length and (count - length + 1) % step == 0:
            yield np.stack(last)


def clip_windows(clip: Path, length: int) -> list[Plane]:
    """At most ``WINDOWS`` windows of a clip, spread evenly over it."""
    count = min(SEEN_FRAMES, _frame_count(clip))
    step = max(1, -(-(count - length + 1) // WINDOWS))
    return list(windows(luma_frames(clip), length, step))


def _frame_count(clip: Path) -> int:
    import av

    with av.open(str(clip)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)
