"""Dense optical flow by OpenCV's DIS (Kroeger et al., "Fast optical flow using dense inverse search", ECCV 2016)."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

import numpy as np

from subpixel.classical.motion import Flow, check_pair
from subpixel.classical.resampling import Plane
from subpixel.errors import missing_package

SMALLEST_PX = 32  # below it DIS has too few patches; smaller frames are mirrored up to it


class DisFlow:
    """A ``MotionEstimator`` on 8-bit copies of the planes. Raises ``MissingPackageError`` without OpenCV."""

    def __init__(self) -> None:
        if importlib.util.find_spec("cv2") is None:
            raise missing_package("OpenCV", "classical", "dense optical flow")
        cv2: Any = importlib.import_module("cv2")  # its type stubs lack this class in some versions
        self._dis: Any = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        self._dis.setFinestScale(0)

    def __call__(self, reference: Plane, other: Plane) -> Flow:
        check_pair(reference, other)
        height, width = reference.shape
        flow = self._dis.calc(_levels(reference), _levels(other), None)
        return np.array(flow[:height, :width], dtype=np.float32)


def _levels(plane: Plane) -> Any:
    below, right = (max(0, SMALLEST_PX - length) for length in plane.shape)
    padded = np.pad(plane, ((0, below), (0, right)), mode="symmetric")
    return np.clip(np.rint(padded * 255), 0, 255).astype(np.uint8)
