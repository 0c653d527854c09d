"""The TensorRT engine where there is no GPU: how it refuses, how it keeps plans, how it would drive one.

What needs the driver runs on a stand-in over the host's memory. That the engine runs a model on a GPU is shown by the
contract suite, on a machine that has one.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from subpixel.bundle import Bundle
from subpixel.engines import tensorrt as engine_module
from subpixel.engines.base import Request
from subpixel.engines.checked import CheckedEngine
from subpixel.engines.tensorrt import TensorRtEngine
from subpixel.engines.trt_build import ShapeProfile
from subpixel.engines.trt_cache import PlanKey, keep_plan, load_plan
from subpixel.engines.trt_cuda import Cuda, Place, cuda
from subpixel.errors import BadInputError, DeviceError, EngineError
from subpixel.spec import Variant

KEY = PlanKey("a" * 64, ShapeProfile(1, 360, 640), "fp16", "tensorrt", "10.3.0", "Orin", "8.7", "CUDA 12.6; 540.4")


@pytest.fixture(scope="module")
def no_gpu() -> None:
    try:
        cuda()
    except DeviceError:
        return
    pytest.skip("there is an NVIDIA GPU here: nothing to refuse")


@pytest.fixture
def driver(driver_stand_in: Any) -> Iterator[Cuda]:
    found = Cuda(driver_stand_in)
    found.call("cuInit", 0)
    held = driver_stand_in.stand_in_held()
    yield found
    assert driver_stand_in.stand_in_held() == held, "a buffer, a stream or a context was not given back"


@pytest.fixture
def variant(tiny_bundle: Bundle) -> Variant:
    return replace(tiny_bundle.manifest.variant("onnx-fp32-u8"), id="tensorrt-fp32-u8", target="tensorrt")


@pytest.fixture
def open_engine(
    driver: Cuda, variant: Variant, tiny_bundle: Bundle, trt_stand_in: Any, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Callable[..., TensorRtEngine]:  # fmt: skip
    """Opens the engine on the stand-ins, with an empty cache; ``trt``: another generation."""
    monkeypatch.setenv("SUBPIXEL_CACHE", str(tmp_path))

    def opened(trt: Any = None, **request: Any) -> TensorRtEngine:
        monkeypatch.setitem(sys.modules, "tensorrt", trt or trt_stand_in.tensorrt_10())
        monkeypatch.setattr(engine_module, "cuda", lambda: driver)
        return TensorRtEngine((b"model",), variant, tiny_bundle.spec, Request(**{"device": "cuda:0", **request}))

    return opened


@pytest.mark.usefixtures("no_gpu")
def test_without_a_driver_it_refuses_before_the_library_is_touched(require: Callable[[str], None]) -> None:
    require("tensorrt")
    code = (
        "import sys; from subpixel.engines.table import engine_row; from subpixel.engines.base import Request;"
        "from subpixel.catalogue import bicubic_bundle; bundle = bicubic_bundle(3); v = bundle.manifest.variants[0]\n"
        "try: engine_row('tensorrt').load()((b'',), v, bundle.spec, Request('cuda:0'))\n"
        "except Exception as fault: print(type(fault).__name__, fault)\n"
        "print(sorted({'tensorrt', 'tensorrt_rtx'} & set(sys.modules)))"
    )
    told, loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.splitlines()
    assert told.startswith("DeviceError")
    assert "NVIDIA" in told
    assert loaded == "[]"


@pytest.mark.usefixtures("no_gpu")
def test_the_probe_tells_the_version_and_no_device(require: Callable[[str], None]) -> None:
    require("tensorrt")
    probe = engine_module.probe()
    assert probe.devices == ()
    assert probe.version[0].isdecimal()
    assert "NVIDIA" in probe.note


def test_a_driver_without_a_gpu_is_a_device_error(driver_stand_in: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_NO_GPU", "1")
    monkeypatch.setattr("subpixel.engines.trt_cuda.ctypes.CDLL", lambda name: driver_stand_in)
    with pytest.raises(DeviceError, match="CUDA_ERROR_NO_DEVICE"):
        cuda.__wrapped__()


def test_gpus_are_listed_as_the_driver_tells(driver: Cuda) -> None:
    first, second = driver.gpus()
    assert (first.index, first.name, first.compute_capability) == (0, "First", "8.7")
    assert (second.index, second.name) == (1, "Second")
    assert first.driver.startswith("CUDA 12.6; ")


def test_memory_goes_there_and_back_and_buffers_grow(driver: Cuda) -> None:
    place = Place(driver, 0)
    for size in (10, 1000, 20):
        data = np.random.default_rng(size).integers(0, 256, size, np.uint8)
        back = np.zeros_like(data)
        place.upload("lr", data)
        place.download("lr", back)
        place.wait()
        assert np.array_equal(back, data)
    place.close()


def test_too_little_memory_is_an_engine_error_with_cudas_name(driver: Cuda) -> None:
    place = Place(driver, 0)
    with pytest.raises(EngineError, match="cuMemAlloc_v2 failed: CUDA_ERROR_OUT_OF_MEMORY"):
        place.address("sr", 1 << 40)
    place.close()


@pytest.mark.parametrize("generation", ["tensorrt_8", "tensorrt_10", "tensorrt_11"])
def test_frames_are_bound_run_and_brought_back(open_engine: Any, trt_stand_in: Any, generation: str) -> None:
    engine = CheckedEngine(open_engine(getattr(trt_stand_in, generation)()))
    for size in ((7, 5), (360, 640), (1, 1)):
        frame = np.random.default_rng(size).integers(0, 256, (1, 1, *size), np.uint8)
        needed = frame.repeat(3, 2).repeat(3, 3)
        assert np.array_equal(engine.run({"lr": frame})["sr"], needed)
        given = {"sr": np.zeros_like(needed)}
        assert engine.run({"lr": frame}, given)["sr"] is given["sr"]
        assert np.array_equal(given["sr"], needed)
    engine.close()


def test_a_larger_frame_or_a_batch_builds_another_plan_and_a_smaller_one_none(
    open_engine: Any, trt_stand_in: Any
) -> None:
    trt = trt_stand_in.tensorrt_10()
    engine = CheckedEngine(open_engine(trt, frame_size=(120, 200)))
    for shape, plans in (((1, 1, 128, 240), 1), ((1, 1, 9, 9), 1), ((1, 1, 129, 9), 2), ((2, 1, 9, 9), 3)):
        frame = np.zeros(shape, np.uint8)
        assert engine.run({"lr": frame})["sr"].shape == (*shape[:2], shape[2] * 3, shape[3] * 3)
        assert len(trt.calls) == plans
    engine.close()


def test_a_plan_is_built_once_and_found_again(open_engine: Any, trt_stand_in: Any) -> None:
    size = {"frame_size": (77, 99)}
    trt = trt_stand_in.tensorrt_10()
    first, again = open_engine(trt, **size), open_engine(trt, **size)
    assert len(trt.calls) == 1
    assert "built here" in first.receipt.detail
    assert "from the cache" in again.receipt.detail
    newer = trt_stand_in.tensorrt_11()
    third = open_engine(newer, **size)
    assert len(newer.calls) == 1
    for engine in (first, again, third):
        engine.close()


def test_a_cached_plan_the_library_refuses_is_built_again(open_engine: Any, trt_stand_in: Any) -> None:
    size = {"frame_size": (70, 90)}
    trt = trt_stand_in.tensorrt_10()
    engine = open_engine(trt, **size)
    key = engine._key(ShapeProfile(1, 128, 128))
    assert load_plan(key) is not None
    keep_plan(key, b"a plan of another world")
    again = open_engine(trt, **size)
    assert len(trt.calls) == 2
    for opened in (engine, again):
        opened.close()


def test_the_receipt_names_the_gpu(open_engine: Any) -> None:
    engine = open_engine(device="cuda:1")
    receipt = engine.receipt
    assert (receipt.library, receipt.version) == ("tensorrt", "10.3.0")
    assert (receipt.device, receipt.provider) == ("cuda:1", "Second (compute capability 8.7)")
    assert receipt.precision == "fp32"
    engine.close()


@pytest.mark.parametrize("device", ["cuda:2", "npu", "cuda:x"])
def test_a_gpu_that_is_not_there_names_those_that_are(open_engine: Any, device: str) -> None:
    with pytest.raises(DeviceError, match=r"cuda:0 \(First\), cuda:1 \(Second\)"):
        open_engine(device=device)


def test_a_plan_with_other_tensors_than_the_manifest_is_refused(open_engine: Any, trt_stand_in: Any) -> None:
    """Its buffers would be too small: CUDA would write beyond them."""
    wider = trt_stand_in.tensorrt_10(trt_stand_in.DataType.FLOAT)
    with pytest.raises(EngineError, match=r"float32.*uint8"):
        open_engine(wider, frame_size=(50, 60))


def test_wrong_arrays_are_refused_before_the_gpu_sees_them(open_engine: Any) -> None:
    engine = CheckedEngine(open_engine())
    with pytest.raises(BadInputError, match="float32"):
        engine.run({"lr": np.zeros((1, 1, 4, 4), np.float32)})
    engine.close()


@pytest.mark.parametrize("name", [field.name for field in fields(PlanKey)])
def test_a_plan_is_kept_for_its_own_conditions_only(name: str) -> None:
    changed: Any = ShapeProfile(1, 360, 641) if name == "profile" else f"{getattr(KEY, name)}x"
    keep_plan(KEY, b"plan")
    assert load_plan(KEY) == b"plan"
    assert load_plan(replace(KEY, **{name: changed})) is None


@pytest.mark.parametrize("damage", [b"", b"plan", b"0" * 64 + b"plan", b"0" * 10])
def test_a_damaged_plan_never_reaches_tensorrt(damage: bytes) -> None:
    keep_plan(KEY, b"plan")
    KEY.file.write_bytes(damage)
    assert load_plan(KEY) is None
    keep_plan(KEY, b"plan")
    assert load_plan(KEY) == b"plan"
    assert not list(KEY.file.parent.glob("*.part"))
