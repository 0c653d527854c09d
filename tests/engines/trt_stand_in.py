"""TensorRT's Python names as its generations have them, to test which of them are used, and with what.

It stands in for the library only where that can't run: with no GPU. Nothing here shows that a model runs in TensorRT.
"""

from __future__ import annotations

import ctypes
import enum
import importlib.machinery
import json
import types
from typing import Any

import numpy as np

SCALE = 3


class Severity(enum.Enum):
    INTERNAL_ERROR = 0
    ERROR = 1
    INFO = 3


class ILogger:
    Severity = Severity


class DataType(enum.Enum):
    FLOAT = "float32"
    UINT8 = "uint8"


def module(name: str, version: str, creation: dict[str, int], flags: list[str], dtype: DataType) -> types.ModuleType:
    """A module like ``tensorrt`` of that version; ``calls`` notes what was built."""
    trt: Any = types.ModuleType(name)
    trt.__spec__, trt.__version__ = importlib.machinery.ModuleSpec(name, None), version
    trt.calls, trt.accepts_plan, trt.accepts_model = [], True, True
    trt.ILogger = ILogger
    trt.NetworkDefinitionCreationFlag = types.SimpleNamespace(**creation)
    trt.BuilderFlag = types.SimpleNamespace(**{flag: flag for flag in flags})
    trt.Builder = lambda logger: Builder(trt, logger)
    trt.OnnxParser = lambda network, logger: Parser(trt, network)
    trt.Runtime = lambda logger: Runtime(trt, logger, dtype)
    return trt  # type: ignore[no-any-return]


class Config:
    def __init__(self) -> None:
        self.flags = {"TF32"}  # TensorRT's own default
        self.profiles: list[dict[str, Any]] = []

    def set_flag(self, flag: str) -> None:
        self.flags.add(flag)

    def clear_flag(self, flag: str) -> None:
        self.flags.discard(flag)

    def add_optimization_profile(self, profile: dict[str, Any]) -> None:
        self.profiles.append(profile)


class Profile(dict[str, Any]):
    def set_shape(self, name: str, least: tuple[int, ...], best: tuple[int, ...], most: tuple[int, ...]) -> None:
        self[name] = (least, best, most)


class Network:
    num_inputs = 1

    def get_input(self, at: int) -> Any:
        return types.SimpleNamespace(name="lr", shape=(-1, 1, -1, -1))


class Builder:
    def __init__(self, trt: Any, logger: Any) -> None:
        self.trt, self.logger = trt, logger

    def create_network(self, flags: int) -> Network:
        self.flags = flags
        return Network()

    def create_builder_config(self) -> Config:
        return Config()

    def create_optimization_profile(self) -> Profile:
        return Profile()

    def build_serialized_network(self, network: Network, config: Config) -> bytes | None:
        if not self.trt.accepts_plan:
            self.logger.log(Severity.INFO, "chatter")
            self.logger.log(Severity.ERROR, "no tactic for node 7")
            return None
        self.trt.calls.append({"creation": self.flags, "flags": sorted(config.flags), "profiles": config.profiles})
        return json.dumps(config.profiles[0]["lr"][2]).encode()


class Parser:
    num_errors = 1

    def __init__(self, trt: Any, network: Network) -> None:
        self.trt = trt

    def parse(self, model: bytes) -> bool:
        return bool(self.trt.accepts_model)

    def get_error(self, at: int) -> str:
        return "node 3 (Frobnicate): unsupported"


class Runtime:
    def __init__(self, trt: Any, logger: Any, dtype: DataType) -> None:
        self.trt, self.dtype = trt, dtype

    def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
        return Engine(tuple(json.loads(plan)), self.dtype) if plan.startswith(b"[") else None


class Engine:
    num_io_tensors = 2

    def __init__(self, most: tuple[int, ...], dtype: DataType) -> None:
        self.most, self.dtype = most, dtype

    def get_tensor_name(self, at: int) -> str:
        return ("lr", "sr")[at]

    def get_tensor_dtype(self, name: str) -> DataType:
        return self.dtype

    def create_execution_context(self) -> Context:
        return Context(self)


class Context:
    """Enlarges by repeating pixels, reading and writing at the addresses it was given."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.shape: tuple[int, ...] = ()
        self.addresses: dict[str, int] = {}

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self.shape = shape
        return all(found <= most for found, most in zip(shape, self.engine.most, strict=True))

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return (*self.shape[:2], self.shape[2] * SCALE, self.shape[3] * SCALE)

    def set_tensor_address(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def execute_async_v3(self, stream: int) -> bool:
        if not stream or set(self.addresses) != {"lr", "sr"}:
            return False
        kind = np.dtype(self.engine.dtype.value)
        given = np.frombuffer(ctypes.string_at(self.addresses["lr"], int(np.prod(self.shape)) * kind.itemsize), kind)
        result = given.reshape(self.shape).repeat(SCALE, 2).repeat(SCALE, 3)
        ctypes.memmove(self.addresses["sr"], np.ascontiguousarray(result).tobytes(), result.nbytes)
        return True


def tensorrt_8(dtype: DataType = DataType.UINT8) -> types.ModuleType:
    return module("tensorrt", "8.6.2", {"EXPLICIT_BATCH": 0}, ["FP16", "INT8", "TF32"], dtype)


def tensorrt_10(dtype: DataType = DataType.UINT8) -> types.ModuleType:
    kinds = {"EXPLICIT_BATCH": 0, "STRONGLY_TYPED": 1}
    return module("tensorrt", "10.3.0", kinds, ["FP16", "BF16", "INT8", "TF32"], dtype)


def tensorrt_11(dtype: DataType = DataType.UINT8) -> types.ModuleType:
    return module("tensorrt", "11.0.0", {"STRONGLY_TYPED": 0}, ["TF32"], dtype)
