"""The CUDA driver by ctypes: device memory, copies, one stream. No CUDA toolkit, no torch.

Names and signatures: NVIDIA's CUDA Driver API reference; ``_v2`` are the entry points with 64-bit sizes.
"""

from __future__ import annotations

import contextlib
import ctypes
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from subpixel.errors import DeviceError, EngineError
from subpixel.spec import Array

LIBRARIES = ("libcuda.so.1", "libcuda.so", "nvcuda.dll")
DRIVER_FILES = ("/proc/driver/nvidia/version", "/etc/nv_tegra_release")
MAJOR, MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR
NAME_BYTES = 256

Handle = ctypes.c_void_p
DevicePointer = ctypes.c_uint64
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "cuInit": (ctypes.c_uint,),
    "cuDriverGetVersion": (ctypes.POINTER(ctypes.c_int),),
    "cuDeviceGetCount": (ctypes.POINTER(ctypes.c_int),),
    "cuDeviceGet": (ctypes.POINTER(ctypes.c_int), ctypes.c_int),
    "cuDeviceGetName": (ctypes.c_char_p, ctypes.c_int, ctypes.c_int),
    "cuDeviceGetAttribute": (ctypes.POINTER(ctypes.c_int), ctypes.c_int, ctypes.c_int),
    "cuDevicePrimaryCtxRetain": (ctypes.POINTER(Handle), ctypes.c_int),
    "cuDevicePrimaryCtxRelease_v2": (ctypes.c_int,),
    "cuCtxSetCurrent": (Handle,),
    "cuStreamCreate": (ctypes.POINTER(Handle), ctypes.c_uint),
    "cuStreamSynchronize": (Handle,),
    "cuStreamDestroy_v2": (Handle,),
    "cuMemAlloc_v2": (ctypes.POINTER(DevicePointer), ctypes.c_size_t),
    "cuMemFree_v2": (DevicePointer,),
    "cuMemcpyHtoDAsync_v2": (DevicePointer, ctypes.c_void_p, ctypes.c_size_t, Handle),
    "cuMemcpyDtoHAsync_v2": (ctypes.c_void_p, DevicePointer, ctypes.c_size_t, Handle),
    "cuGetErrorName": (ctypes.c_int, ctypes.POINTER(ctypes.c_char_p)),
}


@dataclass(frozen=True)
class Gpu:
    """A GPU as its driver tells. ``compute_capability``: ``8.7``; ``driver``: its version, in the system's words."""

    index: int
    name: str
    compute_capability: str
    driver: str


class Cuda:
    """The loaded driver library; every call is checked."""

    def __init__(self, library: Any) -> None:
        self._library = library
        for name, arguments in ARGUMENTS.items():
            function = getattr(library, name)
            function.argtypes, function.restype = arguments, ctypes.c_int

    def call(self, name: str, *arguments: Any) -> None:
        """Raises ``EngineError`` with CUDA's name for what went wrong."""
        code = getattr(self._library, name)(*arguments)
        if code:
            text = ctypes.c_char_p()
            self._library.cuGetErrorName(code, ctypes.byref(text))
            raise EngineError(f"CUDA: {name} failed: {(text.value or b'unknown error').decode()} ({code})")

    def gpus(self) -> tuple[Gpu, ...]:
        """Every GPU the driver shows."""
        count = ctypes.c_int()
        self.call("cuDeviceGetCount", ctypes.byref(count))
        return tuple(self._gpu(index) for index in range(count.value))

    def _gpu(self, index: int) -> Gpu:
        device, major, minor = self.device(index), ctypes.c_int(), ctypes.c_int()
        name = ctypes.create_string_buffer(NAME_BYTES)
        self.call("cuDeviceGetName", name, NAME_BYTES, device)
        self.call("cuDeviceGetAttribute", ctypes.byref(major), MAJOR, device)
        self.call("cuDeviceGetAttribute", ctypes.byref(minor), MINOR, device)
        return Gpu(index, name.value.decode(errors="replace"), f"{major.value}.{minor.value}", self._driver())

    def device(self, index: int) -> int:
        """The driver's handle of a GPU."""
        device = ctypes.c_int()
        self.call("cuDeviceGet", ctypes.byref(device), index)
        return device.value

    def _driver(self) -> str:
        version = ctypes.c_int()
        self.call("cuDriverGetVersion", ctypes.byref(version))
        return f"CUDA {version.value // 1000}.{version.value % 1000 // 10}; {_driver_text()}"


