"""Convolutions that are sums of branches while they are trained, and one plain convolution afterwards.

Ding et al. 2021, arXiv:2101.03697 (RepVGG); Zhang et al. 2021 (ECBSR). The branches are folded in the forward pass, a
few small products, instead of being run beside one another; without biases inside, folding is exact at borders too.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils import parametrize

WIDER = 2  # channels of a branch's inner convolution for one of its outer
FOLDED, OWN = ".weight", ".parametrizations.weight.original"


class Branches(nn.Module):
    """A weight ``[C', C, 3, 3]`` as a sum: itself, and a wider convolution with a 1 x 1 behind it.

    ``forward`` is given the first and gives the sum; the 1 x 1 starts as zero.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        wide = WIDER * layer.out_channels
        self.inner = nn.Parameter(torch.empty(wide, layer.in_channels, *layer.kernel_size))
        self.outer = nn.Parameter(torch.zeros(layer.out_channels, wide))
        nn.init.kaiming_normal_(self.inner)

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        branch: torch.Tensor = torch.tensordot(self.outer, self.inner, dims=1)
        return weight + branch


def widen(net: nn.Module) -> None:
    """Give the ``inner`` convolutions of a net their branches, where it has some; its function stays what it is."""
    inner = getattr(net, "inner", None)
    for layer in inner() if inner is not None else ():
        parametrize.register_parametrization(layer, "weight", Branches(layer))


@torch.no_grad()
def folded_state(net: nn.Module) -> dict[str, torch.Tensor]:
    """The state of the plain net with the same function; its own where the net has no branches."""
    values = net.state_dict()
    return {plain: _folded(net, key) if OWN in key else values[key] for key, plain in own_weights(net).items()}


def own_weights(net: nn.Module) -> dict[str, str]:
    """The name in a plain net's state of every tensor of ``net`` that isn't a branch, by its name here."""
    return {key: key.replace(OWN, FOLDED) for key in net.state_dict() if OWN in key or "parametrizations" not in key}


def _folded(net: nn.Module, key: str) -> torch.Tensor:
    weight: torch.Tensor = net.get_submodule(key.removesuffix(OWN)).weight  # type: ignore[assignment]
    return weight
