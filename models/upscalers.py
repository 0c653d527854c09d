"""What can be measured beside bicubic: a bundle through the runtime, and a torch net."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import subpixel
from subpixel.spec import Colour, ModelSpec

Pixels = TypeVar("Pixels", NDArray[np.uint8], NDArray[np.float32])


class BundleUpscaler:
    """A bundle through an engine of the runtime: an image model frame by frame, a video model over the whole clip."""

    def __init__(self, model: subpixel.Model) -> None:
        self.model = model
        self.colour: Colour = model.spec.colour

    def exact(self, frames: Sequence[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]] | None:
        """``None`` for int8: float frames would run through another variant of the bundle."""
        if self.model.receipt.precision == "int8":
            return None
        return self._enlarged(frames)

    def eight_bit(self, frames: Sequence[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        return self._enlarged(frames)

    def _enlarged(self, frames: Sequence[Pixels]) -> Iterator[Pixels]:
        if self.model.spec.takes_windows:
            return self.model.upscale_video(frames)
        return (self.model.upscale(frame) for frame in frames)


class TorchUpscaler:
    """The torch net, in fp32; without a ``spec`` it takes and gives luma, one frame at a time.

    A video net sees its window of frames, the first and last repeated at a clip's ends; states start as zeros.
    """

    def __init__(self, net: nn.Module, spec: ModelSpec | None = None) -> None:
        self.net, self.spec = net, spec
        self.colour: Colour = "y" if spec is None else spec.colour

    def exact(self, frames: Sequence[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        states = self._start(frames[0])
        for index in range(len(frames)):
            with torch.inference_mode():
                result = self.net(self._given(frames, index), *states)
            if states:
                result, *states = result
            yield _image(result[0])

    def eight_bit(self, frames: Sequence[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
        for result in self.exact([lr.astype(np.float32) / np.float32(255) for lr in frames]):
            yield np.clip(np.rint(result * 255), 0, 255).astype(np.uint8)

    def _start(self, frame: NDArray[np.float32]) -> list[torch.Tensor]:
        states = () if self.spec is None else self.spec.states
        return [torch.zeros(1, state.channels, *frame.shape[:2]) for state in states]

    def _given(self, frames: Sequence[NDArray[np.float32]], index: int) -> torch.Tensor:
        """``[1, 1, h, w]``, ``[1, 3, h, w]`` or ``[1, window, h, w]``."""
        if self.colour == "rgb":
            return torch.from_numpy(np.ascontiguousarray(frames[index].transpose(2, 0, 1)))[None]
        window, lookahead = (1, 0) if self.spec is None else (self.spec.window, self.spec.lookahead)
        first = index + lookahead - window + 1
        seen = [frames[min(max(at, 0), len(frames) - 1)] for at in range(first, first + window)]
        return torch.from_numpy(np.stack(seen))[None]


def _image(result: torch.Tensor) -> NDArray[np.float32]:
    planes: NDArray[np.float32] = result.numpy()
    return planes[0] if len(planes) == 1 else planes.transpose(1, 2, 0)
