"""The bundles that come with the package are what `scripts/make-bundles` makes of the committed weights."""

from __future__ import annotations

from pathlib import Path
from tempfile import gettempdir

import pytest

from subpixel.catalogue import find, shipped_names
from subpixel.evidence import evidence_of
from subpixel.export.rebuild import rebuilt
from subpixel.models.registry import trained, trained_names

ROOT = Path(__file__).parents[2]
KINDS = ("", "-u8")
FAST = "espcn-", "edge-"  # made for every target, int8 too
PASSING = "espcn-", "edge-fast-"  # OpenVINO too: others are up to 3 dB short in the bf16 that it may choose
SCATTERING = "spmc-"  # with addition, which TensorRT and LiteRT refuse
LARGE_BYTES = 1_000_000  # of weights: such a bundle has one ONNX, which OpenVINO reads too


def expected_run(name: str) -> set[str]:
    """Variants that were run where the bundle was made. LiteRT takes a net of any size if its only shuffle ends it."""
    model = trained(name)
    if len(model.weights) > LARGE_BYTES:
        return {"onnx-fp32"}
    targets = ("onnx", "openvino", "litert") if name.startswith(FAST) else ("onnx", "openvino")
    return {f"{target}-fp32{kind}" for target in targets for kind in KINDS}


def expected_built(name: str) -> set[str]:
    """Those that TensorRT's parser and builder took; its fp16 is kept where it holds the gate."""
    if len(trained(name).weights) > LARGE_BYTES or name.startswith(SCATTERING):
        return set()
    return {f"tensorrt-fp32{kind}" for kind in KINDS}


def test_every_model_with_weights_has_its_bundle() -> None:
    assert set(trained_names()) <= set(shipped_names())


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_bundle_is_made_from_the_weights_in_the_repository(name: str) -> None:
    bundle = find(name)
    assert bundle.manifest.provenance.weights_sha256 == trained(name).weights_sha256, "run scripts/make-bundles"
    assert bundle.files["card.md"].decode() == trained(name).card, "run scripts/make-bundles"
    rebuilt(bundle)


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_bundle_has_every_target_with_its_evidence(name: str) -> None:
    bundle = find(name)
    evidence = {variant.id: evidence_of(bundle, variant) for variant in bundle.manifest.variants}
    run, built = expected_run(name), expected_built(name)
    assert set(evidence) >= run | built
    for id, found in evidence.items():
        assert found is not None, id
        if id in run and (not id.startswith("openvino") or name.startswith(PASSING)):
            assert found.passed, id
        if id in built:
            assert found.status == "parsed and built", id
            assert all(found.verdicts), id


@pytest.mark.parametrize("name", shipped_names())
def test_nothing_of_the_machine_that_made_it_is_in_a_shipped_bundle(name: str) -> None:
    for path, data in find(name).files.items():
        for trace in (str(ROOT), str(Path.home()), "site-packages", f"{gettempdir()}/"):
            assert trace.encode() not in data, f"{path}: {trace}"
