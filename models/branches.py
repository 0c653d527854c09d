"""Convolutions that are sums of branches while they are trained, and one plain convolution afterwards.

Ding et al. 2021, arXiv:2101.03697 (RepVGG); Zhang et al. 2021 (ECBSR). The branches are folded in the forward pass, a
few small products, instead of being run beside one another; without biases inside, folding is exact at borders too.
"""

from __future__ import annotations

import re

import torch
from torch import nn
from torch.nn.utils import parametrize

WIDER = 2  # channels of a branch's inner convolution for one of its outer
OWN = re.compile(r"\.parametrizations\.(\w+)\.original$")


class Branches(nn.Module):
    """A weight ``[C', C, 3, 3]`` as a sum: itself, and a wider convolution with a 1 x 1 behind it.

    ``forward`` is given the first and gives the sum; the 1 x 1 starts as zero. The layer's first ``kept`` filters stay
    what they are.
    """

    kept: torch.Tensor

    def __init__(self, layer: nn.Conv2d, kept: int = 0) -> None:
        super().__init__()
        self.register_buffer("kept", layer.weight[:kept].detach().clone())
        wide = WIDER * layer.out_channels
        self.inner = nn.Parameter(torch.empty(wide, layer.in_channels, *layer.kernel_size))
        self.outer = nn.Parameter(torch.zeros(layer.out_channels, wide))
        nn.init.kaiming_normal_(self.inner)

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        branch: torch.Tensor = torch.tensordot(self.outer, self.inner, dims=1)
        return torch.cat([self.kept, (weight + branch)[len(self.kept) :]])


class Silent(nn.Module):
    """A bias ``[C']`` whose first ``kept`` values stay zero."""

    def __init__(self, kept: int) -> None:
        super().__init__()
        self.kept = kept

    def forward(self, bias: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.zeros_like(bias[: self.kept]), bias[self.kept :]])


def widen(net: nn.Module) -> None:
    """Give the ``inner`` convolutions of a net their branches, where it has some; its function stays what it is.

    A net may say how many first filters of each are ``kept``: they are not trained.
    """
    inner: list[nn.Conv2d] = getattr(net, "inner", list)()
    for layer, kept in zip(inner, getattr(net, "kept", (0,) * len(inner)), strict=True):
        parametrize.register_parametrization(layer, "weight", Branches(layer, kept))
        if kept:
            parametrize.register_parametrization(layer, "bias", Silent(kept))


@torch.no_grad()
def folded_state(net: nn.Module) -> dict[str, torch.Tensor]:
    """The state of the plain net with the same function; its own where the net has no branches."""
    values = net.state_dict()
    return {plain: values[key] if key == plain else _folded(net, plain) for key, plain in own_weights(net).items()}


def own_weights(net: nn.Module) -> dict[str, str]:
    """The name in a plain net's state of every tensor of ``net`` that isn't a branch, by its name here."""
    names = {key: OWN.sub(r".\1", key) for key in net.state_dict()}
    return {key: name for key, name in names.items() if "parametrizations" not in name}


def _folded(net: nn.Module, plain: str) -> torch.Tensor:
    layer, _, name = plain.rpartition(".")
    folded: torch.Tensor = getattr(net.get_submodule(layer), name)
    return folded
