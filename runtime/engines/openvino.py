"""OpenVINO: the only file of the runtime that imports it."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import threading
import time
from collections import deque
from dataclasses import replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from subpixel.cache import cache_folder
from subpixel.engines.base import Fallback, Probe, Receipt, Request, check_precision, refuse_or_fall_back
from subpixel.engines.built import keep_built, load_built
from subpixel.errors import EngineError, faults_as
from subpixel.manifest import sha256
from subpixel.spec import Array, Arrays, ModelSpec, Variant

CONVERTER = "openvino.tools.ovc"


def _without_its_converter() -> Any:
    """The package without its model converter, which takes half of the import; that waits for its first call."""
    if "openvino" in sys.modules or CONVERTER in sys.modules:
        import openvino

        return openvino
    sys.modules[CONVERTER] = None  # type: ignore[assignment]  # an ImportError, which OpenVINO takes
    try:
        import openvino
    finally:
        del sys.modules[CONVERTER]
    if not hasattr(openvino, "convert_model"):
        openvino.convert_model = _convert_model
    return openvino


def _convert_model(*arguments: Any, **options: Any) -> Any:
    from openvino.tools.ovc import convert_model

    ov.convert_model = convert_model
    return convert_model(*arguments, **options)


ov: Any = _without_its_converter()
VERSION = ov.__version__.partition("-")[0]
CPU = "CPU"
PRECISION_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
PRECISION_OF = {hint: precision for precision, hint in PRECISION_HINTS.items()}
INT8_TYPES = {"i8", "u8"}
REWRITING = 3  # which way of `_fitted` built models are kept under; counts up with every change of it
SHUFFLE_BEGINS = "shuffle/ByPhase"  # as `subpixel.models.onnx_shuffle` names it
CHANNEL_BY_CHANNEL = {"Add", "Clamp", "Convert", "FakeQuantize", "Maximum", "Minimum", "Multiply", "Relu", "Round"}
OF_WEIGHTS = {"Convert", "FakeQuantize", "Multiply", "Subtract"}
ARITHMETIC_LAYERS = {"Convolution", "Deconvolution", "FullyConnected", "MatMul"}


@lru_cache(maxsize=1)
def core() -> Any:
    """The library's registry of devices; one for the process, as OpenVINO wants it."""
    return ov.Core()


def probe() -> Probe:
    """The devices whose drivers really load, and what the CPU can compute in."""
    found = list(core().available_devices)
    able = ", ".join(core().get_property(CPU, "OPTIMIZATION_CAPABILITIES")) if CPU in found else "none"
    return Probe(VERSION, tuple(_our_name(name) for name in found), f"CPU capabilities: {able}")


