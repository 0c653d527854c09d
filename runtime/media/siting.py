"""Where the chroma samples of a decoded video sit.

PyAV does not show ``chroma_location``, but it goes along when a frame's properties are copied, and libswscale minds it.
So it is measured: two chroma ramps are halved under the frame's own, unseen tag, and their shift tells.
libswscale takes "not tagged" for the centre; for that answer the codec decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from subpixel.media.colour import LIMITED, MATRIX_UNKNOWN
from subpixel.media.pixels import bits_of, plane_of, subsampling

# Offsets of a chroma sample in parts of the cell of luma samples it belongs to: across, down.
OFFSETS = {
    "left": (0.0, 0.5), "center": (0.5, 0.5), "topleft": (0.0, 0.0),
    "top": (0.5, 0.0), "bottomleft": (0.0, 1.0), "bottom": (0.5, 1.0),
}  # fmt: skip
ALWAYS_TAGGED = ("h264", "hevc", "vvc", "mpeg2video")  # their decoders fill in the standard's default
CENTRED = ("mjpeg", "mjpegb", "jpegls", "jpeg2000", "mpeg1video", "png", "webp")
SMALLEST_PX, RAMP_LENGTH, STEP, BASE = 16, 34, 6, 24


@dataclass(frozen=True)
class Siting:
    """``name`` as FFmpeg has it; ``origin``: ``stream`` (it says so), ``codec`` (the codec's default) or ``none``."""

    name: str
    origin: str

    def __str__(self) -> str:
        return {
            "stream": f"chroma siting {self.name}, as the stream says",
            "codec": f"chroma siting {self.name} assumed, the codec's default",
        }.get(self.origin, "no chroma subsampling")


def siting_of(frame: VideoFrame, codec: str, working: str) -> Siting:
    """The chroma siting of a frame decoded by ``codec``; ``working``: its planar format. Overwrites the frame."""
    if subsampling(working) == (1, 1):
        return Siting("left", "none")
    if subsampling(working) != (2, 2):  # 4:2:2 and 4:1:1: every standard puts chroma on the first luma sample
        return Siting("center" if codec in CENTRED else "left", "codec")
    measured = _measured(frame)
    name = _nearest(measured) if measured else "center"
    if name != "center" or (measured and codec in ALWAYS_TAGGED):
        return Siting(name, "stream")
    return Siting("center" if codec in CENTRED else "left", "codec")


def _nearest(offset: tuple[float, float]) -> str:
    return min(OFFSETS, key=lambda name: abs(OFFSETS[name][0] - offset[0]) + abs(OFFSETS[name][1] - offset[1]))


def _measured(frame: VideoFrame) -> tuple[float, float] | None:
    """Offsets across and down, in parts of the cell; ``None`` for a frame too small to tell. Overwrites the frame."""
    if min(frame.width, frame.height) < SMALLEST_PX:
        return None
    frame.make_writable()
    frame.colorspace, frame.color_range = MATRIX_UNKNOWN, LIMITED
    across, down = plane_of(frame, 1), plane_of(frame, 2)
    level = 1 << (bits_of(frame.format.name) - 8)
    across[:] = level * _ramp(across.shape[1])
    down[:] = level * _ramp(down.shape[0])[:, None]
    half = frame.reformat(frame.width // 4 * 2, frame.height // 4 * 2, interpolation="BICUBIC")
    across, down = plane_of(half, 1) / level, plane_of(half, 2) / level
    return _offset(across[len(across) // 2], frame.width), _offset(down[:, down.shape[1] // 2], frame.height)


def _ramp(length: int) -> NDArray[np.uint16]:
    return (BASE + STEP * np.minimum(np.arange(length), RAMP_LENGTH)).astype(np.uint16)


def _offset(levels: NDArray[Any], side: int) -> float:
    """From one line across a halved ramp: sample ``k`` shows the source at ``(k + p) / s - p``, ``p`` the offset."""
    middle = np.arange(2, min(len(levels), RAMP_LENGTH // 2) - 2)
    source = (levels[middle] - BASE) / STEP
    scale = (side // 4 * 2) / side
    inside_cell = np.mean(source - middle / scale) / (1 / scale - 1)
    return float(inside_cell - 0.25) * 2
