"""What can be measured beside bicubic: a bundle through the runtime, and a torch net."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import subpixel


class BundleUpscaler:
    """A bundle through an engine of the runtime."""

    def __init__(self, model: subpixel.Model) -> None:
        self.model = model

    def exact(self, lr: NDArray[np.float32]) -> NDArray[np.float32] | None:
        """``None`` for int8: float frames would run through another variant of the bundle."""
        if self.model.receipt.precision == "int8":
            return None
        return self.model.upscale_luma(lr)

    def eight_bit(self, lr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return self.model.upscale_luma(lr)


class TorchUpscaler:
    """The torch net, in fp32."""

    def __init__(self, net: nn.Module) -> None:
        self.net = net

    def exact(self, lr: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.no_grad():
            result = self.net(torch.from_numpy(lr)[None, None])[0, 0]
        return np.asarray(result.numpy(), dtype=np.float32)

    def eight_bit(self, lr: NDArray[np.uint8]) -> NDArray[np.uint8]:
        levels = np.rint(self.exact(lr.astype(np.float32) / np.float32(255)) * 255)
        return np.asarray(np.clip(levels, 0, 255), dtype=np.uint8)
