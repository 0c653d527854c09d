"""LiteRT, or its older name tflite-runtime: the only file of the runtime that imports them."""

from __future__ import annotations

import importlib
import importlib.metadata
import time
from collections import deque
from typing import Any

import numpy as np

from subpixel.engines.base import Probe, Receipt, Request, check_precision, refuse_or_fall_back, usable_cores
from subpixel.errors import EngineError, faults_as
from subpixel.spec import Array, Arrays, ModelSpec, TensorSpec, Variant

# module, distribution; the first that loads is taken
LIBRARIES = (("ai_edge_litert.interpreter", "ai-edge-litert"), ("tflite_runtime.interpreter", "tflite-runtime"))


def first_that_loads() -> tuple[Any, str]:
    """The interpreter class and its distribution. Raises ``EngineError`` with every library's reason."""
    reasons = []
    for module, distribution in LIBRARIES:
        try:
            return importlib.import_module(module).Interpreter, distribution
        except (ImportError, AttributeError) as fault:  # tflite-runtime beside numpy 2: either of the two
            reasons.append(f"{distribution}: {fault}")
    raise EngineError(f"no LiteRT library loads ({'; '.join(reasons)}); pip install 'subpixel[litert]'")


Interpreter, LIBRARY = first_that_loads()
VERSION = importlib.metadata.version(LIBRARY)


def probe() -> Probe:
    """The CPU: accelerators need delegates, which belong to their vendors."""
    return Probe(VERSION, ("cpu",), LIBRARY)


class LiteRtEngine:
    """One interpreter for each run side by side."""

    def __init__(self, blobs: tuple[bytes, ...], variant: Variant, spec: ModelSpec, request: Request) -> None:
        started = time.perf_counter()
        self.spec, self.variant = spec, variant
        fallback = None if request.device == "cpu" else refuse_or_fall_back(request, "LiteRT runs on the CPU here")
        check_precision(variant.precision, "litert", variant, request)
        threads = request.threads_each or usable_cores()  # LiteRT's own default is one
        with faults_as(EngineError, f"{LIBRARY} {VERSION} can't open {spec.name} ({variant.id})"):
            lanes = [_Lane(blobs[0], variant, threads) for _ in range(request.streams)]
        self._idle = deque(lanes)
        self.receipt = Receipt(
            engine="litert",
            library=LIBRARY,
            version=VERSION,
            provider=lanes[0].provider,
            device="cpu",
            precision=variant.precision,
            threads=threads * request.streams,
            build_seconds=time.perf_counter() - started,
            variant=variant.id,
            fallback=fallback,
            streams=request.streams,
        )

    def run(self, inputs: Arrays, outputs: Arrays | None = None) -> Arrays:
        """One copy in, one copy out."""
        lane = self._idle.pop()
        try:
            return lane.run(inputs, outputs)
        finally:
            self._idle.append(lane)

    def reset(self) -> None:
        """The states of a recurrent model are kept outside."""

    def close(self) -> None:
        """Free the interpreters."""
        del self._idle


class _Lane:
    """An interpreter, resized when the frame size changes, and its results."""

    def __init__(self, model: bytes, variant: Variant, threads: int) -> None:
        self._interpreter = Interpreter(model_content=model, num_threads=threads)
        self._interpreter.allocate_tensors()
        self._inputs = _indices(self._interpreter.get_input_details(), variant.inputs)
        self._outputs = _indices(self._interpreter.get_output_details(), variant.outputs)
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._results: Arrays = {}
        self.provider = _provider(self._interpreter)

    def run(self, inputs: Arrays, outputs: Arrays | None) -> Arrays:
        self._fit(inputs)
        for name, array in inputs.items():
            self._interpreter.set_tensor(self._inputs[name], array)
        self._interpreter.invoke()
        results = self._results if outputs is None else outputs
        for name, index in self._outputs.items():
            self._copy_out(index, name, results)
        return results

    def _fit(self, inputs: Arrays) -> None:
        """Resize the input tensors and allocate, once for each change of size."""
        shapes = {name: array.shape for name, array in inputs.items()}
        if shapes == self._shapes:
            return
        self._shapes, self._results = {}, {}  # unknown, should the library refuse
        for name, shape in shapes.items():
            self._interpreter.resize_tensor_input(self._inputs[name], shape)
        self._interpreter.allocate_tensors()
        self._shapes = shapes

    def _copy_out(self, index: int, name: str, results: Arrays) -> None:
        """No view of the interpreter's memory may live on: it refuses to run while one does."""
        view: Array = self._interpreter.tensor(index)()
        if name not in results:
            results[name] = np.empty_like(view)
        np.copyto(results[name], view, casting="no")


def _indices(details: list[dict[str, Any]], tensors: tuple[TensorSpec, ...]) -> dict[str, int]:
    """The file's tensors by our names, each checked against the manifest."""
    if len(details) != len(tensors):
        raise EngineError(f"the file has {len(details)} tensors where the manifest names {len(tensors)}")
    pairs = list(zip(_in_order(details, tensors), tensors, strict=True))
    for detail, tensor in pairs:
        found = (np.dtype(detail["dtype"]).name, tuple(detail["quantization"]))
        given = tensor.quantisation
        needed = (tensor.dtype, (given.scale, given.zero_point) if given else (0.0, 0))
        if found[0] != needed[0] or not np.allclose(found[1], needed[1], rtol=1e-6, atol=0):
            raise EngineError(f"tensor {tensor.name!r} is {found} in the file, {needed} in the manifest")
    return {tensor.name: int(detail["index"]) for detail, tensor in pairs}


def _in_order(details: list[dict[str, Any]], tensors: tuple[TensorSpec, ...]) -> list[dict[str, Any]]:
    """By name where the file has our names; else it has them in the manifest's order."""
    named = {str(detail["name"]): detail for detail in details}
    return [named[t.name] for t in tensors] if all(t.name in named for t in tensors) else details


def _provider(interpreter: Any) -> str:
    """XNNPACK is the only delegate that LiteRT adds by itself; a delegated graph has a node of that kind."""
    listed = getattr(interpreter, "_get_ops_details", None)
    details = listed() if listed else []
    return "XNNPACK" if any(op.get("op_name") == "DELEGATE" for op in details) else f"CPU ({LIBRARY})"
