"""ONNX Runtime: the only file of the runtime that imports it."""

from __future__ import annotations

import time
from typing import Any

import onnxruntime as ort

from subpixel.engines.base import Fallback, Probe, Receipt, Request, check_precision, refuse_or_fall_back
from subpixel.errors import EngineError, faults_as
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
    """A session on one execution provider; it may be run from several threads at once."""

    def __init__(self, blobs: tuple[bytes, ...], variant: Variant, spec: ModelSpec, request: Request) -> None:
        started = time.perf_counter()
        self.spec, self.variant = spec, variant
        check_precision(variant.precision, "onnxruntime", variant, request)  # it computes in the graph's own types
        self._session, fallback = _open(blobs[0], f"{spec.name} ({variant.id})", request)
        running = self._session.get_providers()[0]
        threads = request.streams * self._session.get_session_options().intra_op_num_threads
        self.receipt = Receipt(
            engine="onnxruntime",
            library="onnxruntime",
            version=ort.__version__,
            provider=running,
            device="cpu" if running == CPU else request.device,
            precision=variant.precision,
            threads=threads,
            build_seconds=time.perf_counter() - started,
            variant=variant.id,
            fallback=fallback,
            streams=request.streams if running == CPU else 1,
        )
        self._outputs = [tensor.name for tensor in variant.outputs]

    def run(self, inputs: Arrays, outputs: Arrays | None = None) -> Arrays:
        """With ``outputs`` the session writes there itself, by I/O binding."""
        if outputs is None:
            return dict(zip(self._outputs, self._session.run(self._outputs, inputs), strict=True))
        binding = self._session.io_binding()
        for name, array in inputs.items():
            binding.bind_cpu_input(name, array)
        for name, array in outputs.items():
            binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
        self._session.run_with_iobinding(binding)
        return outputs

    def reset(self) -> None:
        """The states of a recurrent model are kept outside."""

    def close(self) -> None:
        """Free the session."""
        del self._session


def _open(model: bytes, name: str, request: Request) -> tuple[Any, Fallback | None]:
    """A session on the provider that was asked for, or on the CPU with the reason why."""
    kind, _, index = request.device.partition(":")
    provider, listed = PROVIDERS.get(kind), ort.get_available_providers()
    if provider is None or provider not in listed:
        here = ", ".join(n for n, p in PROVIDERS.items() if p in listed)
        fallback = refuse_or_fall_back(request, f"onnxruntime {ort.__version__} has no provider for it; it has: {here}")
        return _session(model, name, CPU, "", request), fallback
    try:
        session = _session(model, name, provider, index, request)
    except EngineError as fault:
        if provider == CPU:
            raise
        return _session(model, name, CPU, "", request), refuse_or_fall_back(request, str(fault))
    running = session.get_providers()[0]
    return session, None if running == provider else refuse_or_fall_back(request, f"the session runs on {running}")


def _session(model: bytes, name: str, provider: str, index: str, request: Request) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = request.threads_each
    # Waiting threads would burn what the codecs beside them need: half of the CPU time of a small net on two cores.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    place = {"device_id": index} if index and provider != CPU else {}
    providers = [CPU] if provider == CPU else [(provider, place), CPU]
    with faults_as(EngineError, f"onnxruntime {ort.__version__} can't open {name}"):
        return ort.InferenceSession(model, options, providers=providers)
