"""FFmpeg as PyAV brings it: its version, the encoders it was built with, a small clip to measure on."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from subpixel.errors import BadInputError, MissingPackageError, faults_as

# Those worth knowing of, software first. That FFmpeg was built with one says nothing of the hardware behind it.
ENCODERS = (
    "libx264", "libx265", "libsvtav1", "libvpx-vp9", "mpeg4",
    "h264_v4l2m2m", "hevc_v4l2m2m", "h264_nvenc", "hevc_nvenc", "av1_nvenc",
    "h264_qsv", "hevc_qsv", "h264_vaapi", "hevc_vaapi", "h264_videotoolbox", "h264_amf", "h264_mf",
)  # fmt: skip
CLIP_FPS = 24


@dataclass(frozen=True)
class Ffmpeg:
    """``encoders``: those of ``ENCODERS`` that FFmpeg was built with; ``error``: why PyAV can't be used, if so."""

    pyav: str = ""
    ffmpeg: str = ""
    encoders: tuple[str, ...] = ()
    error: str = ""


def read_ffmpeg() -> Ffmpeg:
    """What PyAV tells; a PyAV that is missing or broken is reported, not raised."""
    try:
        import av
    except ImportError as fault:
        return Ffmpeg(error=f"PyAV can't be loaded ({fault}); pip install 'av>=17,<19'")
    found = tuple(name for name in ENCODERS if _encodes(name))
    return Ffmpeg(av.__version__, str(av.ffmpeg_version_info), found)


def _encodes(name: str) -> bool:
    import av

    try:
        return bool(av.Codec(name, "w").is_encoder)
    except ValueError:  # PyAV's error for an unknown codec is a ValueError
        return False


def make_clip(file: Path, width: int, height: int, seconds: float) -> None:
    """Write a moving pattern at an even size: H.264 (MPEG-4 where libx264 is missing), 4:2:0, no sound.

    Raises ``BadInputError`` or ``MissingPackageError``.
    """
    if width % 2 or height % 2 or min(width, height) < 16:
        raise BadInputError(f"found {width}x{height} for a clip; needed even sizes of at least 16")
    try:
        import av
    except ImportError as fault:
        raise MissingPackageError(f"a clip needs PyAV ({fault}); pip install 'av>=17,<19'") from fault
    encoder = next((name for name in ("libx264", "mpeg4") if _encodes(name)), "mpeg4")
    with faults_as(BadInputError, f"{file} can't be written by {encoder}"), av.open(str(file), "w") as out:
        stream = cast(av.VideoStream, out.add_stream(encoder, rate=Fraction(CLIP_FPS)))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for number in range(max(2, round(seconds * CLIP_FPS))):
            frame = av.VideoFrame.from_ndarray(picture(width, height, number), format="gray")
            out.mux(stream.encode(frame.reformat(format="yuv420p")))
        out.mux(stream.encode())


def picture(width: int, height: int, number: int) -> NDArray[np.uint8]:
    """Frame ``number`` of the pattern, ``[height, width]`` in 16..235: slopes, edges and a fixed grain, moving."""
    across, down = np.meshgrid(np.arange(width) + 2 * number, np.arange(height) + number)
    slopes = 60 * np.sin(across / 37) + 40 * np.cos(down / 23)
    edges = 30 * ((across // 16 + down // 16) % 2)
    grain = np.random.default_rng(0).normal(0, 4, (height, width))
    result: NDArray[np.uint8] = np.clip(110 + slopes + edges + grain, 16, 235).astype(np.uint8)
    return result


def count_frames(file: Path) -> int:
    """Video packets of the first video stream, without decoding."""
    import av

    with faults_as(BadInputError, f"{file} can't be read"), av.open(str(file)) as media:
        return sum(1 for packet in media.demux(video=0) if packet.size)
