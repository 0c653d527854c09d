"""Enlarging with a self-trained net: the median over symmetries, back-projection, and sizes in steps.

Shocher, Cohen, Irani, CVPR 2018, section 3.2; back-projection: Irani and Peleg 1991.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from subpixel.models.blur_kernels import Kernel, Plane, symmetries
from subpixel.models.patches import turn
from subpixel.models.reduction import Reduction
from subpixel.models.self_training import SelfRecipe, SelfTrainer
from subpixel.models.zssr import Zssr
from subpixel.quality.resize import resize

BACK_PROJECTIONS = 6
INVERSES = (0, 1, 2, 5, 4, 3, 6, 7)  # of the ways of `patches.turn`

Shape = tuple[int, int]


def enlarged(net: Zssr, lr: Plane, shape: Shape) -> Plane:
    """``lr`` ``[h, w]`` enlarged to ``shape`` by bicubic and by what the net adds."""
    plane = np.asarray(resize(lr, *shape))
    given = torch.from_numpy(plane[None, None].astype(np.float32)).to(memory_format=torch.channels_last)
    with torch.no_grad():
        return np.asarray(plane + net.residual(given)[0, 0].numpy())


def back_projected(sr: Plane, lr: Plane, reduction: Reduction, rounds: int = BACK_PROJECTIONS) -> Plane:
    """``sr`` changed until its reduction is nearly ``lr``: each round adds the enlarged difference."""
    for _ in range(rounds):
        sr = sr + resize(lr - reduction.son(sr), *sr.shape)
    return sr


def ensemble(net: Zssr, lr: Plane, reduction: Reduction, shape: Shape, rounds: int = BACK_PROJECTIONS) -> Plane:
    """The median of the results for the image in all symmetries that the kernel has, each back-projected.

    The published test takes all eight. A net trained for one kernel that isn't symmetric doesn't fit the others' turns.
    """
    results = []
    for way in symmetries(reduction.full_kernel):
        turned = np.ascontiguousarray(turn(lr, way))
        result = enlarged(net, turned, (shape[1], shape[0]) if way & 1 else shape)
        upright: Plane = turn(result, INVERSES[way])
        results.append(back_projected(upright, lr, reduction, rounds))
    return back_projected(np.asarray(np.median(results, axis=0)), lr, reduction, rounds)


def gradual_factors(scale: int, count: int) -> tuple[float, ...]:
    """``count`` factors in equal ratios, the last one the scale."""
    return (*(scale ** (step / count) for step in range(1, count)), float(scale))


def self_enlarged(
    lr: Plane, scale: int, kernel: Kernel | None, recipe: SelfRecipe, factors: Sequence[float] | None = None
) -> tuple[Plane, SelfTrainer]:
    """Train on ``lr`` ``[h, w]`` and enlarge it; ``kernel``: ``None`` for bicubic. Gives the last trainer too.

    ``factors``: sizes in between (``gradual_factors``): each result joins the images that the next training learns
    from, the weights are kept, and the recipe's steps hold for each size.
    """
    images, net = [lr], None
    for factor in factors or (float(scale),):
        reduction = Reduction(scale, factor, kernel)
        trainer = SelfTrainer(images, reduction, recipe, net)
        net = trainer.run()
        shape = (round(lr.shape[0] * factor), round(lr.shape[1] * factor))
        result = ensemble(net, lr, reduction, shape)
        images = [result, *images]
    return result, trainer
