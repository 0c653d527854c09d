"""What most people write: decode with PyAV, luma through a net as float, chroma bicubic, encode; sound copied.

Runs in the environment of the library that it is for: nothing of this project is imported.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame

SCALE = 3
OPTIONS = {"preset": "veryfast", "crf": "20"}


def enlarge_file(source: str, target: str, enlarge: Callable[[Any], Any]) -> None:
    """``enlarge``: luma / 255 ``[H, W]`` float32 to ``[3 H, 3 W]``."""
    with av.open(source) as given, av.open(target, "w") as wanted:
        pictures = given.streams.video[0]
        sounds = {stream.index: wanted.add_stream_from_template(stream) for stream in given.streams.audio}
        out: Any = wanted.add_stream("libx264", rate=pictures.average_rate)
        out.width, out.height, out.pix_fmt = SCALE * pictures.width, SCALE * pictures.height, "yuv420p"
        out.options = OPTIONS
        for packet in given.demux(pictures, *given.streams.audio):
            if packet.stream.index in sounds:
                if packet.dts is not None:
                    packet.stream = sounds[packet.stream.index]
                    wanted.mux(packet)
                continue
            for frame in packet.decode():
                wanted.mux(out.encode(larger(frame, enlarge)))
        wanted.mux(out.encode(None))


def larger(frame: Any, enlarge: Callable[[Any], Any]) -> VideoFrame:
    """One frame."""
    plane = frame.planes[0]
    luma = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
    result: VideoFrame = frame.reformat(SCALE * frame.width, SCALE * frame.height, "yuv420p", interpolation="BICUBIC")
    larger_luma = enlarge(luma.astype(np.float32) / 255)
    plane = result.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
    rows[:, : plane.width] = np.clip(larger_luma * 255 + 0.5, 0, 255).astype(np.uint8)
    result.pts, result.time_base = frame.pts, frame.time_base
    return result
