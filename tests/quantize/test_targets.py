"""Every target's int8: made, run by its own engine, measured, and written down with its frames."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from subpixel import bundle as bundles
from subpixel.bundle import Bundle, save
from subpixel.catalogue import find
from subpixel.choice import Candidate
from subpixel.cli.main import cli
from subpixel.engines.base import Request
from subpixel.engines.table import engine_row
from subpixel.errors import BadInputError, BundleError, OutputError
from subpixel.evidence import evidence_of, is_trusted
from subpixel.quantize.calibration import Calibration, calibration
from subpixel.quantize.driver import Options, add_int8
from subpixel.quantize.targets import QUANTISERS, quantiser

Require = Callable[[str], None]
PACKAGES = {
    "onnxruntime": ("onnx",),
    "openvino": ("onnx", "openvino"),
    "litert": ("onnx", "torch", "litert_torch", "ai_edge_quantizer"),
    "tensorrt": ("onnx",),
}
IDS = {
    "onnxruntime": ("onnx-int8-u8",),
    "openvino": ("openvino-int8-u8",),
    "litert": ("litert-int8-u8", "litert-int8"),
    "tensorrt": ("tensorrt-int8-u8",),
}


@pytest.fixture(params=QUANTISERS)
def target(request: pytest.FixtureRequest, require: Require) -> str:
    """Each target whose packages are here."""
    for package in PACKAGES[request.param]:
        require(package)
    name: str = request.param
    return name


def test_a_target_gains_a_variant_with_evidence_and_the_list_of_frames(
    target: str, full_bundle: Bundle, used: Calibration, tmp_path: Path
) -> None:
    made = add_int8(full_bundle, target, used)
    place = tmp_path / "made.spx"
    save(made, place)
    again = bundles.load(place)
    (variant,) = (v for v in again.manifest.variants if v.id in IDS[target])
    assert (variant.precision, variant.target) == ("int8", "onnx" if target == "onnxruntime" else target)
    evidence = evidence_of(again, variant)
    assert evidence is not None
    assert {"int8 loss", "int8 mean bias", "int8 flat patches", "flicker"} <= {v.gate for v in evidence.verdicts}
    assert "calibrated rounding" in evidence.notes[0]
    record = json.loads(again.files[f"evidence/{variant.id}.calibration.json"])
    assert [crop["file"] for crop in record["crops"]] == ["bunny_424x240.mp4"] * 6
    assert all(len(crop["sha256"]) == 64 for crop in record["crops"])
    if target != "tensorrt":
        engine = Candidate(engine_row(target), again, variant, Request()).open()
        assert engine.receipt.precision == "int8"
        engine.close()


def test_tensorrt_is_parsed_and_built_and_never_said_to_run(
    full_bundle: Bundle, used: Calibration, require: Require
) -> None:
    require("onnx")
    require("tensorrt_rtx")
    made = add_int8(full_bundle, "tensorrt", used)
    variant = made.manifest.variant("tensorrt-int8-u8")
    evidence = evidence_of(made, variant)
    assert evidence is not None
    assert evidence.status == "parsed and built"
    assert evidence.engine == "onnxruntime"
    assert any("not run" in note and "tensorrt_rtx" in note for note in evidence.notes)
    assert not is_trusted(made, variant)


def test_the_shipped_model_passes_on_openvino_with_a_few_crops(
    shipped: Bundle, used: Calibration, require: Require
) -> None:
    require("onnx")
    require("openvino")
    made = add_int8(shipped.without("openvino-int8-u8"), "openvino", used)
    variant = made.manifest.variant("openvino-int8-u8")
    evidence = evidence_of(made, variant)
    assert evidence is not None
    assert [str(v) for v in evidence.verdicts if not v] == []
    assert is_trusted(made, variant)


def test_another_net_for_the_same_work_is_rounded_and_judged_as_this_bundle_s(
    full_bundle: Bundle, shipped: Bundle, used: Calibration, require: Require
) -> None:
    require("onnx")
    require("openvino")
    id = "openvino-int8-u8"
    made = add_int8(full_bundle, "openvino", used, start=shipped)
    own = add_int8(shipped, "openvino", used)
    assert made.blobs(made.manifest.variant(id)) == own.blobs(own.manifest.variant(id))
    evidence, judged = (evidence_of(bundle, bundle.manifest.variant(id)) for bundle in (made, own))
    assert evidence is not None and judged is not None
    assert any(f"made from {shipped.spec.name}'s net" in note for note in evidence.notes)
    assert not any("made from" in note for note in judged.notes)
    assert evidence.verdicts != judged.verdicts, "the seeded net's results are what it is held against"


def test_a_net_for_other_work_is_refused(full_bundle: Bundle, used: Calibration, require: Require) -> None:
    require("onnx")
    with pytest.raises(BadInputError, match=r"edge-x2 is no other net for .*scale 2, needed 3; radius_px"):
        add_int8(full_bundle, "openvino", used, start=find("edge-x2"))


@pytest.fixture
def merciless(tmp_path: Path) -> Path:
    """An image so smooth that fp32 hits nearly every level: the noise of int8 costs it more than any real one."""
    folder = tmp_path / "smooth"
    folder.mkdir()
    y, x = np.mgrid[:180, :240]
    smooth = 125 + 60 * np.sin(x / 70) * np.cos(y / 50)
    Image.fromarray(np.rint(smooth).astype(np.uint8)).save(folder / "slope.png")
    return folder


def test_what_fails_is_kept_as_failed_with_its_figures(
    shipped: Bundle,
    merciless: Path,
    samples: Path,
    require: Require,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    require("onnx")
    place, clip = tmp_path / "out.spx", str(samples / "bunny_424x240.mp4")
    arguments = ["quantize", "espcn-x3", "--for", "onnxruntime", "--calibration", clip, "-o", str(place)]
    chosen = ["--recipe", "inputs", "--data", str(merciless), "--json"]
    assert cli.main([*arguments, *chosen], standalone_mode=False) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["passed"] is False
    assert [(one["target"], one["kept"], one["passed"]) for one in report["tried"]] == [("onnxruntime", True, False)]
    assert "mean of smooth, worst slope" in report["tried"][0]["lines"][0]["reason"]
    made = bundles.load(place)
    variant = made.manifest.variant("onnx-int8-u8")
    evidence = evidence_of(made, variant)
    assert evidence is not None
    assert not evidence.passed
    assert not is_trusted(made, variant)


def test_the_verb_writes_what_it_says(
    full_bundle: Bundle, samples: Path, tmp_path: Path, require: Require, capsys: pytest.CaptureFixture[str]
) -> None:
    require("onnx")
    place, clip = tmp_path / "mine.spx", str(samples / "bunny_424x240.mp4")
    save(full_bundle, place)
    arguments = ["quantize", str(place), "--for", "onnxruntime", "--calibration", clip, "--method", "plain"]
    code = cli.main([*arguments, "--keep-float", "first,last"], standalone_mode=False)
    shown = capsys.readouterr().out
    made = bundles.load(place)
    evidence = evidence_of(made, made.manifest.variant("onnx-int8-u8"))
    assert evidence is not None
    assert code == (0 if evidence.passed else 1)
    assert ("✅" if evidence.passed else "❌") in shown
    assert str(place) in shown


def test_a_result_in_the_way_and_a_shipped_bundle_are_refused_before_the_work(
    shipped: Bundle, samples: Path, tmp_path: Path, require: Require
) -> None:
    require("onnx")
    taken = tmp_path / "taken.spx"
    taken.write_bytes(b"something else")
    arguments = ["quantize", "espcn-x3", "--for", "onnxruntime", "--calibration", str(samples / "bunny_424x240.mp4")]
    with pytest.raises(OutputError, match="exists"):
        cli.main([*arguments, "-o", str(taken)], standalone_mode=False)
    with pytest.raises(BadInputError, match="-o FILE"):
        cli.main(arguments, standalone_mode=False)


def test_litert_needs_its_float_file_first(tiny_bundle: Bundle, used: Calibration, require: Require) -> None:
    require("ai_edge_quantizer")
    bare = tiny_bundle.without("litert-fp32")
    with pytest.raises(BundleError, match="convert .* --to litert"):
        add_int8(bare, "litert", used)


def test_other_models_and_names_are_refused(tiny_bundle: Bundle, used: Calibration, require: Require) -> None:
    require("onnx")
    in_colour = replace(
        tiny_bundle, manifest=replace(tiny_bundle.manifest, model=replace(tiny_bundle.spec, colour="rgb"))
    )
    with pytest.raises(BadInputError, match="only luma images"):
        add_int8(in_colour, "onnxruntime", used)
    with pytest.raises(BadInputError, match="no target 'coreml'"):
        quantiser("coreml")
    with pytest.raises(BadInputError, match="no recipe 'dynamic'.*integer"):
        add_int8(tiny_bundle, "onnxruntime", used, Options(recipe="dynamic"))


def test_qat_goes_through_the_same_gate(tiny_bundle: Bundle, samples: Path, require: Require) -> None:
    require("torch")
    used = calibration(samples / "bunny_424x240.mp4", 3, count=4)
    said: list[str] = []
    options = Options(method="qat", recipe="integer", steps=2)
    made = add_int8(tiny_bundle, "onnxruntime", used, options, told=said.append)
    evidence = evidence_of(made, made.manifest.variant("onnx-int8-u8"))
    assert evidence is not None
    assert "trained 2 steps" in evidence.notes[0]
    assert any("step 2 of 2" in text for text in said)
