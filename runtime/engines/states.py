"""Recurrent models: what the graph hands itself from frame to frame stays in here, callers see ``lr`` and ``sr``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from subpixel.engines.base import Engine
from subpixel.spec import NEXT, Array, Arrays, ModelSpec, TensorSpec

Size = dict[str, int]


class StatefulEngine:
    """An engine that is given the states it gave for the last frame; zeros at first and where the size changes.

    Two sets of arrays take turns, one read and one written: some libraries read the memory itself while they write.
    """

    def __init__(self, engine: Engine) -> None:
        self.spec, self.variant, self.receipt = engine.spec, engine.variant, replace(engine.receipt, streams=1)
        self._engine = engine
        self._lr = next(tensor for tensor in self.variant.inputs if tensor.is_frame)
        self._frames_out = [tensor for tensor in self.variant.outputs if tensor.is_frame]
        self._size: Size = {}
        self._states: Arrays = {}
        self._spare: Arrays = {}
        self._results: Arrays = {}

    def run(self, inputs: Arrays, outputs: Arrays | None = None) -> Arrays:
        """One frame of a clip; without ``outputs`` the results are valid until the next call."""
        size = dict(zip(self._lr.axes, inputs[self._lr.name].shape, strict=True))
        if size != self._size:
            self._fit(size)
        wanted = outputs if outputs is not None else self._results
        following = {f"{name}{NEXT}": array for name, array in self._spare.items()}
        self._engine.run(inputs | self._states, wanted | following)
        self._states, self._spare = self._spare, self._states
        return wanted

    def reset(self) -> None:
        """Zeros again: a new clip, a scene cut."""
        for array in self._states.values():
            array[...] = 0
        self._engine.reset()

    def close(self) -> None:
        """Free the engine and the states."""
        self._states, self._spare, self._results = {}, {}, {}
        self._engine.close()

    def _fit(self, size: Size) -> None:
        """New arrays for frames of another size: a state of other frames says nothing about these."""
        states = [tensor for tensor in self.variant.inputs if not tensor.is_frame]
        self._states, self._spare = ({t.name: self._zeros(t, size) for t in states} for _ in range(2))
        self._results = {tensor.name: result_for(self.spec, tensor, size) for tensor in self._frames_out}
        self._size = size

    def _zeros(self, tensor: TensorSpec, size: Size) -> Array:
        channels = next(state.channels for state in self.spec.states if state.name == tensor.name)
        return np.zeros([size[axis] if axis != "C" else channels for axis in tensor.axes], tensor.dtype)


def result_for(spec: ModelSpec, tensor: TensorSpec, size: Size) -> Array:
    """An array for the output ``tensor`` of a frame of this size; not set."""
    return np.empty(result_shape(spec, tensor, size), tensor.dtype)


def result_shape(spec: ModelSpec, tensor: TensorSpec, size: Size) -> tuple[int, ...]:
    """What an output frame measures along each of its axes; ``size``: of the input frame along each of its own."""
    factor = {"H": spec.scale, "W": spec.scale}
    known = {"C": tensor.channels, "T": 1}
    return tuple(known.get(axis, size.get(axis, 1)) * factor.get(axis, 1) for axis in tensor.axes)
