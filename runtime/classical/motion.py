"""What a motion estimator is, and how frames are sampled along the motion it found.

A flow is ``[H, W, 2]`` float32 in pixels, first to the right, then down: what the reference shows at ``(x, y)`` the
other frame shows at ``(x, y) + flow[y, x]``. An object that moves to the right from the reference to the other frame
has positive first components, as in OpenCV's ``calcOpticalFlow...(reference, other)``.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from subpixel.classical.resampling import Plane
from subpixel.errors import BadInputError

Flow = NDArray[np.float32]


class MotionEstimator(Protocol):
    """Two planes ``[H, W]`` float32 in about [0, 1] to a flow ``[H, W, 2]``. Raises ``BadInputError`` for others."""

    def __call__(self, reference: Plane, other: Plane) -> Flow: ...


def check_pair(reference: Plane, other: Plane) -> None:
    """Raises ``BadInputError`` unless both are planes of one size, floating, and not empty."""
    fits = reference.ndim == 2 and reference.shape == other.shape and reference.size > 0
    if not fits or not all(np.issubdtype(plane.dtype, np.floating) for plane in (reference, other)):
        raise BadInputError(
            f"motion between arrays {reference.shape} of {reference.dtype} and {other.shape} of {other.dtype}; "
            "needed two planes [H, W] of one size, floating in [0, 1]"
        )


def grid(height: int, width: int) -> Flow:
    """``[H, W, 2]``: each pixel's own place, x first."""
    rows, columns = np.indices((height, width), dtype=np.float32)
    return np.stack([columns, rows], axis=2)


def sampled(plane: Plane, places: Flow) -> Plane:
    """``plane`` at ``places`` ``[..., 2]`` (x first), bilinear; places outside take the border's value."""
    height, width = plane.shape
    x, y = np.clip(places[..., 0], 0, width - 1), np.clip(places[..., 1], 0, height - 1)
    left, top = np.minimum(x.astype(np.intp), max(width - 2, 0)), np.minimum(y.astype(np.intp), max(height - 2, 0))
    right_part, lower_part = x - left, y - top
    across, down = int(width > 1), width * int(height > 1)
    first, flat = top * width + left, plane.ravel()
    upper = flat[first] + (flat[first + across] - flat[first]) * right_part
    lower = flat[first + down] + (flat[first + down + across] - flat[first + down]) * right_part
    result: Plane = upper + (lower - upper) * lower_part
    return result


def warped(other: Plane, flow: Flow) -> Plane:
    """``other`` seen from the reference: ``[H, W]``, at each pixel what the flow says it moved to."""
    return sampled(other, grid(*other.shape) + flow)


# Which of nine are compared, the smaller one to the first place: the median ends at place 4 (Paeth 1990).
EXCHANGES = (
    (1, 2), (4, 5), (7, 8), (0, 1), (3, 4), (6, 7), (1, 2), (4, 5), (7, 8), (0, 3),
    (5, 8), (4, 7), (3, 6), (1, 4), (2, 5), (4, 7), (4, 2), (6, 4), (4, 2),
)  # fmt: skip


def median(flow: Flow) -> Flow:
    """Each component's median over the 3x3 around each vector, the border repeated: lone wrong vectors go."""
    padded = np.pad(flow, ((1, 1), (1, 1), (0, 0)), mode="edge")
    height, width = flow.shape[:2]
    nine = [padded[dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3)]
    for low, high in EXCHANGES:
        nine[low], nine[high] = np.minimum(nine[low], nine[high]), np.maximum(nine[low], nine[high])
    return nine[4]
