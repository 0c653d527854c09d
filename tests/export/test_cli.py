"""``subpixel export`` and ``subpixel convert``, as a user types them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load, save

from subpixel import bundle as bundles
from subpixel.bundle import Bundle
from subpixel.cli.main import cli
from subpixel.errors import BadInputError, BundleError, MissingPackageError, OutputError
from subpixel.evidence import evidence_of
from subpixel.export.targets import TARGETS, target
from subpixel.models.architecture import TrainedModel

ONNX_IDS = ["onnx-fp32", "onnx-fp32-u8"]


def run(*arguments: str) -> object:
    """The exit code, as `main` takes it; our errors come through."""
    return cli.main(list(arguments), standalone_mode=False)


def test_export_then_convert_in_place(
    here: Path, capsys: pytest.CaptureFixture[str], require: Callable[[str], None]
) -> None:
    require("openvino")
    assert run("export", "espcn", "--scale", "3", "-o", "espcn-x3") == 0
    shown = capsys.readouterr().out
    assert "✅" in shown
    assert "wrote espcn-x3" in shown
    assert run("convert", "espcn-x3", "--to", "openvino") == 0
    made = bundles.load(here / "espcn-x3")
    assert [v.id for v in made.manifest.variants] == [*ONNX_IDS, "openvino-fp32", "openvino-fp32-u8"]
    assert made.manifest.provenance.architecture == "espcn"
    assert made.manifest.provenance.weights_sha256
    assert made.files["card.md"]
    assert [path.name for path in here.iterdir()] == ["espcn-x3"], "nothing half-written is left"


def test_json_is_one_object_on_stdout(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", "espcn-x3", "-o", "mine.spx", "--json", "--layers") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["passed"] is True
    assert [row["variant"] for row in result["variants"]] == ONNX_IDS
    assert all(row["size_bytes"] > 1000 and row["passed"] for row in result["variants"])
    assert [layer["module"] for layer in result["layers"]][:2] == ["features", "mapping"]


def test_quiet_says_nothing(exported: Bundle, here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    bundles.save(exported, here / "mine.spx")
    assert run("convert", "mine.spx", "--to", "openvino", "--quiet") == 0
    assert capfd.readouterr().out == ""


def test_a_failed_gate_is_exit_code_1_and_the_bundle_is_kept_with_its_figures(
    here: Path, espcn: TrainedModel, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = load(espcn.weights)
    weights["mapping.bias"][0] = torch.nan
    (here / "broken.safetensors").write_bytes(save(weights))
    assert run("export", "espcn", "--scale", "3", "--weights", "broken.safetensors", "-o", "broken") == 1
    assert "2 failed a gate" in capsys.readouterr().out
    kept = bundles.load(here / "broken")
    for variant in kept.manifest.variants:
        found = evidence_of(kept, variant)
        assert found is not None
        assert not found.passed


def test_what_is_already_there_needs_overwrite(here: Path) -> None:
    (here / "mine.spx").write_bytes(b"")
    with pytest.raises(OutputError, match="--overwrite"):
        run("export", "espcn", "--scale", "3", "-o", "mine.spx")


def test_a_shipped_bundle_stays_as_it_is(here: Path) -> None:
    with pytest.raises(BadInputError, match="-o FILE"):
        run("convert", "espcn-x3", "--to", "openvino")


def test_a_scale_without_weights_is_refused_before_any_work(here: Path) -> None:
    with pytest.raises(BadInputError, match="x2, x3, x4"):
        run("export", "espcn", "--scale", "7", "-o", "mine")
    assert not list(here.iterdir())


def test_the_built_in_bicubic_has_nothing_to_convert(here: Path) -> None:
    with pytest.raises(BundleError, match="onnx-fp32"):
        run("convert", "bicubic-x3", "--to", "openvino", "-o", "mine.spx")


def test_a_refused_target_leaves_the_bundle_as_it_was(
    here: Path, bundle_of: Callable[..., Bundle], require: Callable[[str], None]
) -> None:
    require("openvino")
    require("litert_torch")
    place = here / "toy.spx"
    bundles.save(bundle_of(torch.nn.Conv2d(1, 1, 3, padding=1), 1), place)
    before = place.read_bytes()
    with pytest.raises(BundleError, match="names no architecture"):
        run("convert", "toy.spx", "--to", "openvino", "--to", "litert")
    assert place.read_bytes() == before


def test_a_converter_that_is_not_installed_is_named_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    row = replace(TARGETS["litert"], packages=("no_such_converter",))
    monkeypatch.setitem(TARGETS, "litert", row)
    with pytest.raises(MissingPackageError, match=r"converting to litert needs no_such_converter.*subpixel\[export\]"):
        target("litert")
