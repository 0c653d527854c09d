"""What the tests of the TensorRT engine share: stand-ins for a driver and for the library's generations."""

from __future__ import annotations

import ctypes
import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def trt_stand_in() -> ModuleType:
    """The module of that name beside this file."""
    spec = importlib.util.spec_from_file_location("trt_stand_in", HERE / "trt_stand_in.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def driver_stand_in(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The CUDA driver's functions over the host's memory, compiled from C."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler here to build the stand-in for the CUDA driver")
    library = tmp_path_factory.mktemp("cuda") / "libcuda_stand_in.so"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(HERE / "cuda_stand_in.c")]
    subprocess.run(command, check=True, capture_output=True)
    return ctypes.CDLL(str(library))
