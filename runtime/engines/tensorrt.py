"""TensorRT 8.6, 10, 11 and TensorRT-RTX: the only file of the runtime that imports them, and only behind a driver.

A plan belongs to one GPU, driver and version: it is built here from the bundle's ONNX, and cached.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from subpixel.engines.base import Probe, Receipt, Request, check_precision
from subpixel.engines.trt_build import ShapeProfile, build_plan, profile_for, recorder
from subpixel.engines.trt_cache import PlanKey, keep_plan, load_plan
from subpixel.engines.trt_cuda import Cuda, Gpu, Place, cuda
from subpixel.errors import DeviceError, EngineError, faults_as, missing_package
from subpixel.spec import Array, Arrays, ModelSpec, Variant

MODULES = ("tensorrt", "tensorrt_rtx")
NUMPY_OF = {"FLOAT": "float32", "HALF": "float16", "UINT8": "uint8", "INT8": "int8"}
OLDEST = "8.5"  # the first with execution by tensor names


def library() -> ModuleType:
    """The installed TensorRT. Raises ``MissingPackageError``, or ``EngineError`` when none loads."""
    found = [name for name in MODULES if importlib.util.find_spec(name)]
    if not found:
        raise missing_package("tensorrt", "tensorrt", "the tensorrt engine")
    reasons = []
    for name in found:
        try:
            return importlib.import_module(name)
        except Exception as fault:  # a library built for another CUDA fails in many ways
            reasons.append(f"{name}: {fault}")
    raise EngineError(f"TensorRT is installed and does not load: {'; '.join(reasons)}")


def probe() -> Probe:
    """The NVIDIA GPUs its driver shows; without a driver none, whatever is installed."""
    version = str(library().__version__)
    try:
        gpus = cuda().gpus()
    except DeviceError as fault:
        return Probe(version, (), str(fault))
    note = "; ".join(f"cuda:{gpu.index} {gpu.name}, compute capability {gpu.compute_capability}" for gpu in gpus)
    return Probe(version, tuple(f"cuda:{gpu.index}" for gpu in gpus), note)


@dataclass(frozen=True)
class Session:
    """A plan that is loaded, and a context to run it in."""

    profile: ShapeProfile
    engine: Any
    context: Any
    was_cached: bool


class TensorRtEngine:
    """Plans of one model on one GPU: the first for the expected frame size, others when larger frames come."""

    def __init__(self, blobs: tuple[bytes, ...], variant: Variant, spec: ModelSpec, request: Request) -> None:
        started = time.perf_counter()
        self.spec, self.variant = spec, variant
        driver = cuda()
        self._gpu = chosen_gpu(driver, request)
        check_precision(variant.precision, "tensorrt", variant, request)
        self._model, self._trt = blobs[0], library()
        self._place = Place(driver, self._gpu.index)
        self._logger = recorder(self._trt)
        self._runtime = self._trt.Runtime(self._logger)
        self._sessions: list[Session] = []
        self._results: Arrays = {}
        try:
            with faults_as(EngineError, f"{self._name} can't open {spec.name} ({variant.id})"):
                first = self._add_session(profile_for(1, *(variant.shapes or request.frame_size)))
        except EngineError:
            self.close()
            raise
        self.receipt = self._receipt(first, started)

    @property
    def _name(self) -> str:
        return f"{self._trt.__name__} {self._trt.__version__}"

    def run(self, inputs: Arrays, outputs: Arrays | None = None) -> Arrays:
        """Copies to the GPU, computes, copies back, waits. A frame no plan holds builds one first."""
        self._place.enter()
        context = self._session_for(inputs).context
        for name, array in inputs.items():
            if not context.set_input_shape(name, array.shape):
                raise EngineError(f"{self._name} refuses the input {name!r} {array.shape}: {self._logger.text()}")
            context.set_tensor_address(name, self._place.upload(name, array))
        results = {t.name: self._result(t.name, t.dtype, context, outputs) for t in self.variant.outputs}
        for name, array in results.items():
            context.set_tensor_address(name, self._place.address(name, array.nbytes))
        if not context.execute_async_v3(self._place.stream):
            raise EngineError(f"{self._name} failed: {self._logger.text()}")
        for name, array in results.items():
            self._place.download(name, array)
        self._place.wait()
        return results

    def reset(self) -> None:
        """The states of a recurrent model are kept outside."""

    def close(self) -> None:
        """Free contexts, plans and device memory, in this order."""
        self._place.enter()
        self._sessions.clear()
        del self._runtime
        self._place.close()

    def _session_for(self, inputs: Arrays) -> Session:
        frame = next(tensor for tensor in self.variant.inputs if tensor.role == "frame")
        size = dict(zip(frame.axes, inputs[frame.name].shape, strict=True))
        needed = size.get("N", 1), size["H"], size["W"]
        fitting = [session for session in self._sessions if session.profile.holds(*needed)]
        if not fitting:
            return self._add_session(profile_for(*needed))
        return min(fitting, key=lambda session: session.profile.height * session.profile.width)

    def _add_session(self, profile: ShapeProfile) -> Session:
        key = self._key(profile)
        plan = load_plan(key)
        engine = self._runtime.deserialize_cuda_engine(plan) if plan is not None else None
        was_cached = engine is not None
        if engine is None:
            plan = build_plan(self._model, self._trt, profile, self.variant.precision)
            engine = self._runtime.deserialize_cuda_engine(plan)
            if engine is None:
                raise EngineError(f"{self._name} can't load the plan it built: {self._logger.text()}")
            keep_plan(key, plan)
        check_tensors(engine, self.variant)
        session = Session(profile, engine, new_context(engine, self._name), was_cached)
        self._sessions.append(session)
        return session

    def _key(self, profile: ShapeProfile) -> PlanKey:
        trt, gpu = self._trt, self._gpu
        return PlanKey(
            self.variant.file.sha256, profile, self.variant.precision, trt.__name__, str(trt.__version__),
            gpu.name, gpu.compute_capability, gpu.driver,
        )  # fmt: skip

    def _result(self, name: str, dtype: str, context: Any, outputs: Arrays | None) -> Array:
        if outputs is not None:
            return outputs[name]
        shape = tuple(context.get_tensor_shape(name))
        kept = self._results.get(name)
        if kept is None or kept.shape != shape:
            self._results[name] = kept = np.empty(shape, dtype)
        return kept

    def _receipt(self, first: Session, started: float) -> Receipt:
        return Receipt(
            engine="tensorrt",
            library=self._trt.__name__,
            version=str(self._trt.__version__),
            provider=f"{self._gpu.name} (compute capability {self._gpu.compute_capability})",
            device=f"cuda:{self._gpu.index}",
            precision=self.variant.precision,
            threads=0,
            build_seconds=time.perf_counter() - started,
            variant=self.variant.id,
            detail=f"{'plan from the cache' if first.was_cached else 'plan built here'}; {self._gpu.driver}",
        )


def chosen_gpu(driver: Cuda, request: Request) -> Gpu:
    """``cuda:1``, ``gpu:1``; without a number the first. ``cpu``, the default of `open`, is the first too: TensorRT
    has no other place. Raises ``DeviceError``."""
    kind, _, index = request.device.partition(":")
    found = driver.gpus()
    here = ", ".join(f"cuda:{gpu.index} ({gpu.name})" for gpu in found)
    if kind not in ("cuda", "gpu", "cpu") or not (index or "0").isdecimal() or int(index or 0) >= len(found):
        raise DeviceError(f"device {request.device!r}: TensorRT runs on NVIDIA GPUs only; here: {here}")
    return found[int(index or 0)]


def check_tensors(engine: Any, variant: Variant) -> None:
    """The plan's tensors against the manifest: a wrong size would reach beyond a buffer. Raises ``EngineError``."""
    names = [engine.get_tensor_name(at) for at in range(engine.num_io_tensors)]
    found = {name: NUMPY_OF.get(engine.get_tensor_dtype(name).name, "another type") for name in names}
    needed = {tensor.name: tensor.dtype for tensor in (*variant.inputs, *variant.outputs)}
    if found != needed:
        raise EngineError(f"the plan has the tensors {found}, the manifest names {needed}")


def new_context(engine: Any, name: str) -> Any:
    """An execution context. Raises ``EngineError`` where the library is too old or the memory too small."""
    context = engine.create_execution_context()
    if context is None:
        raise EngineError(f"{name} can't make an execution context; is the GPU's memory full?")
    if not hasattr(context, "execute_async_v3") or not hasattr(context, "set_input_shape"):
        raise EngineError(f"{name} is too old; needed {OLDEST} or newer")
    return context