class OpenVinoEngine:
    """A net compiled for the frames it is to expect, and for all other sizes when the first of them comes."""

    def __init__(self, blobs: tuple[bytes, ...], variant: Variant, spec: ModelSpec, request: Request) -> None:
        started = time.perf_counter()
        self.spec, self.variant, self._blobs = spec, variant, blobs
        self._request = _exact_where_it_warps(request, spec)
        with faults_as(EngineError, f"openvino {VERSION} can't open {spec.name} ({variant.id})"):
            fits = request.frame_size if variant.shapes is None else None
            compiled, fallback = self._compiled(fits)
            shape = compiled.inputs[0].get_partial_shape()
            self._expected = tuple(shape.to_shape()) if shape.is_static and fits else None
            self.receipt = self._receipt(compiled, request, fallback, started)
            self._requests = {self._expected: Requests(compiled, self.receipt.streams)}
        self._compiling = threading.Lock()
        check_precision(self.receipt.precision, f"openvino on this {self.receipt.provider}", variant, request)

    def run(self, inputs: Arrays, outputs: Arrays | None = None) -> Arrays:
        """Inputs and given outputs are shared with the library, nothing is copied."""
        requests = self._requests_for(inputs)
        if outputs is None:
            results = _inferred(requests.own, inputs)
            return {tensor.name: results[tensor.name] for tensor in self.variant.outputs}
        request = requests.idle.pop()
        try:
            _inferred(request, inputs | outputs)
        finally:
            requests.idle.append(request)
        return outputs

    def reset(self) -> None:
        """The states of a recurrent model are kept outside."""

    def close(self) -> None:
        """Free the compiled models and their memory."""
        del self._requests, self._blobs

    def _compiled(self, frame_size: tuple[int, int] | None) -> tuple[Any, Fallback | None]:
        """For frames of this size where that helps, else for all sizes; as it was built before, where it was."""
        on_cpu = _find(self._request.device) == CPU
        file = _kept_file(self._blobs, self._request, frame_size) if on_cpu else None
        built = load_built(file) if file else None
        if built is not None:
            with contextlib.suppress(RuntimeError):
                return core().import_model(built, CPU, _options(self._request, CPU)), None
        model = core().read_model(*self._blobs)
        fitted = _fitted(model, self.spec, frame_size) if frame_size and on_cpu else None
        compiled, fallback = _compile(fitted or model, self._request)
        if file:
            with contextlib.suppress(RuntimeError):  # what can't be written out is built again the next time
                keep_built(file, compiled.export_model().read())
        return compiled, fallback

    def _requests_for(self, inputs: Arrays) -> Requests:
        shape = inputs[self.variant.inputs[0].name].shape
        key = shape if shape == self._expected else None
        with self._compiling:
            if key not in self._requests:
                self._requests[key] = Requests(self._compiled(None)[0], self.receipt.streams)
        return self._requests[key]

    def _receipt(self, compiled: Any, request: Request, fallback: Fallback | None, started: float) -> Receipt:
        running = [str(name) for name in _ask(compiled, "EXECUTION_DEVICES", [])]
        precision, detail = _arithmetic(compiled, self.variant)
        if self._expected is not None:
            built = f"built for {self._expected[3]}x{self._expected[2]}, other sizes take longer"
            detail = f"{detail}; {built}" if detail else built
        return Receipt(
            engine="openvino",
            library="openvino",
            version=VERSION,
            provider=", ".join(running) or "unknown",
            device=_our_name(running[0]) if running else "unknown",
            precision=precision,
            threads=int(_ask(compiled, "INFERENCE_NUM_THREADS", 0)),
            build_seconds=time.perf_counter() - started,
            variant=self.variant.id,
            fallback=fallback,
            detail=detail,
            streams=request.streams if running == [CPU] else 1,
        )


class Requests:
    """Of a compiled model: ``streams`` for outputs that callers give, and one with outputs of its own."""

    def __init__(self, compiled: Any, streams: int) -> None:
        self._compiled = compiled
        self.idle = deque(compiled.create_infer_request() for _ in range(streams))

    @cached_property
    def own(self) -> Any:
        """Made when it is needed, for its outputs are as large as any frame."""
        return self._compiled.create_infer_request()


