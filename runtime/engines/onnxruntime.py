"""ONNX Runtime: the only file of the runtime that imports it."""

from __future__ import annotations

import time
from typing import Any

import onnxruntime as ort

from subpixel.engines.base import Fallback, Probe, Receipt, Request, deliver
from subpixel.errors import DeviceError, EngineError, faults_as
from subpixel.spec import Arrays, ModelSpec, Variant

CPU = "CPUExecutionProvider"
PROVIDERS = {
    "cpu": CPU,
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "gpu": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
}


def probe() -> Probe:
    """Which devices a session really gets here: providers that need hardware are not believed until one opens."""
    listed = [name for name, provider in PROVIDERS.items() if provider in ort.get_available_providers()]
    sure = tuple(name for name in listed if name == "cpu")
    unsure = [name for name in listed if name != "cpu"]
    note = f"built with {', '.join(unsure)}; known to run only after a model was opened there" if unsure else ""
    return Probe(ort.__version__, sure, note)


class OnnxRuntimeEngine:
    """A session on one execution provider."""

    def __init__(self, blobs: tuple[bytes, ...], variant: Variant, spec: ModelSpec, request: Request) -> None:
        started = time.perf_counter()
        self.spec, self.variant = spec, variant
        provider, fallback = _provider(request)
        with faults_as(EngineError, f"onnxruntime {ort.__version__} can't open {spec.name} ({variant.id})"):
            self._session = _session(blobs[0], provider, request)
        running = self._session.get_providers()[0]
        if running != provider and fallback is None:
            fallback = _allow_fallback(request, f"the session runs on {running}")
        threads = self._session.get_session_options().intra_op_num_threads
        self.receipt = Receipt(
            engine="onnxruntime",
            library="onnxruntime",
            version=ort.__version__,
            provider=running,
            device="cpu" if running == CPU else request.device,
            precision=_precision(variant, request),
            threads=threads,
            build_seconds=time.perf_counter() - started,
            variant=variant.id,
            fallback=fallback,
        )
        self._outputs = [tensor.name for tensor in variant.outputs]

    def run(self, inputs: Arrays, outputs: Arrays | None = None) -> Arrays:
        """With ``outputs`` (C-contiguous) the session writes there itself, by I/O binding."""
        if outputs is None:
            return dict(zip(self._outputs, self._session.run(self._outputs, inputs), strict=True))
        if not all(array.flags.c_contiguous for array in outputs.values()):
            return deliver(self.run(inputs), outputs)
        binding = self._session.io_binding()
        for name, array in inputs.items():
            binding.bind_cpu_input(name, array)
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        self._session.run_with_iobinding(binding)
        return outputs

    def reset(self) -> None:
        """An image model keeps no state."""

    def close(self) -> None:
        """Free the session."""
        del self._session


def _session(model: bytes, provider: str, request: Request) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = request.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    providers = [provider] if provider == CPU else [provider, CPU]
    return ort.InferenceSession(model, options, providers=providers)


def _provider(request: Request) -> tuple[str, Fallback | None]:
    name = request.device.partition(":")[0]
    provider = PROVIDERS.get(name)
    if provider in ort.get_available_providers():
        return str(provider), None
    here = ", ".join(n for n, p in PROVIDERS.items() if p in ort.get_available_providers())
    return CPU, _allow_fallback(request, f"this onnxruntime {ort.__version__} has no provider for it; it has: {here}")


def _allow_fallback(request: Request, reason: str) -> Fallback:
    if request.fallback != "cpu":
        raise DeviceError(f"device {request.device!r}: {reason}; choose another --device, or allow fallback='cpu'")
    return Fallback(request.device, reason)


def _precision(variant: Variant, request: Request) -> str:
    """ONNX Runtime computes in the graph's own types; another arithmetic is refused rather than ignored."""
    if request.precision not in ("auto", variant.precision):
        raise EngineError(
            f"onnxruntime runs {variant.id} in {variant.precision}; found a request for {request.precision}: "
            "choose that variant or another engine"
        )
    return variant.precision
