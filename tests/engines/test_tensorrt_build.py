"""Building plans: really, by TensorRT-RTX without a GPU; and which of each generation's names are used."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from subpixel.bundle import Bundle
from subpixel.engines.trt_build import SIDES_PX, ShapeProfile, build_plan, profile_for
from subpixel.errors import EngineError

PROFILE = ShapeProfile(1, 360, 640)
STRONG = 2  # 1 << STRONGLY_TYPED


@pytest.fixture(scope="module")
def rtx(require: Callable[[str], None]) -> ModuleType:
    require("tensorrt_rtx")
    import tensorrt_rtx

    module: ModuleType = tensorrt_rtx
    return module


@pytest.mark.parametrize("capability", ["SM75", "SM86", "SM120"])
def test_the_reference_is_parsed_and_built_for_gpus_that_are_not_here(
    rtx: ModuleType, tiny_bundle: Bundle, capability: str
) -> None:
    plan = build_plan(tiny_bundle.blobs(tiny_bundle.reference)[0], rtx, PROFILE, "fp32", capability)
    assert len(plan) > 10_000


def test_a_model_that_is_none_is_refused_in_the_parsers_words(rtx: ModuleType) -> None:
    with pytest.raises(EngineError, match=r"tensorrt_rtx 1\..*parser refuses.*[Ff]ailed to parse"):
        build_plan(b"not a model", rtx, PROFILE, "fp32", "SM86")


def test_an_unknown_gpu_names_those_that_can_be_built_for(rtx: ModuleType, tiny_bundle: Bundle) -> None:
    with pytest.raises(EngineError, match=r"SM999; it can for .*SM86"):
        build_plan(tiny_bundle.blobs(tiny_bundle.reference)[0], rtx, PROFILE, "fp32", "SM999")


@pytest.mark.parametrize(
    ("generation", "precision", "creation", "flags"),
    [
        ("tensorrt_8", "fp32", 1, []),
        ("tensorrt_8", "fp16", 1, ["FP16", "TF32"]),
        ("tensorrt_8", "int8", 1, ["INT8", "TF32"]),
        ("tensorrt_10", "fp32", 1 + STRONG, []),
        ("tensorrt_10", "fp16", 1 + STRONG, ["TF32"]),
        ("tensorrt_10", "int8", 1 + STRONG, ["TF32"]),
        ("tensorrt_11", "fp16", 1, ["TF32"]),
        ("tensorrt_11", "bf16", 1, ["TF32"]),
    ],
)
def test_each_generation_is_told_the_types_in_its_own_way(
    trt_stand_in: Any, generation: str, precision: str, creation: int, flags: list[str]
) -> None:
    trt = getattr(trt_stand_in, generation)()
    build_plan(b"model", trt, PROFILE, precision)
    (call,) = trt.calls
    assert (call["creation"], call["flags"]) == (creation, flags)
    assert call["profiles"] == [{"lr": ((1, 1, 1, 1), (1, 1, 360, 640), (1, 1, 360, 640))}]


def test_a_type_the_generation_has_not_is_refused(trt_stand_in: Any) -> None:
    with pytest.raises(EngineError, match=r"tensorrt 8\.6\.2 has no bf16"):
        build_plan(b"model", trt_stand_in.tensorrt_8(), PROFILE, "bf16")


def test_only_rtx_builds_for_another_gpu(trt_stand_in: Any) -> None:
    with pytest.raises(EngineError, match="only on the GPU that will run it"):
        build_plan(b"model", trt_stand_in.tensorrt_10(), PROFILE, "fp32", "SM86")


def test_what_the_library_logged_becomes_the_reason(trt_stand_in: Any) -> None:
    trt = trt_stand_in.tensorrt_10()
    trt.accepts_plan = False
    with pytest.raises(EngineError, match="no tactic for node 7") as caught:
        build_plan(b"model", trt, PROFILE, "fp32")
    assert "chatter" not in str(caught.value)
    trt.accepts_model = False
    with pytest.raises(EngineError, match=r"parser refuses.*Frobnicate"):
        build_plan(b"model", trt, PROFILE, "fp32")


@pytest.mark.parametrize("height", [1, 359, 360, 361, 1080, 8192, 9000])
def test_profiles_hold_the_frame_and_fit_video_sizes_exactly(height: int) -> None:
    profile = profile_for(1, height, 640)
    assert profile.holds(1, height, 640)
    assert profile.holds(1, 1, 1)
    assert not profile.holds(2, height, 640)
    assert profile.width == 640
    assert profile.height == (height if height in SIDES_PX or height > max(SIDES_PX) else profile.height)
