"""Which variants are candidates, and in which order they are tried."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import subpixel
from subpixel.bundle import Bundle
from subpixel.choice import Candidate, Wish, candidates, working_size
from subpixel.errors import BundleError, DeviceError, EngineError, MissingPackageError
from subpixel.evidence import Evidence, evidence_path, with_evidence
from subpixel.quality.gates import Verdict
from subpixel.tune import best_first

PASSED, FAILED = Verdict("loss", 0.01, 0.1, "dB", "tests"), Verdict("loss", 0.5, 0.1, "dB", "tests")


def with_int8(bundle: Bundle, verdict: Verdict | None) -> Bundle:
    """The bundle with an int8 variant; what it computes doesn't matter here, what is written of it does."""
    variant = replace(bundle.manifest.variant("onnx-fp32-u8"), id="onnx-int8-u8", precision="int8")
    wider = bundle.plus(variant, {})
    if verdict is None:
        return wider
    return with_evidence(wider, Evidence(variant.id, variant.file.sha256, (verdict,), engine="onnxruntime"))


def without_evidence(bundle: Bundle, *ids: str) -> Bundle:
    files = tuple(f for f in bundle.manifest.files if f.path not in {evidence_path(id) for id in ids})
    blobs = {path: data for path, data in bundle.files.items() if path not in {evidence_path(id) for id in ids}}
    return Bundle(replace(bundle.manifest, files=files), blobs)


def labels(found: list[Candidate]) -> list[str]:
    return [f"{c.row.name}/{c.variant.id}" for c in found]


def test_eight_bit_comes_before_float_and_the_engine_table_decides_before_that(tiny_bundle: Bundle) -> None:
    found = labels(candidates(tiny_bundle, Wish()))
    assert found.index("onnxruntime/onnx-fp32-u8") + 1 == found.index("onnxruntime/onnx-fp32")
    if importlib.util.find_spec("openvino"):
        assert found[0].startswith("openvino/")


@pytest.mark.parametrize("verdict", [FAILED, None], ids=["failed", "no-evidence"])
def test_a_variant_without_passed_evidence_is_never_a_candidate_by_itself(
    tiny_bundle: Bundle, verdict: Verdict | None
) -> None:
    bundle = with_int8(tiny_bundle, verdict)
    assert "onnx-int8-u8" not in {c.variant.id for c in candidates(bundle, Wish())}
    bare = without_evidence(tiny_bundle, "onnx-fp32-u8")
    assert {c.variant.id for c in candidates(bare, Wish())} >= {"onnx-fp32"}
    assert "onnx-fp32-u8" not in {c.variant.id for c in candidates(bare, Wish())}


def test_evidence_of_another_file_counts_for_nothing(tiny_bundle: Bundle) -> None:
    of_another = with_evidence(tiny_bundle, Evidence("onnx-fp32-u8", "0" * 64, (PASSED,)))
    assert "onnx-fp32-u8" not in {c.variant.id for c in candidates(of_another, Wish())}


def test_parsed_and_built_is_not_passed(tiny_bundle: Bundle) -> None:
    digest = tiny_bundle.manifest.variant("onnx-fp32-u8").file.sha256
    built = with_evidence(tiny_bundle, Evidence("onnx-fp32-u8", digest, (PASSED,), status="parsed and built"))
    assert "onnx-fp32-u8" not in {c.variant.id for c in candidates(built, Wish())}


def test_a_named_engine_may_take_what_was_only_parsed_and_built(tiny_bundle: Bundle) -> None:
    digest = tiny_bundle.manifest.variant("onnx-fp32-u8").file.sha256
    wish = Wish(engine="onnxruntime")
    for status, verdict, taken in (
        ("parsed and built", PASSED, True),
        ("parsed and built", FAILED, False),
        ("not built", PASSED, False),
    ):
        bundle = with_evidence(tiny_bundle, Evidence("onnx-fp32-u8", digest, (verdict,), status=status))
        assert ("onnx-fp32-u8" in {c.variant.id for c in candidates(bundle, wish)}) is taken


def test_a_bundle_without_evidence_says_how_to_get_it(tiny_bundle: Bundle) -> None:
    ids = [v.id for v in tiny_bundle.manifest.variants]
    with pytest.raises(BundleError, match="no trusted variant.*subpixel check"):
        candidates(without_evidence(tiny_bundle, *ids), Wish())


def test_a_named_variant_is_given_whatever_its_evidence(tiny_bundle: Bundle) -> None:
    bundle = with_int8(tiny_bundle, FAILED)
    assert {c.variant.id for c in candidates(bundle, Wish(variant="onnx-int8-u8"))} == {"onnx-int8-u8"}
    with pytest.raises(BundleError, match="onnx-fp32"):
        candidates(bundle, Wish(variant="onnx-int2"))


def test_int8_that_passed_comes_last_and_is_left_out_where_nothing_was_measured(tiny_bundle: Bundle) -> None:
    bundle = with_int8(tiny_bundle, PASSED)
    found = candidates(bundle, Wish(threads=5))
    assert found[-1].variant.precision == "int8"
    untuned = best_first(found, Wish(threads=5), (36, 64), tune=False)
    assert untuned
    assert all(c.variant.precision != "int8" for c in untuned)


def test_int8_is_offered_to_the_engine_it_was_measured_with_alone(tiny_bundle: Bundle) -> None:
    found = candidates(with_int8(tiny_bundle, PASSED), Wish())
    assert {c.row.name for c in found if c.variant.precision == "int8"} == {"onnxruntime"}


