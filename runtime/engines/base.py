"""What an engine is: a model opened by one library on one device, and the honest receipt of what it really runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal, Protocol

from subpixel.errors import DeviceError, EngineError
from subpixel.spec import Arrays, ModelSpec, Variant

Precision = Literal["auto", "fp32", "fp16", "bf16", "int8"]
PRECISIONS: tuple[Precision, ...] = ("auto", "fp32", "fp16", "bf16", "int8")


@dataclass(frozen=True)
class Fallback:
    """What was asked for and not given, and why."""

    wanted: str
    reason: str


@dataclass(frozen=True)
class Request:
    """What the caller asks of an engine.

    ``device``: ``cpu``, ``gpu``, ``npu``, ``cuda:0`` ...; ``threads``: 0 leaves it to the library; ``precision``: the
    arithmetic, ``auto`` leaves it to the library; ``fallback="cpu"`` allows the CPU where the device isn't there;
    ``frame_size``: height and width to expect, for libraries that build for a size; others may come; ``streams``: how
    many runs shall go side by side, the threads shared out among them.
    """

    device: str = "cpu"
    threads: int = 0
    precision: Precision = "auto"
    fallback: Literal["cpu"] | None = None
    frame_size: tuple[int, int] = (360, 640)
    streams: int = 1

    @property
    def threads_each(self) -> int:
        """Of one run; 0 leaves it to the library."""
        if self.streams == 1:
            return self.threads
        return max(1, (self.threads or usable_cores()) // self.streams)


@dataclass(frozen=True)
class Receipt:
    """What really runs, as the library tells after opening, never what was asked for.

    ``provider``: the library's own name for what computes (``CPUExecutionProvider``); ``precision``: the arithmetic
    in use (``fp32``, ``bf16``, ``fp16``, ``int8``); ``threads``: 0 where the library does not tell; ``detail``: what
    else it tells (instruction set, what the float parts of an int8 model run in); ``streams``: runs side by side.
    """

    engine: str
    library: str
    version: str
    provider: str
    device: str
    precision: str
    threads: int
    build_seconds: float
    variant: str = ""
    fallback: Fallback | None = None
    detail: str = ""
    streams: int = 1


@dataclass(frozen=True)
class Probe:
    """What an installed library offers here. ``devices``: names for ``Request.device``, those that would really run."""

    version: str
    devices: tuple[str, ...]
    note: str = ""


class Engine(Protocol):
    """An opened model. Arrays are named and shaped as the variant's ``inputs`` and ``outputs`` say.

    What `open` gives out keeps a recurrent model's states inside and is given frames only; the libraries' own engines
    take and give states like any other tensor.
    """

    spec: ModelSpec
    variant: Variant
    receipt: Receipt

    def run(self, inputs: Arrays, outputs: Arrays | None = None) -> Arrays:
        """One inference. With ``outputs`` results are written there; without, they are valid until the next call.

        As many threads as ``receipt.streams`` says may be in here at once, each with ``outputs`` of its own.
        """

    def reset(self) -> None:
        """Forget the recurrent state (a scene cut, a new clip)."""

    def close(self) -> None:
        """Free what the library holds; the engine can't be used afterwards."""


class EngineFactory(Protocol):
    """An engine class: ``blobs`` are the variant's files as bytes, in the manifest's order. Raises ``EngineError``."""

    def __call__(self, blobs: tuple[bytes, ...], variant: Variant, spec: ModelSpec, request: Request) -> Engine: ...


def usable_cores() -> int:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def refuse_or_fall_back(request: Request, reason: str) -> Fallback:
    """The fallback to the CPU with its reason, where the caller allowed it. Raises ``DeviceError`` where not."""
    if request.fallback != "cpu":
        raise DeviceError(f"device {request.device!r}: {reason}; choose another --device, or allow fallback='cpu'")
    return Fallback(request.device, reason)


def check_precision(running: str, place: str, variant: Variant, request: Request) -> None:
    """Another arithmetic than the one asked for is refused, not passed off as it. Raises ``EngineError``."""
    if request.precision not in ("auto", running):
        raise EngineError(
            f"{place} runs {variant.id} in {running}; found a request for {request.precision}: "
            "leave --precision out, or choose another variant or engine"
        )


def deliver(results: Arrays, outputs: Arrays | None) -> Arrays:
    """Hand over results: into the caller's arrays where there are any."""
    if outputs is None:
        return results
    for name, target in outputs.items():
        target[...] = results[name]
    return outputs
