"""Gates that must fail do fail: each broken variant is broken in one way, and just that gate says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from subpixel.bundle import Bundle
from subpixel.checking import Checked, Line, check_variant
from subpixel.evidence import evidence_of, is_trusted, with_evidence
from subpixel.measuring import ImageSet, Reference

Made = tuple[list[Any], dict[str, Any]]
BYTE = {"byte": np.float32(1 / 255), "zero": np.uint8(0), "four": np.ones((4, 1, 1, 1), np.float32)}


def between(*steps: tuple[str, list[str]], extra: Mapping[str, Any] = {}) -> Made:
    """uint8 in, nearest neighbour, ``steps`` on levels / 255, uint8 out."""
    from onnx import helper

    nodes = [
        helper.make_node("DequantizeLinear", ["lr", "byte", "zero"], ["x0"]),
        helper.make_node("Conv", ["x0", "four"], ["x1"]),
    ]
    name = "x1"
    for at, (operator, others) in enumerate(steps):
        nodes.append(helper.make_node(operator, [name, *others], [f"y{at}"]))
        name = f"y{at}"
    nodes.append(helper.make_node("QuantizeLinear", [name, "byte", "zero"], ["q"]))
    nodes.append(helper.make_node("DepthToSpace", ["q"], ["sr"], blocksize=2, mode="CRD"))
    return nodes, BYTE | dict(extra)


def checked(toy: Any, made: Made, reference: Reference, sets: tuple[ImageSet, ...], precision: str = "int8") -> Checked:
    bundle = toy.with_variant(precision, "u8", *made)
    return check_variant(bundle, bundle.manifest.variants[-1], reference, sets)


def failed(found: Checked) -> list[str]:
    (line,) = found.lines
    return [verdict.gate for verdict in line.verdicts if not verdict]


def test_an_honest_int8_variant_passes_every_gate(
    toy: Any, reference: Reference, pictures: tuple[ImageSet, ...]
) -> None:
    found = checked(toy, between(), reference, pictures)
    (line,) = found.lines
    assert [v.gate for v in line.verdicts] == [
        "int8 loss", "int8 mean bias", "int8 flat patches", "tiled against whole", "flicker",
    ]  # fmt: skip
    assert line.status == "passed"
    assert line.reason == ""


def test_a_bias_fails_and_names_the_image(toy: Any, reference: Reference, pictures: tuple[ImageSet, ...]) -> None:
    made = between(("Add", ["level"]), extra={"level": np.float32(0.8 / 255)})
    found = checked(toy, made, reference, pictures)
    assert failed(found) == ["int8 mean bias"]
    verdict = next(v for v in found.lines[0].verdicts if v.gate == "int8 mean bias")
    assert verdict.figure == pytest.approx(1.0, abs=0.1)
    assert "blobs" in verdict.worst


def test_one_wrong_patch_fails_and_is_named(toy: Any, reference: Reference, pictures: tuple[ImageSet, ...]) -> None:
    made = between(("Max", ["floor"]), extra={"floor": np.float32(3 / 255)})
    found = checked(toy, made, reference, pictures)
    assert failed(found) == ["int8 flat patches"]
    assert "flat 0 became 3.0, 0.0 in fp32" in found.lines[0].reason


def test_lost_quality_fails_and_names_what_lost_most(
    toy: Any, reference: Reference, pictures: tuple[ImageSet, ...]
) -> None:
    made = between(("Div", ["step"]), ("Round", []), ("Mul", ["step"]), extra={"step": np.float32(14 / 255)})
    found = checked(toy, made, reference, pictures)
    assert "int8 loss" in failed(found)
    assert "worst blobs" in next(v.worst for v in found.lines[0].verdicts if v.gate == "int8 loss")


def test_coarse_levels_flicker(toy: Any, reference: Reference, pictures: tuple[ImageSet, ...]) -> None:
    """Steps of three levels cost almost no dB here, and noise makes pixels jump between them."""
    made = between(("Div", ["step"]), ("Round", []), ("Mul", ["step"]), extra={"step": np.float32(3 / 255)})
    assert failed(checked(toy, made, reference, pictures)) == ["flicker"]


def test_what_depends_on_the_whole_frame_fails_in_tiles(
    toy: Any, reference: Reference, pictures: tuple[ImageSet, ...]
) -> None:
    from onnx import helper

    nodes, constants = between()
    far = [
        helper.make_node("ReduceMax", ["x1"], ["most"]),
        helper.make_node("ReduceMin", ["x1"], ["least"]),
        helper.make_node("Sub", ["most", "least"], ["span"]),
        helper.make_node("Mul", ["span", "share"], ["added"]),
        helper.make_node("Add", ["x1", "added"], ["moved"]),
    ]
    nodes[2].input[0] = "moved"
    made = [*nodes[:2], *far, *nodes[2:]], constants | {"share": np.float32(0.2)}
    assert "tiled against whole" in failed(checked(toy, made, reference, pictures))


@pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
def test_not_a_number_fails(toy: Any, reference: Reference, pictures: tuple[ImageSet, ...]) -> None:
    from onnx import helper

    from subpixel.quality.gates import PARITY_MAX_ABS

    nodes = [
        helper.make_node("Sub", ["lr", "lr"], ["nothing"]),
        helper.make_node("Div", ["nothing", "nothing"], ["nan"]),
        helper.make_node("Conv", ["nan", "four"], ["x1"]),
        helper.make_node("DepthToSpace", ["x1"], ["sr"], blocksize=2, mode="CRD"),
    ]
    bundle: Bundle = toy.with_variant("fp32", "float", nodes, {"four": BYTE["four"]})
    variant = bundle.manifest.variants[-1]
    found = check_variant(bundle, variant, reference, pictures)
    assert failed(found) == ["parity", "tiled against whole"]
    assert found.lines[0].verdicts[0].limit == PARITY_MAX_ABS
    assert found.evidence is not None
    kept = with_evidence(bundle, found.evidence)
    assert evidence_of(kept, variant) is not None, "NaN can be written and read again"
    assert not is_trusted(kept, variant)


def test_a_size_that_fails_to_run_is_a_failure_not_an_absence(
    toy: Any, reference: Reference, pictures: tuple[ImageSet, ...]
) -> None:
    """A graph that says it is free in size and was specialised to 64x64."""
    from onnx import helper

    nodes, constants = between()
    fixed = helper.make_node("Reshape", ["x1", "shape"], ["reshaped"])
    nodes[2].input[0] = "reshaped"
    made = [*nodes[:2], fixed, *nodes[2:]], constants | {"shape": np.array([1, 4, 64, 64], np.int64)}
    found = checked(toy, made, reference, pictures)
    assert failed(found) == ["runs at every size"]
    assert found.lines[0].status == "failed"
    assert "onnxruntime failed" in found.lines[0].reason


def test_a_wrong_border_at_odd_sizes_only_fails_parity(
    toy: Any, reference: Reference, pictures: tuple[ImageSet, ...]
) -> None:
    """Right at the size it was made for: a last column that is lost when the width is odd."""
    from onnx import helper

    nodes = [
        helper.make_node("Conv", ["lr", "four"], ["x1"]),
        helper.make_node("DepthToSpace", ["x1"], ["x2"], blocksize=2, mode="CRD"),
        helper.make_node("Shape", ["lr"], ["shape"]),
        helper.make_node("Gather", ["shape", "last"], ["width"]),
        helper.make_node("Mod", ["width", "two"], ["odd"]),
        helper.make_node("Cast", ["odd"], ["wrong"], to=1),
        helper.make_node("Mul", ["wrong", "little"], ["error"]),
        helper.make_node("Add", ["x2", "error"], ["sr"]),
    ]
    constants = {"four": BYTE["four"], "last": np.int64(3), "two": np.int64(2), "little": np.float32(2e-4)}
    bundle: Bundle = toy.with_variant("fp32", "float", nodes, constants)
    found = check_variant(bundle, bundle.manifest.variants[-1], reference, pictures)
    assert failed(found) == ["parity"]
    assert found.lines[0].verdicts[0].worst.startswith(("47x33", "45x90", "3x5"))


def line(**changes: Any) -> Line:
    return Line(**{"variant": "v", "engine": "e", "precision": "fp32", "status": "passed", "size_bytes": 1} | changes)


@pytest.mark.parametrize(("ms", "is_marked"), [(9.0, False), (10.0, True), (12.0, True)])
def test_int8_that_is_not_faster_than_its_engine_s_other_arithmetic_is_marked(ms: float, is_marked: bool) -> None:
    from subpixel.checking import with_remarks

    others = [line(ms=20.0), line(ms=10.0, precision="bf16"), line(ms=1.0, engine="another")]
    marked = with_remarks([*others, line(ms=ms, precision="int8")])
    assert [bool(one.remark) for one in marked] == [False, False, False, is_marked]


@pytest.fixture
def one_variant(toy: Any) -> Callable[[], Bundle]:
    return lambda: toy.with_variant("int8", "u8", *between())


def test_the_evidence_names_engine_machine_and_file(
    one_variant: Callable[[], Bundle], reference: Reference, pictures: tuple[ImageSet, ...]
) -> None:
    import onnxruntime

    from subpixel.cpu import instruction_sets

    bundle = one_variant()
    variant = bundle.manifest.variants[-1]
    evidence = check_variant(bundle, variant, reference, pictures).evidence
    assert evidence is not None
    assert evidence.passed
    assert evidence.sha256 == variant.file.sha256
    assert (evidence.engine, evidence.engine_version) == ("onnxruntime", onnxruntime.__version__)
    assert evidence.reference == "numpy"
    assert all(flag in evidence.machine for flag in instruction_sets())
    assert {f"{f.name} loss_db" for f in pictures[0].frames} <= set(evidence.figures)
    assert is_trusted(with_evidence(bundle, evidence), variant)
