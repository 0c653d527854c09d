"""How near a result is to the original, encoding and all: PSNR of its luma."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from racing.clips import SCALE, Clip
from subpixel.quality.metrics import psnr_db


def against_originals(result: Path, clip: Clip) -> float | None:
    """Mean over the frames that have an original, ``SCALE`` pixels cropped at each border, in dB.

    ``None`` where none has one. Raises ``ValueError`` where the result lacks such a frame or has another size.
    """
    if not clip.originals:
        return None
    figures = []
    with av.open(str(result)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number in clip.originals:
                plane = frame.planes[0]
                luma = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
                figures.append(psnr_db(luma, np.load(clip.originals[number]), SCALE, 255.0))
    if len(figures) != len(clip.originals):
        raise ValueError(f"{result.name} has {len(figures)} of the {len(clip.originals)} frames with an original")
    return float(np.mean(figures))
