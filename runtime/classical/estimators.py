"""The motion estimators by their names, and the fusion that each one makes."""

from __future__ import annotations

from collections.abc import Callable

from subpixel.classical.block_matching import DiamondSearch, ExhaustiveSearch
from subpixel.classical.dense_flow import DisFlow
from subpixel.classical.fusion import Fusion
from subpixel.classical.lucas_kanade import LucasKanade
from subpixel.classical.motion import MotionEstimator
from subpixel.errors import BadInputError

ESTIMATORS: dict[str, Callable[[], MotionEstimator]] = {
    "gradient": LucasKanade,
    "block": ExhaustiveSearch,
    "diamond": DiamondSearch,
    "flow": DisFlow,
}


def estimator(name: str) -> MotionEstimator:
    """``gradient`` (Lucas and Kanade), ``block`` (exhaustive), ``diamond``, or ``flow`` (DIS, needs OpenCV).

    Raises ``BadInputError`` for another name, ``MissingPackageError`` where OpenCV is needed and isn't there.
    """
    if name not in ESTIMATORS:
        raise BadInputError(f"no motion estimator {name!r}; there are: {', '.join(ESTIMATORS)}")
    return ESTIMATORS[name]()


def fusion(scale: int, name: str) -> Fusion:
    """Fusion of five frames registered by that estimator."""
    return Fusion(scale, estimator(name))
