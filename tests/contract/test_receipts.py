"""The receipt says what really runs, asked of the library."""

from __future__ import annotations

import importlib.metadata
from typing import Any

import pytest

from subpixel.engines.base import PRECISIONS

Subject = Any  # the class of conftest.py, which can't be imported
# What each library calls the thing that computes on a CPU.
PROVIDERS = {
    "openvino": "CPU", "onnxruntime": "CPUExecutionProvider", "litert": "XNNPACK", "bicubic": "numpy",
    "procedure": "numpy",
}  # fmt: skip


def test_it_names_the_library_and_its_installed_version(subject: Subject) -> None:
    with subject.opened() as engine:
        receipt = engine.receipt
    assert receipt.engine == subject.row.name
    assert receipt.library in subject.row.distributions
    assert receipt.version == importlib.metadata.version(receipt.library)
    assert subject.row.version == f"{receipt.library} {receipt.version}"


def test_it_names_the_provider_the_session_uses_and_where(subject: Subject) -> None:
    with subject.opened() as engine:
        receipt = engine.receipt
    assert receipt.device == subject.device
    assert receipt.provider == PROVIDERS.get(subject.row.name, receipt.provider) != ""
    assert receipt.fallback is None


def test_it_names_the_variant_and_a_precision(subject: Subject) -> None:
    with subject.opened() as engine:
        assert engine.receipt.variant == subject.variant.id == engine.variant.id
        assert engine.receipt.precision in PRECISIONS[1:]
        assert engine.spec == subject.spec


def test_a_precision_that_was_asked_for_is_the_one_that_runs(subject: Subject) -> None:
    with subject.opened(precision="fp32") as engine:
        assert engine.receipt.precision == "fp32"


def test_one_thread_is_one_thread(subject: Subject) -> None:
    if subject.row.name == "tensorrt":
        pytest.skip("a GPU's work has no threads to choose")
    with subject.opened(threads=1) as engine:
        assert engine.receipt.threads == 1


def test_the_probe_lists_the_device_that_runs(subject: Subject) -> None:
    probe = subject.row.probe()
    assert subject.device in probe.devices
    assert probe.version == importlib.metadata.version(subject.row.version.partition(" ")[0])
