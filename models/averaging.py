"""The running mean of weights while a net is trained: calmer than those of any one step, and mostly better.

Izmailov et al. 2018, arXiv:1803.05407 (stochastic weight averaging); the mean is of the folded net's weights.
"""

from __future__ import annotations

import torch

Weights = dict[str, torch.Tensor]


class RunningMean:
    """Of about the last ``steps`` steps: of all as long as there are fewer, then with 1 / ``steps`` for the newest.

    ``values``: by name, as taken; nothing before the first step.
    """

    def __init__(self, steps: int) -> None:
        self.steps, self.taken, self.values = steps, 0, Weights()

    @torch.no_grad()
    def take(self, weights: Weights) -> None:
        """The weights after one more step; what isn't floating is kept as it is now."""
        self.taken += 1
        share = 1 / min(self.taken, self.steps)
        for name, now in weights.items():
            if name in self.values and now.is_floating_point():
                self.values[name].lerp_(now, share)
            else:
                self.values[name] = now.detach().clone()

    def restore(self, taken: int, values: Weights) -> None:
        """Go on from what a checkpoint holds."""
        self.taken, self.values = taken, values
