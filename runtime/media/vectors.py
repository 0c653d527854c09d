"""Motion vectors that a decoder gives for nothing, as shifts by which a frame's content may have moved.

Software decoders of H.264, MPEG-4, MPEG-2 and their like have them, others give none. A vector says what the coder took
a block from before it added a difference, so a shift is only a hint; where frames are decoded in several threads, some
frames' vectors are told before all are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.frame import PictureType, VideoFrame

from subpixel.moves import Hints, Shift, no_hints

MOST_SHIFTS = 4
LEAST_SHARE = 0.02  # of the frame's area
KEY_STEP = 1 << 16  # two parts of a shift in one number


class Vectors:
    """Told every frame that is shown, in order, straight from the decoder.

    A vector counts from a picture that the decoder doesn't name. It is taken to be the last one shown that is no B
    picture, or, for vectors to what comes later, the next one shown.
    """

    def __init__(self) -> None:
        self._since = 0

    def hints(self, frame: VideoFrame) -> Hints:
        """Whole-pixel shifts from the frame before, by the area that moved; of fields there are none."""
        self._since += 1
        distance = self._since
        if frame.pict_type != PictureType.B:
            self._since = 0
        found = None if frame.interlaced_frame else _side_data(frame).get("MOTION_VECTORS")
        return no_hints if found is None else partial(_shifts, found, frame.width * frame.height, distance)


def _side_data(frame: VideoFrame) -> Mapping[Any, Any]:
    """Not ``frame.side_data``: a frame asked for that points to itself, and is kept until garbage is looked for."""
    return SideDataContainer(frame)  # type: ignore[call-arg]  # the stub leaves it out


def _shifts(found: Any, area: int, distance: int) -> list[Shift]:
    """``distance``: frames back to the picture that vectors from earlier ones count from."""
    table = found.to_ndarray()
    unit = table["motion_scale"].astype(np.int64) * np.where(table["source"] < 0, distance, -1)
    table, unit = table[unit != 0], unit[unit != 0]
    down, across = table["motion_y"], table["motion_x"]
    whole = (down % unit == 0) & (across % unit == 0) & ((down != 0) | (across != 0))
    keys = down[whole] // unit[whole] * KEY_STEP + across[whole] // unit[whole]
    shifts, which = np.unique(keys, return_inverse=True)
    areas = np.bincount(which, weights=table["w"][whole] * table["h"][whole].astype(float), minlength=len(shifts))
    order = areas.argsort()[::-1][:MOST_SHIFTS]
    return [_shift_of(int(shifts[at])) for at in order if areas[at] >= LEAST_SHARE * area]


def _shift_of(key: int) -> Shift:
    across = (key + KEY_STEP // 2) % KEY_STEP - KEY_STEP // 2
    return (key - across) // KEY_STEP, across
