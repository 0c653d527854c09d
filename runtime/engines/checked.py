"""The one checking wrapper: inputs against the contract before, the library's exceptions mapped after."""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np

from subpixel.engines.base import Engine, Receipt, deliver
from subpixel.engines.states import StatefulEngine, result_shape
from subpixel.errors import BadInputError, EngineError, faults_as
from subpixel.spec import Array, Arrays, ModelSpec, TensorSpec, Variant


class CheckedEngine:
    """Wraps every engine that `open` gives out. A recurrent model's states stay inside: frames in, frames out."""

    def __init__(self, engine: Engine) -> None:
        carries_states = any(not tensor.is_frame for tensor in engine.variant.inputs)
        whole: Engine = StatefulEngine(engine) if carries_states else engine
        self._engine: Engine | None = whole
        self.spec: ModelSpec = engine.spec
        self.variant: Variant = engine.variant
        self.receipt: Receipt = whole.receipt

    def run(self, inputs: Arrays, outputs: Arrays | None = None) -> Arrays:
        """See ``Engine.run``. Raises ``BadInputError`` for arrays that break the contract, else ``EngineError``.

        Strided arrays are allowed; engines are given contiguous ones. See ``Engine.run`` for calls from threads.
        """
        engine = self._live()
        check_inputs(self.spec, self.variant, inputs)
        if outputs is not None:
            check_outputs(self.spec, self.variant, inputs, outputs)
        packed = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
        with self._faults("failed on"):
            if outputs is None or all(array.flags.c_contiguous for array in outputs.values()):
                return engine.run(packed, outputs)
            whole = {name: np.empty(array.shape, array.dtype) for name, array in outputs.items()}
            return deliver(engine.run(packed, whole), outputs)

    def reset(self) -> None:
        """See ``Engine.reset``: states are zeros again."""
        with self._faults("can't reset"):
            self._live().reset()

    def close(self) -> None:
        """See ``Engine.close``; a second call does nothing."""
        engine, self._engine = self._engine, None
        if engine is not None:
            with self._faults("can't close"):
                engine.close()

    def _faults(self, doing: str) -> AbstractContextManager[None]:
        return faults_as(EngineError, f"{self.receipt.engine} {doing} {self.spec.name} ({self.variant.id})")

    def _live(self) -> Engine:
        if self._engine is None:
            raise EngineError(f"the engine of {self.spec.name} was closed; open it again")
        return self._engine


def check_inputs(spec: ModelSpec, variant: Variant, inputs: Arrays) -> None:
    """Names, dtypes, axes, channels, frames and sizes; of the states nothing is given. Raises ``BadInputError``."""
    frames = tuple(tensor for tensor in variant.inputs if tensor.is_frame)
    _check_kind(spec, "input", frames, inputs)
    for tensor in frames:
        _check_sizes(spec, variant, tensor, _sizes(tensor, inputs[tensor.name]))


def check_outputs(spec: ModelSpec, variant: Variant, inputs: Arrays, outputs: Arrays) -> None:
    """The caller's arrays must hold just what will come; ``inputs`` were checked. Raises ``BadInputError``."""
    frames = tuple(tensor for tensor in variant.outputs if tensor.is_frame)
    _check_kind(spec, "output", frames, outputs)
    size = next(_sizes(tensor, inputs[tensor.name]) for tensor in variant.inputs if tensor.is_frame)
    for tensor in frames:
        array, needed = outputs[tensor.name], result_shape(spec, tensor, size)
        if array.shape != needed or not array.flags.writeable:
            state = "" if array.flags.writeable else " (read-only)"
            raise BadInputError(
                f"{spec.name}: output {tensor.name!r} is {array.shape}{state}, needed {needed}, writable"
            )


def _check_kind(spec: ModelSpec, role: str, tensors: tuple[TensorSpec, ...], arrays: Arrays) -> None:
    needed = {tensor.name: tensor for tensor in tensors}
    if set(arrays) != set(needed):
        raise BadInputError(f"{spec.name}: found {role}s {sorted(arrays)}, needed {sorted(needed)}")
    for name, tensor in needed.items():
        array = arrays[name]
        if array.dtype != tensor.dtype:
            raise BadInputError(f"{spec.name}: {role} {name!r} is {array.dtype}, needed {tensor.dtype}")
        if array.ndim != len(tensor.axes):
            raise BadInputError(f"{spec.name}: {role} {name!r} has shape {array.shape}, needed axes {tensor.axes}")


def _sizes(tensor: TensorSpec, array: Array) -> dict[str, int]:
    return dict(zip(tensor.axes, array.shape, strict=True))


def _check_sizes(spec: ModelSpec, variant: Variant, tensor: TensorSpec, size: dict[str, int]) -> None:
    if size.get("T", spec.window) != spec.window:
        raise BadInputError(f"{spec.name}: found a window of {size['T']} frames, needed {spec.window}")
    if size.get("C", tensor.channels) != tensor.channels:
        raise BadInputError(f"{spec.name}: found {size['C']} channels, needed {tensor.channels} ({tensor.colour})")
    height, width = size["H"], size["W"]
    if min(height, width, size.get("N", 1)) < 1:
        raise BadInputError(f"{spec.name}: found an empty frame {width}x{height}, needed at least 1x1")
    if variant.shapes not in (None, (height, width)):
        raise BadInputError(f"{variant.id} takes {variant.shapes} only, found {(height, width)}; run it in tiles")
    if height % spec.size_multiple or width % spec.size_multiple:
        raise BadInputError(f"{spec.name}: {width}x{height}: needed multiples of {spec.size_multiple}")
