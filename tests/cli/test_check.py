"""``subpixel check`` as a user types it: real variants through real engines, evidence where it may be written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from subpixel import bundle as bundles
from subpixel.bundle import Bundle, file_record, save
from subpixel.catalogue import shipped_names
from subpixel.cli.main import cli
from subpixel.errors import BadInputError, BundleError, OutputError
from subpixel.evidence import Evidence, evidence_of, with_evidence
from subpixel.quality.gates import Verdict

Require = Callable[[str], None]


def run(*arguments: str) -> object:
    """The exit code, as `main` takes it; our errors come through."""
    return cli.main(list(arguments), standalone_mode=False)


@pytest.fixture
def place(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    """A bundle with the two ONNX variants and without evidence."""
    bare = replace(tiny_bundle, manifest=replace(tiny_bundle.manifest, files=()))
    listed = {record.path for record in bare.manifest.all_files()}
    bare = replace(bare, files={path: data for path, data in bare.files.items() if path in listed})
    only_onnx = [v.id for v in bare.manifest.variants if v.target != "onnx"]
    for id in only_onnx:
        bare = bare.without(id)
    save(bare, tmp_path / "mine.spx")
    return tmp_path / "mine.spx"


def test_evidence_goes_into_the_bundle(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", str(place)) == 0
    shown = capsys.readouterr().out
    assert "✅" in shown
    assert "evidence written to" in shown
    after = bundles.load(place)
    for variant in after.manifest.variants:
        evidence = evidence_of(after, variant)
        assert evidence is not None
        assert evidence.passed
        assert evidence.engine == "onnxruntime"


def test_a_copy_takes_the_evidence_and_the_bundle_stays_as_it_is(place: Path, tmp_path: Path) -> None:
    before = place.read_bytes()
    copy = tmp_path / "copy.spx"
    assert run("check", str(place), "-o", str(copy), "--quiet") == 0
    assert place.read_bytes() == before
    made = bundles.load(copy)
    assert all(evidence_of(made, variant) is not None for variant in made.manifest.variants)
    with pytest.raises(OutputError, match="--overwrite"):
        run("check", str(place), "-o", str(copy), "--quiet")
    assert run("check", str(place), "-o", str(copy), "--quiet", "--overwrite") == 0


def test_a_bundle_marked_read_only_is_printed_only(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    place.chmod(0o444)
    before = place.read_bytes()
    assert run("check", str(place)) == 0
    assert "printed only" in capsys.readouterr().out
    assert place.read_bytes() == before


@pytest.mark.skipif(not shipped_names(), reason="no bundle is shipped yet")
def test_a_shipped_bundle_is_printed_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", shipped_names()[0], "--variant", "onnx-fp32", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["written"] is None
    assert result["passed"] is True


def test_json_is_one_object_with_figures_for_every_variant(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", str(place), "--json") == 0
    result = json.loads(capsys.readouterr().out)
    assert [line["variant"] for line in result["lines"]] == ["onnx-fp32", "onnx-fp32-u8"]
    for line in result["lines"]:
        assert line["status"] == "passed"
        assert line["precision"] == "fp32"
        assert line["max_abs"] <= (1 if line["in_levels"] else 1e-4)
        assert line["ms"] > 0
        assert abs(line["loss_db"]) < 0.01
    assert result["written"] == str(place)
    assert result["reference"].startswith(("torch", "onnx-fp32"))


def biased(bundle: Bundle) -> Bundle:
    """A u8 variant that is two levels too light."""
    import onnx
    from onnx import helper, numpy_helper

    variant = bundle.manifest.variant("onnx-fp32-u8")
    model = onnx.load_model_from_string(bundle.blobs(variant)[0])
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            node.input[0], source = "lighter", node.input[0]
    model.graph.initializer.append(numpy_helper.from_array(np.float32(2), "two"))
    model.graph.node.append(helper.make_node("Add", [source, "two"], ["lighter"]))
    nodes = sorted(model.graph.node, key=lambda node: node.output[0] != "lighter")
    at = next(place for place, node in enumerate(nodes) if source in node.output)
    ordered = [*nodes[1 : at + 1], nodes[0], *nodes[at + 1 :]]
    del model.graph.node[:]
    model.graph.node.extend(ordered)
    data = model.SerializeToString()
    path = variant.file.path
    return bundle.plus(replace(variant, files=(file_record(path, data),)), {path: data})


def test_a_failed_gate_is_exit_code_one_and_is_written_down_as_failed(
    place: Path, require: Require, capsys: pytest.CaptureFixture[str]
) -> None:
    require("onnx")
    save(biased(bundles.load(place)), place, overwrite=True)
    assert run("check", str(place), "--variant", "onnx-fp32-u8") == 1
    shown = capsys.readouterr().out
    assert "❌" in shown
    assert "parity: 2 levels" in shown
    after = bundles.load(place)
    evidence = evidence_of(after, after.manifest.variant("onnx-fp32-u8"))
    assert evidence is not None
    assert not evidence.passed


def test_int8_must_pass_on_the_user_s_images_too(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    (tmp_path / "own").mkdir()
    picture = np.random.default_rng(1).integers(40, 200, (60, 72), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "own" / "texture.png")
    assert run("check", str(place), "--variant", "onnx-fp32", "--data", str(tmp_path / "own"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["sets"] == ["the gate set", "own"]


def test_a_variant_that_is_not_there_and_a_procedure_are_refused(place: Path) -> None:
    with pytest.raises(BundleError, match="no variant 'onnx-int4'"):
        run("check", str(place), "--variant", "onnx-int4")
    with pytest.raises(BadInputError, match="procedure"):
        run("check", "bicubic-x2")


def test_what_an_engine_chooses_by_itself_is_a_line_of_its_own(
    full_bundle: Bundle, tmp_path: Path, require: Require, capsys: pytest.CaptureFixture[str]
) -> None:
    """OpenVINO takes bf16 where the CPU has it: then it is measured in fp32 and in bf16."""
    require("openvino")
    save(full_bundle, tmp_path / "full.spx")
    run("check", str(tmp_path / "full.spx"), "--variant", "openvino-fp32", "--json")
    lines = json.loads(capsys.readouterr().out)["lines"]
    assert lines[0]["precision"] == "fp32"
    if len(lines) == 1:
        pytest.skip("this CPU has no bf16 or fp16 arithmetic: OpenVINO's own choice is fp32")
    assert lines[1]["precision"] in ("bf16", "fp16")
    gate = next(v for v in lines[1]["verdicts"] if v["gate"].startswith("parity in"))
    assert gate["limit"] == 50


def test_what_can_not_run_here_says_why_and_keeps_its_evidence(
    place: Path, require: Require, capsys: pytest.CaptureFixture[str]
) -> None:
    """A TensorRT variant without a GPU: parsed and built, its figures by a stand-in."""
    from subpixel.choice import Candidate
    from subpixel.engines.base import Request
    from subpixel.engines.table import engine_row
    from subpixel.errors import EngineError

    bundle = bundles.load(place)
    reference = bundle.reference
    built = replace(reference, id="tensorrt-fp32", target="tensorrt")
    bundle = bundle.plus(built, {reference.file.path: bundle.blobs(reference)[0]})
    verdict = Verdict("parity", 1e-6, 1e-4, "of full scale", "47x33 noise")
    known = Evidence("tensorrt-fp32", reference.file.sha256, (verdict,), "parsed and built", "onnxruntime")
    bundle = with_evidence(bundle, known)
    try:
        Candidate(engine_row("tensorrt"), bundle, built, Request("gpu")).open().close()
        pytest.skip("TensorRT runs here")
    except EngineError:
        save(bundle, place, overwrite=True)
    assert run("check", str(place), "--json") == 0
    result = json.loads(capsys.readouterr().out)
    line = result["lines"][-1]
    assert (line["variant"], line["status"], line["ms"]) == ("tensorrt-fp32", "not here", None)
    assert line["reason"].startswith("parsed and built; not run here: ")
    after = bundles.load(place)
    assert evidence_of(after, after.manifest.variant("tensorrt-fp32")) == known