@lru_cache(maxsize=1)
def cuda() -> Cuda:
    """The driver, initialised. Raises ``DeviceError`` where there is no NVIDIA driver or no GPU.

    Asked before anything of TensorRT runs: without a driver its runtime can end the process.
    """
    for name in LIBRARIES:
        with contextlib.suppress(OSError, AttributeError):
            driver = Cuda(ctypes.CDLL(name))
            break
    else:
        raise DeviceError("no NVIDIA driver here (no libcuda); TensorRT needs an NVIDIA GPU: use another --engine")
    try:
        driver.call("cuInit", 0)
        found = driver.gpus()
    except EngineError as fault:
        raise DeviceError(f"the NVIDIA driver finds no usable GPU ({fault}); use another --engine") from fault
    if not found:
        raise DeviceError("the NVIDIA driver finds no GPU; use another --engine")
    return driver


def _driver_text() -> str:
    for file in DRIVER_FILES:
        with contextlib.suppress(OSError):
            return Path(file).read_text().splitlines()[0].strip()
    return "version not told"


class Place:
    """One GPU's primary context (TensorRT uses the same), a stream, and named buffers that grow when needed."""

    def __init__(self, driver: Cuda, index: int) -> None:
        self._driver, self._device = driver, driver.device(index)
        self._context, self._stream = Handle(), Handle()
        self._buffers: dict[str, tuple[DevicePointer, int]] = {}
        driver.call("cuDevicePrimaryCtxRetain", ctypes.byref(self._context), self._device)
        self.enter()
        driver.call("cuStreamCreate", ctypes.byref(self._stream), 0)

    @property
    def stream(self) -> int:
        """The stream's handle, as TensorRT takes it."""
        return self._stream.value or 0

    def enter(self) -> None:
        """Make the context this thread's own; CUDA keeps that for each thread."""
        self._driver.call("cuCtxSetCurrent", self._context)

    def address(self, name: str, size_bytes: int) -> int:
        """The device address of the buffer ``name``, at least this large."""
        pointer, size = self._buffers.get(name, (DevicePointer(), 0))
        if size < size_bytes:
            self._free(name)
            pointer = DevicePointer()
            self._driver.call("cuMemAlloc_v2", ctypes.byref(pointer), size_bytes)
            self._buffers[name] = (pointer, size_bytes)
        return pointer.value

    def upload(self, name: str, array: Array) -> int:
        """Queue a copy of a contiguous array into the buffer ``name``; gives its device address."""
        address = self.address(name, array.nbytes)
        self._driver.call("cuMemcpyHtoDAsync_v2", address, array.ctypes.data, array.nbytes, self._stream)
        return address

    def download(self, name: str, array: Array) -> None:
        """Queue a copy of the buffer ``name`` into a contiguous array."""
        address = self.address(name, array.nbytes)
        self._driver.call("cuMemcpyDtoHAsync_v2", array.ctypes.data, address, array.nbytes, self._stream)

    def wait(self) -> None:
        """Until all that was queued is done."""
        self._driver.call("cuStreamSynchronize", self._stream)

    def close(self) -> None:
        """Give everything back."""
        self.enter()
        for name in list(self._buffers):
            self._free(name)
        self._driver.call("cuStreamDestroy_v2", self._stream)
        self._driver.call("cuDevicePrimaryCtxRelease_v2", self._device)

    def _free(self, name: str) -> None:
        if name in self._buffers:
            self._driver.call("cuMemFree_v2", self._buffers.pop(name)[0])
