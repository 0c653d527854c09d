"""The edge family on every target: a border in front, cells of 2 x 2 pixels, a shuffle by more than the scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from subpixel.bundle import Bundle
from subpixel.choice import Candidate
from subpixel.engines.base import Request
from subpixel.engines.table import engine_row
from subpixel.evidence import evidence_of
from subpixel.export.driver import add_variant
from subpixel.export.targets import target
from subpixel.spec import LR, SR

SIZES = ((2, 2), (4, 18), (32, 10))
CONVERTERS = {"openvino": ("openvino",), "litert": ("litert", "litert_torch"), "tensorrt": ("tensorrt_rtx",)}


@pytest.fixture(scope="module")
def net(edge_nets: Any) -> Any:
    return edge_nets.learnt_net()


@pytest.fixture(scope="module")
def bundle(edge_nets: Any, net: Any) -> Bundle:
    made: Bundle = edge_nets.edge_bundle(net)
    return made


@pytest.mark.parametrize("name", CONVERTERS)
def test_every_gate_of_a_conversion_is_passed(
    bundle: Bundle, net: Any, name: str, require: Callable[[str], None]
) -> None:
    for package in CONVERTERS[name]:
        require(package)
    made = add_variant(bundle, target(name), net)
    for variant in made.manifest.variants:
        evidence = evidence_of(made, variant)
        assert evidence is not None
        assert all(evidence.verdicts), (variant.id, evidence.verdicts)
        assert variant.shapes is None


def test_litert_has_the_border_as_an_operator_and_takes_every_even_size(
    bundle: Bundle, net: Any, require: Callable[[str], None]
) -> None:
    for package in CONVERTERS["litert"]:
        require(package)
    made = add_variant(bundle, target("litert"), net)
    variant = made.manifest.variant("litert-fp32")
    assert operators(made.blobs(variant)[0])[0] == "MIRROR_PAD"
    engine = Candidate(engine_row("litert"), made, variant, Request()).open()
    for size in SIZES:
        frame = np.random.default_rng(3).random((1, *size, 1), dtype=np.float32)
        found = engine.run({LR: frame})[SR][0, ..., 0]
        with torch.no_grad():
            wanted = net(torch.from_numpy(frame[..., 0])[None])[0, 0].numpy()
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    engine.close()


def operators(file: bytes) -> list[str]:
    """The names of a TFLite file's operators, in order."""
    from ai_edge_litert.interpreter import Interpreter

    return [op["op_name"] for op in Interpreter(model_content=file)._get_ops_details()]
