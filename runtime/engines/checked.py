"""The one checking wrapper: inputs against the contract before, the library's exceptions mapped after."""

from __future__ import annotations

from subpixel.engines.base import Engine, Receipt
from subpixel.errors import BadInputError, EngineError, faults_as
from subpixel.spec import Arrays, ModelSpec, TensorSpec, Variant


class CheckedEngine:
    """Wraps every engine that `open` gives out."""

    def __init__(self, engine: Engine) -> None:
        self._engine: Engine | None = engine
        self.spec: ModelSpec = engine.spec
        self.variant: Variant = engine.variant
        self.receipt: Receipt = engine.receipt

    def run(self, inputs: Arrays, outputs: Arrays | None = None) -> Arrays:
        """See ``Engine.run``. Raises ``BadInputError`` for arrays that break the contract, else ``EngineError``."""
        engine = self._live()
        check_inputs(self.spec, self.variant, inputs)
        with faults_as(EngineError, f"{self.receipt.engine} failed on {self.spec.name} ({self.variant.id})"):
            return engine.run(inputs, outputs)

    def reset(self) -> None:
        """See ``Engine.reset``."""
        self._live().reset()

    def close(self) -> None:
        """See ``Engine.close``; a second call does nothing."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _live(self) -> Engine:
        if self._engine is None:
            raise EngineError(f"the engine of {self.spec.name} was closed; open it again")
        return self._engine


def check_inputs(spec: ModelSpec, variant: Variant, inputs: Arrays) -> None:
    """Names, dtypes, axes, channels and sizes. Raises ``BadInputError``."""
    needed = {tensor.name: tensor for tensor in variant.inputs}
    if set(inputs) != set(needed):
        raise BadInputError(f"{spec.name}: found inputs {sorted(inputs)}, needed {sorted(needed)}")
    for name, tensor in needed.items():
        array = inputs[name]
        if array.dtype != tensor.dtype:
            raise BadInputError(f"{spec.name}: input {name!r} is {array.dtype}, needed {tensor.dtype}")
        if array.ndim != len(tensor.axes):
            raise BadInputError(f"{spec.name}: input {name!r} has shape {array.shape}, needed axes {tensor.axes}")
        _check_sizes(spec, variant, tensor, dict(zip(tensor.axes, array.shape, strict=True)))


def _check_sizes(spec: ModelSpec, variant: Variant, tensor: TensorSpec, size: dict[str, int]) -> None:
    if tensor.role != "frame":
        return
    if size.get("C", tensor.channels) != tensor.channels:
        raise BadInputError(f"{spec.name}: found {size['C']} channels, needed {tensor.channels} ({tensor.colour})")
    height, width = size["H"], size["W"]
    if min(height, width, size.get("N", 1)) < 1:
        raise BadInputError(f"{spec.name}: found an empty frame {width}x{height}, needed at least 1x1")
    if variant.shapes not in (None, (height, width)):
        raise BadInputError(f"{variant.id} takes {variant.shapes} only, found {(height, width)}; run it in tiles")
    if height % spec.size_multiple or width % spec.size_multiple:
        raise BadInputError(f"{spec.name}: {width}x{height}: needed multiples of {spec.size_multiple}")
