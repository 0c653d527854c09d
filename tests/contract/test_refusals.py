"""Every engine refuses the same things, with the same classes of error, in words that say what was needed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from subpixel.choice import Candidate
from subpixel.engines.base import Request
from subpixel.errors import BadInputError, DeviceError, EngineError, SubpixelError

Subject = Any  # the class of conftest.py, which can't be imported


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: {"picture": a}, "needed"),
        (lambda a: {}, "needed"),
        (lambda a: {"lr": a, "more": a}, "needed"),
        (lambda a: {"lr": a.astype(np.float64)}, "float64"),
        (lambda a: {"lr": a[0]}, "shape"),
        (lambda a: {"lr": np.concatenate([a, a], axis=1 if a.shape[1] == 1 else 3)}, "channels"),
        (lambda a: {"lr": a[:0]}, "empty"),
        (lambda a: {"lr": a[:, :, :0]}, "empty"),
    ],
    ids=["name", "nothing", "one-too-many", "dtype", "axes", "channels", "no-frame", "no-pixels"],
)
def test_wrong_inputs_are_bad_input(subject: Subject, change: Any, words: str) -> None:
    (array,) = subject.inputs(6, 8).values()
    with subject.opened() as engine, pytest.raises(BadInputError, match=words):
        engine.run(change(array))


@pytest.mark.parametrize(
    "change",
    [
        lambda a: {"picture": a},
        lambda a: {},
        lambda a: {"sr": a.astype(np.float64)},
        lambda a: {"sr": a[0]},
        lambda a: {"sr": np.concatenate([a, a], axis=2)},
        lambda a: {"sr": np.broadcast_to(a[:, :1], a.shape)},
    ],
    ids=["name", "nothing", "dtype", "axes", "size", "read-only"],
)
def test_wrong_outputs_are_bad_input(subject: Subject, change: Any) -> None:
    inputs = subject.inputs(6, 8)
    (array,) = subject.outputs(inputs).values()
    with subject.opened() as engine, pytest.raises(BadInputError, match="needed"):
        engine.run(inputs, change(array))


def test_an_engine_works_on_after_it_refused(subject: Subject) -> None:
    inputs = subject.inputs(6, 8)
    with subject.opened() as engine:
        first = {name: np.array(array) for name, array in engine.run(inputs).items()}
        with pytest.raises(BadInputError):
            engine.run({})
        again = engine.run(inputs)
        assert all(np.array_equal(again[name], first[name]) for name in first)


def test_a_closed_engine_says_so(subject: Subject) -> None:
    engine = subject.candidate().open()
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.run(subject.inputs(6, 8))
    with pytest.raises(EngineError, match="closed"):
        engine.reset()


@pytest.mark.parametrize("device", ["npu", "cuda:77", "toaster"])
def test_a_device_that_is_not_there_is_an_error(subject: Subject, device: str) -> None:
    with pytest.raises(DeviceError, match=device):
        subject.candidate(device=device).open()


def test_a_fallback_that_was_allowed_is_taken_and_gives_its_reason(subject: Subject) -> None:
    if subject.row.name == "tensorrt":
        pytest.skip("TensorRT has no CPU to fall back to; `open` goes on to the next engine")
    inputs = subject.inputs(6, 8)
    with subject.opened(device="cuda:77", fallback="cpu", precision="fp32") as engine:
        receipt = engine.receipt
        assert receipt.fallback is not None
        assert receipt.fallback.wanted == "cuda:77"
        assert len(receipt.fallback.reason) > 10
        assert receipt.device == "cpu"
        assert subject.error(inputs, engine.run(inputs)) <= 1


def test_an_arithmetic_that_does_not_run_is_refused(subject: Subject) -> None:
    with pytest.raises(EngineError, match="int8"):
        subject.candidate(precision="int8").open()


@pytest.mark.parametrize("damage", ["cut", "headless", "text", "empty"])
def test_damaged_files_are_engine_errors_with_the_librarys_cause(subject: Subject, damage: str) -> None:
    if subject.variant.target == "procedure":
        pytest.skip("a procedure reads no file")
    blobs = tuple(damaged(blob, damage) for blob in subject.bundle.blobs(subject.variant))
    with pytest.raises(EngineError) as caught:
        subject.row.load()(blobs, subject.variant, subject.spec, Request(subject.device))
    assert subject.spec.name in str(caught.value)
    assert caught.value.__cause__ is not None


def damaged(blob: bytes, how: str) -> bytes:
    headless = bytes(64) + blob[64:]
    return {"cut": blob[: len(blob) // 2], "headless": headless, "text": b"not a model " * 40, "empty": b""}[how]


@pytest.mark.parametrize("lie", ["input-name", "output-name", "input-dtype", "output-dtype", "axes"])
def test_a_manifest_that_lies_gives_an_error_of_ours(subject: Subject, lie: str) -> None:
    """Whatever the library throws when its model isn't what the manifest says, the user sees no foreign exception."""
    if subject.variant.target == "procedure":
        pytest.skip("a procedure reads no file")
    if subject.row.name == "litert" and lie.endswith("name"):
        pytest.skip("LiteRT's tensors go by their order: a name can't be wrong")
    candidate = Candidate(subject.row, subject.bundle, lying(subject.variant, lie), Request(subject.device))
    given = candidate.variant.inputs[0]
    shape = (1, 1, 6, 8) if given.axes == "NCHW" else (1, 6, 8, 1)
    with pytest.raises(SubpixelError):
        engine = candidate.open()
        results = engine.run({given.name: np.zeros(shape, given.dtype)})
        assert_as_promised(results, candidate.variant)


def lying(variant: Any, lie: str) -> Any:
    given, wanted = variant.inputs[0], variant.outputs[0]
    other = "float32" if given.dtype == "uint8" else "uint8"
    changed = {
        "input-name": (replace(given, name="picture"), wanted),
        "output-name": (given, replace(wanted, name="picture")),
        "input-dtype": (replace(given, dtype=other), wanted),
        "output-dtype": (given, replace(wanted, dtype=other)),
        "axes": (replace(given, axes={"NCHW": "NHWC", "NHWC": "NCHW"}[given.axes]), wanted),
    }[lie]
    return replace(variant, inputs=(changed[0],), outputs=(changed[1],))


def assert_as_promised(results: Any, variant: Any) -> None:
    """A lie the library did not notice must at least be harmless: not seen, or caught by us."""
    for tensor in variant.outputs:
        if results[tensor.name].dtype != tensor.dtype:
            raise EngineError("the results are not what the manifest says")