def test_an_engine_that_was_not_measured_is_held_to_the_variants_arithmetic(
    full_bundle: Bundle, require: Callable[[str], None]
) -> None:
    """OpenVINO computes ONNX in bf16 by itself on some CPUs; only its own variants have evidence of that."""
    require("openvino")
    found = {c.variant.id: c.request.precision for c in candidates(full_bundle, Wish(engine="openvino"))}
    assert found["onnx-fp32-u8"] == "fp32"
    assert found["openvino-fp32-u8"] == "auto"
    assert all(c.request.precision == "auto" for c in candidates(full_bundle, Wish(engine="onnxruntime")))


def test_int8_that_is_asked_for_is_what_passed_where_anything_did(tiny_bundle: Bundle) -> None:
    failed = with_int8(tiny_bundle, FAILED)
    passed = replace(failed.manifest.variant("onnx-int8-u8"), id="onnx-int8-other")
    both = with_evidence(
        failed.plus(passed, {}), Evidence(passed.id, passed.file.sha256, (PASSED,), engine="onnxruntime")
    )
    wish = Wish(engine="onnxruntime", precision="int8")
    assert labels(best_first(candidates(both, wish), wish, (36, 64), tune=False)) == ["onnxruntime/onnx-int8-other"]
    assert labels(candidates(failed, wish)) == ["onnxruntime/onnx-int8-u8"]


@pytest.mark.parametrize("wish", [Wish(precision="int8"), Wish(variant="onnx-int8-u8")])
def test_int8_that_is_asked_for_goes_to_the_engine_it_was_measured_with(
    tiny_bundle: Bundle, require: Callable[[str], None], wish: Wish
) -> None:
    """OpenVINO reads ONNX too, and rounds in another way: edge-fast-x3 is 1.4 levels too bright there."""
    require("openvino")
    passed = with_int8(tiny_bundle, PASSED)
    assert labels(candidates(passed, wish)) == ["onnxruntime/onnx-int8-u8"]
    named = replace(wish, engine="openvino")
    assert labels(candidates(passed, named)) == ["openvino/onnx-int8-u8"]


def test_a_named_engine_that_is_not_installed_names_the_command(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec

    def absent(name: str, package: str | None = None) -> Any:
        return None if name == "openvino" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", absent)
    with pytest.raises(MissingPackageError, match=r"pip install 'subpixel\[openvino\]'"):
        subpixel.open(tiny_bundle, engine="openvino")
    with subpixel.open(tiny_bundle) as model:
        assert model.receipt.engine != "openvino"


def test_a_target_the_bundle_has_not_is_named_with_those_it_has(tiny_bundle: Bundle) -> None:
    bundle = tiny_bundle
    for variant in tiny_bundle.manifest.variants:
        if variant.target == "litert":
            bundle = bundle.without(variant.id)
    with pytest.raises(BundleError, match=r"engine=litert.*onnx-fp32-u8"):
        candidates(bundle, Wish(engine="litert"))


def test_tensorrt_is_no_candidate_on_the_cpu_unless_it_is_named(full_bundle: Bundle) -> None:
    assert all(c.row.name != "tensorrt" for c in candidates(full_bundle, Wish()))


def test_an_accelerator_that_is_not_there_is_an_error_not_a_slow_answer(tiny_bundle: Bundle) -> None:
    with pytest.raises(DeviceError, match="npu"):
        subpixel.open(tiny_bundle, device="npu")
    with subpixel.open(tiny_bundle, device="npu", fallback="cpu") as model:
        assert model.receipt.fallback is not None
        assert model.receipt.fallback.wanted == "npu"
        assert model.receipt.device == "cpu"


def test_a_file_the_engine_can_not_open_lets_the_next_one_try(
    tiny_bundle: Bundle, require: Callable[[str], None]
) -> None:
    require("openvino")
    damaged = replace(tiny_bundle.manifest.variant("onnx-fp32-u8"), id="openvino-fp32-u8", target="openvino")
    bundle = tiny_bundle.plus(replace(damaged, files=tiny_bundle.manifest.files[:1]), {})
    trusted = with_evidence(bundle, Evidence(damaged.id, tiny_bundle.manifest.files[0].sha256, (PASSED,)))
    with subpixel.open(trusted) as model:
        assert model.receipt.variant == "onnx-fp32-u8"
    with pytest.raises(EngineError, match="openvino"):
        subpixel.open(trusted, variant="openvino-fp32-u8")


def test_the_builtin_bicubic_stands_in_for_any_model_when_named(tiny_bundle: Bundle) -> None:
    with subpixel.open(tiny_bundle, engine="bicubic") as model:
        assert model.receipt.engine == "bicubic"
        assert model.scale == tiny_bundle.spec.scale


@pytest.mark.parametrize(
    ("frame", "radius", "worked"),
    [((360, 640), 4, (360, 640)), ((720, 1280), 4, (186, 1280)), ((720, 1280), None, (720, 1280))],
    ids=["whole", "in-bands", "not-to-be-parted"],
)
def test_engines_are_told_the_size_they_will_be_given(
    tiny_bundle: Bundle, frame: tuple[int, int], radius: int | None, worked: tuple[int, int]
) -> None:
    spec = replace(tiny_bundle.spec, radius_px=radius)
    assert working_size(frame, spec) == worked
    assert Wish(frame_size=frame).request(spec).frame_size == worked
