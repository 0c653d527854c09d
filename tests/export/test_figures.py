"""Parameters and multiply-accumulates of real exports, against counting by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="export needs torch")
pytest.importorskip("onnx", reason="export needs onnx")

from click.testing import CliRunner
from torch import nn

from subpixel.bundle import Bundle, load, save
from subpixel.export import figures
from subpixel.export.figures import macs_per_pixel, with_own_figures
from subpixel.figures import figures_of
from subpixel.models.architecture import WEIGHTS, TrainedModel
from subpixel.models.card import read_card


def test_espcn_costs_what_its_three_layers_cost(exported: Bundle) -> None:
    told = figures_of(exported)
    assert told is not None
    weights = 64 * 25 + 32 * 64 * 9 + 9 * 32 * 9
    assert told.parameters == weights + 64 + 32 + 9
    assert told.macs_per_pixel == pytest.approx(weights / 9)


def test_the_cards_figures_are_in_the_bundle(exported: Bundle) -> None:
    record, told = read_card(WEIGHTS / "espcn-x3.json"), figures_of(exported)
    assert told is not None
    assert {s.set_name: s.psnr_db for s in told.sets} == {f.set_name: f.psnr_db for f in record.figures}


def test_other_weights_dont_borrow_the_cards_figures(exported: Bundle, espcn: TrainedModel) -> None:
    manifest = exported.manifest
    stranger = replace(manifest, provenance=replace(manifest.provenance, weights_sha256="0" * 64))
    told = figures_of(with_own_figures(Bundle(stranger, exported.files), espcn.module()))
    assert told is not None
    assert told.sets == ()


def test_products_groups_and_transposed_convolutions_are_counted(bundle_of: Callable[..., Bundle]) -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1, groups=2), nn.ConvTranspose2d(4, 1, 2, stride=2)
    )
    bundle = bundle_of(net, 2)
    by_hand = (4 * 9 + 4 * 2 * 9 + 4 * 4) / 4  # for an LR pixel, four output pixels each
    assert macs_per_pixel(bundle.blobs(bundle.reference)[0]) == pytest.approx(by_hand)


def test_an_older_bundle_gets_its_figures_and_keeps_the_rest(exported: Bundle, tmp_path: Path) -> None:
    old = Bundle(replace(exported.manifest, files=exported.manifest.files[:1]), exported.files)
    files = {record.path: exported.files[record.path] for record in old.manifest.all_files()}
    save(Bundle(old.manifest, files), tmp_path / "old.spx")
    assert figures_of(load(tmp_path / "old.spx")) is None
    CliRunner().invoke(figures.main, [str(tmp_path / "old.spx")], catch_exceptions=False)
    new = load(tmp_path / "old.spx")
    assert figures_of(new) == figures_of(exported)
    assert {path: new.files[path] for path in files} == files
