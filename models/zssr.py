"""ZSSR: eight layers that learn what bicubic lacks from the test image alone. Shocher, Cohen, Irani, CVPR 2018.

Published: 3 x 3, 64 channels, ReLU, zero padding, on the image enlarged to its final size, whose residual it learns.
What it is trained on: ``self_training``. Its weights belong to one image or clip, so none come with the package;
``subpixel adapt`` makes them.
"""

from __future__ import annotations

from subpixel.models.architecture import Architecture
from subpixel.models.bicubic import radius_px
from subpixel.models.residual import ResidualStack

LAYERS = 8
SCALES = (2, 3, 4)


class Zssr(ResidualStack):
    """A ``ResidualStack`` for one image or clip."""

    def __init__(self, scale: int) -> None:
        super().__init__(scale, LAYERS)


ZSSR = Architecture(
    name="zssr",
    family="image",
    paper="Shocher et al., CVPR 2018, arXiv:1712.06087",
    scales=SCALES,
    build=Zssr,
    radius_px=lambda scale: radius_px(scale, LAYERS),
)