def _kept_file(blobs: tuple[bytes, ...], request: Request, frame_size: tuple[int, int] | None) -> Path:
    """Where the model built for this CPU is kept: all that it depends on is in the name."""
    machine = [str(core().get_property(CPU, name)) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    files = [sha256(blob) for blob in blobs]
    isa = os.environ.get("ONEDNN_MAX_CPU_ISA")
    settings = [VERSION, REWRITING, machine, files, frame_size, _options(request, CPU), isa]
    digest = sha256(json.dumps(settings, sort_keys=True).encode())
    return cache_folder() / "openvino" / f"{files[0][:12]}-{digest[:16]}.blob"


def _fitted(model: Any, spec: ModelSpec, frame_size: tuple[int, int]) -> Any | None:
    """The model for the frames to expect, its sub-pixel shuffle in fast steps; ``None`` where nothing is to be gained.

    Shuffled by its own operator, or by a transposition of blocks, bytes take up to half of a small net's time: they are
    moved one by one. A change of layout has fast code in OpenVINO. With the size known one is enough: where the last
    convolution gives the pixels of a block column by column, those of a row of blocks are in order, row beside row.
    """
    if _phases(model) is None:
        return None
    fitted = model.clone()
    sides = (-(-side // spec.size_multiple) * spec.size_multiple for side in frame_size)
    fitted.reshape([1, fitted.inputs[0].get_partial_shape()[1].get_length(), *sides])
    phases = _phases(fitted)
    assert phases is not None
    _, block_area, height, width = phases.get_shape()
    block, names = math.isqrt(block_area), fitted.outputs[0].get_names()
    filters, columns_first = _filters(phases), [row * block + column for column in range(block) for row in range(block)]
    for port, axis in filters:
        port.replace_source_output(_in_order(port.get_source_output(), axis, columns_first))
    given = ov.opset13.transpose(phases, [0, 2, 3, 1])  # as a convolution leaves them: nothing is moved
    if filters:
        interleaved = _channels_first(given, [height, 1, width * block, block])
    else:  # in two steps
        by_row = _channels_first(given, [height, 1, width, block_area])
        interleaved = _channels_first(by_row, [height * block, block, 1, width])
    plane = ov.opset13.reshape(interleaved, [1, 1, height * block, width * block], False)
    plane.output(0).get_tensor().set_names(names)
    fitted.get_results()[0].input(0).replace_source_output(plane.output(0))
    fitted.validate_nodes_and_infer_types()
    return fitted


def _filters(phases: Any) -> list[tuple[Any, int]]:
    """What gives the order of channels: the last convolution's inputs and those after it, and where they are there.

    Empty where it can't be followed.
    """
    found, node = [], phases.get_node()
    while node.get_type_name() in CHANNEL_BY_CHANNEL:
        found += [(port, -3) for port in node.inputs()[1:]]
        if len(node.input_value(0).get_target_inputs()) != 1:
            return []
        node = node.input_value(0).get_node()
    return [*found, (node.input(1), 0)] if node.get_type_name() == "Convolution" else []


def _in_order(output: Any, axis: int, order: list[int]) -> Any:
    """The same with what is along the axis in this order; unchanged where nothing is along it.

    Within constants that are bytes times a scale, for then OpenVINO still takes them as bytes.
    """
    node, shape = output.get_node(), output.get_shape()
    if len(shape) < max(axis + 1, -axis) or shape[axis] != len(order):
        return output
    if node.get_type_name() == "Constant":
        values = np.ascontiguousarray(np.take(node.get_data(), order, axis))
        return ov.opset13.constant(values, node.get_element_type()).output(0)
    if node.get_type_name() in OF_WEIGHTS and len(output.get_target_inputs()) == 1:
        for port in node.inputs():
            port.replace_source_output(_in_order(port.get_source_output(), axis, order))
        return output
    return ov.opset13.gather(output, order, axis).output(0)


def _channels_first(given: Any, shape: list[int]) -> Any:
    """As ``shape``, ``[N, H, W, C]``, transposed to ``[N, C, H, W]``: in this order, of four axes, it is a reorder."""
    return ov.opset13.transpose(ov.opset13.reshape(given, shape, False), [0, 3, 1, 2])


def _phases(model: Any) -> Any | None:
    """The bytes ``[1, b b, h, w]`` that the model's end shuffles to its one plane, if that is what its end does."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        return None
    given, wanted = (port.get_partial_shape() for port in (model.inputs[0], model.outputs[0]))
    if given.rank.get_length() != 4 or given[1].is_dynamic or wanted[1] != 1:
        return None
    node = model.get_results()[0].input_value(0).get_node()
    while node.get_friendly_name() != SHUFFLE_BEGINS and node.get_type_name() in ("Reshape", "Transpose"):
        node = node.input_value(0).get_node()
    if node.get_friendly_name() != SHUFFLE_BEGINS and node.get_type_name() != "DepthToSpace":
        return None
    phases = node.input_value(0)
    return phases if phases.get_element_type().get_type_name() == "u8" else None


def _compile(model: Any, request: Request) -> tuple[Any, Fallback | None]:
    """The model for the device that was asked for, or for the CPU with the reason why."""
    device = _find(request.device)
    if device is None:
        here = ", ".join(_our_name(name) for name in core().available_devices)
        fallback = refuse_or_fall_back(request, f"openvino {VERSION} finds no such device or driver; it has: {here}")
        return core().compile_model(model, CPU, _options(request, CPU)), fallback
    try:
        return core().compile_model(model, device, _options(request, device)), None
    except RuntimeError as fault:
        if device == CPU:
            raise
        fallback = refuse_or_fall_back(request, f"openvino {VERSION} can't compile for it: {fault}")
        return core().compile_model(model, CPU, _options(request, CPU)), fallback


def _find(device: str) -> str | None:
    """OpenVINO's name for a device that is here; ``gpu`` is the first of several."""
    if device.upper() == CPU:
        return CPU  # always here, and to look for the others takes longer than to compile a small net
    wanted, found = device.upper().replace(":", "."), list(core().available_devices)
    return next((name for name in (wanted, f"{wanted}.0", wanted.removesuffix(".0")) if name in found), None)


def _our_name(device: str) -> str:
    return device.lower().replace(".", ":")


def _exact_where_it_warps(request: Request, spec: ModelSpec) -> Request:
    """Nets of several frames are kept from half precision where nobody asks for it: most warp.

    Eight bits of mantissa hold the places of a wide frame to some pixels only; in bf16 a small warping net came within
    40 dB of torch on noise, where 50 are needed.
    """
    if request.precision == "auto" and spec.takes_windows:
        return replace(request, precision="fp32")
    return request


def _inferred(request: Any, tensors: Arrays) -> Any:
    for name, array in tensors.items():
        request.set_tensor(name, _shared(array))
    return request.infer(share_outputs=True)


def _options(request: Request, device: str) -> dict[str, Any]:
    options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY"}
    if device == CPU and request.streams > 1:  # not pinned: a codec's thread may have the core, and another be free
        options = {"PERFORMANCE_HINT": "THROUGHPUT", "NUM_STREAMS": request.streams, "ENABLE_CPU_PINNING": False}
    if device == CPU and request.threads_each:
        options["INFERENCE_NUM_THREADS"] = request.threads_each * request.streams
    if request.precision in PRECISION_HINTS:
        options["INFERENCE_PRECISION_HINT"] = PRECISION_HINTS[request.precision]
    return options


def _arithmetic(compiled: Any, variant: Variant) -> tuple[str, str]:
    """The precision that runs, and in words what each kind of layer was given: a hint can be ignored."""
    hint = _ask(compiled, "INFERENCE_PRECISION_HINT", None)
    rest = PRECISION_OF.get(hint.get_type_name() if hint is not None else "", variant.precision)
    types = _layer_types(compiled)
    target = str(_ask(compiled, "RUNTIME_REQUIREMENTS", "")).rpartition("isa=")[2]
    is_mixed = bool(types - {PRECISION_HINTS.get(rest, "")})
    words = [f"convolutions in {', '.join(sorted(types))}, the rest in {rest}" if is_mixed else "", target]
    is_int8 = variant.precision == "int8" and (not types or bool(INT8_TYPES & types))
    return ("int8" if is_int8 else rest), "; ".join(word for word in words if word)


def _layer_types(compiled: Any) -> set[str]:
    """The types in which the layers that do the arithmetic were compiled."""
    infos = [op.get_rt_info() for op in compiled.get_runtime_model().get_ops()]
    return {
        str(info["runtimePrecision"].value)
        for info in infos
        if "layerType" in info and "runtimePrecision" in info and info["layerType"].value in ARITHMETIC_LAYERS
    }


def _ask(compiled: Any, name: str, default: Any) -> Any:
    """A property of the compiled model; not every device's plugin has every one."""
    try:
        return compiled.get_property(name)
    except RuntimeError:
        return default


def _shared(array: Array) -> Any:
    """The array's own memory as a tensor; OpenVINO takes writable memory only."""
    return ov.Tensor(array if array.flags.writeable else array.copy(), shared_memory=True)
