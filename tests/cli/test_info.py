"""`subpixel info` and `subpixel models`: what they say is what is there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from subpixel.bundle import Bundle, load, save
from subpixel.catalogue import find, procedure_names, shipped_names
from subpixel.cli.describe import describe
from subpixel.cli.main import cli
from subpixel.errors import BundleError
from subpixel.evidence import Evidence, with_evidence
from subpixel.figures import FIGURES, ModelFigures, SetFigure, with_figures
from subpixel.onnx_scan import Malformed, parameter_count
from subpixel.quality.gates import Verdict

CARD = b"""# toy

| set | PSNR, unrounded LR |
|---|---|
| set5 | 31.25 dB |

## Licence of weights and data

Do what
you like.

## More
"""


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


def run_json(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json"))


@pytest.fixture
def carded(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    manifest = replace(tiny_bundle.manifest, provenance=replace(tiny_bundle.manifest.provenance, licence="see card.md"))
    path = tmp_path / "toy.spx"
    save(Bundle(manifest, tiny_bundle.files).plus_file("card.md", CARD), path)
    return path


def test_info_tells_path_contract_and_variants(carded: Path) -> None:
    told = run_json("info", str(carded))
    bundle = load(Path(told["path"]))
    assert told["contract"]["scale"] == bundle.spec.scale == 3
    assert told["contract"]["radius_px"] == bundle.spec.radius_px
    assert [v["id"] for v in told["variants"]] == [v.id for v in bundle.manifest.variants]
    first = told["variants"][0]
    assert first["size_bytes"] == bundle.manifest.variants[0].file.size_bytes
    assert first["inputs"][0]["axes"] == "NCHW"
    assert first["shapes"] is None


def test_info_tells_the_cards_licence_and_figure(carded: Path) -> None:
    told = run_json("info", str(carded))
    assert told["licence"] == "Do what you like."
    assert told["set5_db"] == 31.25


def test_verdicts_are_shown_with_their_figures(tiny_bundle: Bundle, tmp_path: Path) -> None:
    variant = tiny_bundle.reference
    lost = Verdict("int8 loss", 0.52, 0.1, "dB", "butterfly")
    save(with_evidence(tiny_bundle, Evidence(variant.id, variant.file.sha256, (lost,), engine="x")), tmp_path / "b")
    told = run_json("info", str(tmp_path / "b"))
    assert told["variants"][0]["status"] == "failed"
    text = run("info", str(tmp_path / "b"))
    assert "❌ failed" in text
    assert "int8 loss: 0.52 dB (<= 0.1; butterfly) FAILED" in text


@pytest.mark.parametrize(
    ("status", "verdicts", "shown"),
    [
        ("run", (Verdict("parity", 0.0, 1e-4, "", "all"),), "passed"),
        ("run", (), "failed"),
        ("run", (Verdict("parity", float("nan"), 1e-4, "", "all"),), "failed"),
        ("parsed and built", (Verdict("parity", 0.0, 1e-4, "", "all"),), "parsed and built"),
    ],
)
def test_a_status_is_never_better_than_its_evidence(
    status: str, verdicts: tuple[Verdict, ...], shown: str, tiny_bundle: Bundle
) -> None:
    variant = tiny_bundle.reference
    bundle = with_evidence(tiny_bundle, Evidence(variant.id, variant.file.sha256, verdicts, status))
    assert describe(bundle).variants[0].status == shown


def test_evidence_of_another_file_counts_as_none(tiny_bundle: Bundle) -> None:
    bundle = with_evidence(tiny_bundle, Evidence("onnx-fp32", "0" * 64, (Verdict("parity", 0.0, 1.0, "", ""),)))
    found = {v.id: v for v in describe(bundle).variants}["onnx-fp32"]
    assert (found.status, found.verdicts) == ("not measured", ())


def test_json_holds_figures_that_json_has_no_numbers_for(tiny_bundle: Bundle, tmp_path: Path) -> None:
    variant = tiny_bundle.reference
    equal = Verdict("parity", float("inf"), 50.0, "dB", "all", at_least=True)
    save(with_evidence(tiny_bundle, Evidence(variant.id, variant.file.sha256, (equal,))), tmp_path / "b.spx")
    told = json.loads(run("info", str(tmp_path / "b.spx"), "--json"), parse_constant=pytest.fail)
    assert told["variants"][0]["verdicts"][0]["figure"] == "inf"
    assert told["variants"][0]["status"] == "passed"


def test_what_a_bundle_says_is_never_markup(tiny_bundle: Bundle, tmp_path: Path) -> None:
    provenance = replace(tiny_bundle.manifest.provenance, licence="[red]free[/red]", source="[bold]me")
    save(Bundle(replace(tiny_bundle.manifest, provenance=provenance), tiny_bundle.files), tmp_path / "b")
    text = run("info", str(tmp_path / "b"))
    assert "[red]free[/red]" in text
    assert "[bold]me" in text


def test_quiet_is_silent_and_json_stays(carded: Path) -> None:
    assert run("info", str(carded), "--quiet") == ""
    assert json.loads(run("info", str(carded), "--quiet", "--json"))["name"]


def test_models_lists_what_is_shipped_and_the_classical_methods() -> None:
    lines = run_json("models")["models"]
    assert [line["name"] for line in lines] == [*shipped_names(), *procedure_names()]
    for line in lines:
        assert line["scale"] == find(line["name"]).spec.scale
        assert line["passed_targets"]
    text = run("models")
    assert all(line["name"] in text for line in lines)


def test_parameters_are_those_of_the_torch_net(tiny_bundle: Bundle) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from subpixel.models.registry import architecture

    net: Any = architecture("espcn").build(3)
    assert isinstance(net, torch.nn.Module)
    assert describe(tiny_bundle).parameters == sum(p.numel() for p in net.parameters())


def test_figures_in_the_bundle_come_before_the_cards(carded: Path, tmp_path: Path) -> None:
    sets = (SetFigure("set5", 33.125, 0.91), SetFigure("vid4", 25.5, 0.75))
    save(with_figures(load(carded), ModelFigures(1234, 567.0, sets)), tmp_path / "b.spx")
    told = run_json("info", str(tmp_path / "b.spx"))
    assert (told["parameters"], told["macs_per_pixel"], told["set5_db"]) == (1234, 567.0, 33.125)
    text = run("info", str(tmp_path / "b.spx"))
    assert all(part in text for part in ("1,234 parameters", "567 multiply-accumulates", "33.12 dB", "25.50 dB"))


def test_a_bundle_without_figures_is_described_from_its_graph_and_card(carded: Path) -> None:
    told = run_json("info", str(carded))
    assert told["macs_per_pixel"] is None
    assert told["figures"] == []
    assert told["parameters"] > 20_000


def test_damaged_figures_are_named(tiny_bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"figures\.json: .*parameters"):
        describe(tiny_bundle.plus_file(FIGURES, b'{"macs_per_pixel": 1.0}'))


def test_a_file_that_is_no_onnx_has_no_parameters() -> None:
    with pytest.raises(Malformed):
        parameter_count(b"certainly not protobuf")
