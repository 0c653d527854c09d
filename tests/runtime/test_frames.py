"""Planes to tensors and back, for every kind, layout and quantisation."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from subpixel.errors import BundleError
from subpixel.frames import from_tensor, held_in, to_tensor
from subpixel.spec import KINDS, Kind, Quantisation, TensorSpec, luma_frame

QUANTISED = {
    "int8": Quantisation(1 / 255, -128),
    "int16": Quantisation(1 / 32767, 0),
}
LEVELS = np.arange(256, dtype=np.uint8).reshape(1, 8, 32)


def spec_of(kind: Kind, axes: str, dtype: str = "int8") -> TensorSpec:
    if kind != "quantised":
        return luma_frame("lr", kind, axes)
    return TensorSpec("lr", dtype, axes, 0.0, 1.0, quantisation=QUANTISED[dtype])


SPECS = [spec_of(kind, axes) for kind, axes in itertools.product(KINDS, ("NCHW", "NHWC"))] + [
    spec_of("quantised", "NHWC", "int16"),
    TensorSpec("lr", "float16", "NCHW", 0.0, 1.0),
    TensorSpec("lr", "float32", "NCHW", -1.0, 1.0),
    TensorSpec("lr", "float32", "NHWC", 0.0, 255.0),
    TensorSpec("lr", "float32", "CHWN", 0.0, 1.0),
]  # fmt: skip
IDS = [f"{s.dtype} {s.axes} {s.low:g}..{s.high:g}" for s in SPECS]


@pytest.mark.parametrize("spec", SPECS, ids=IDS)
def test_every_level_survives_there_and_back(spec: TensorSpec) -> None:
    tensor = to_tensor(LEVELS, spec)
    assert tensor.dtype == spec.dtype
    assert tensor.flags.c_contiguous
    assert dict(zip(spec.axes, tensor.shape, strict=True)) == {"N": 1, "C": 1, "H": 8, "W": 32}
    assert np.array_equal(from_tensor(tensor, spec, np.uint8), LEVELS)


@pytest.mark.parametrize("spec", SPECS, ids=IDS)
def test_floats_survive_as_fine_as_the_tensor_is(spec: TensorSpec) -> None:
    real = LEVELS.astype(np.float32) / np.float32(255)
    step = {"float32": 1e-6, "float16": 1e-3, "uint8": 1 / 500, "int8": 1 / 500, "int16": 1 / 60000}[spec.dtype]
    back = from_tensor(to_tensor(real, spec), spec, np.float32)
    assert back.dtype == np.float32
    assert np.abs(back - real).max() <= step


@pytest.mark.parametrize("spec", SPECS, ids=IDS)
def test_black_and_white_are_where_the_contract_says(spec: TensorSpec) -> None:
    ends = to_tensor(np.array([[[0, 255]]], np.uint8), spec).astype(np.float64).ravel()
    if spec.quantisation is not None:
        ends = (ends - spec.quantisation.zero_point) * spec.quantisation.scale
    assert ends.tolist() == pytest.approx([spec.low, spec.high], abs=1e-6)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_colours_keep_their_place_in_every_layout(height: int, width: int, seed: int) -> None:
    planes = np.random.default_rng(seed).integers(0, 256, (3, height, width), dtype=np.uint8)
    for axes in ("NCHW", "NHWC"):
        spec = TensorSpec("lr", "uint8", axes, 0, 255, "rgb")
        tensor = to_tensor(planes, spec)
        assert np.array_equal(tensor[0, 1] if axes == "NCHW" else tensor[0, :, :, 1], planes[1])
        assert np.array_equal(from_tensor(tensor, spec, np.uint8), planes)


def test_a_tensor_that_fits_already_is_not_copied() -> None:
    assert np.shares_memory(to_tensor(LEVELS, luma_frame("lr", "u8")), LEVELS)
    assert np.shares_memory(from_tensor(LEVELS[None], luma_frame("sr", "u8"), np.uint8), LEVELS)


@pytest.mark.parametrize("kind", ["float", "quantised"])
def test_results_beyond_the_range_are_clipped_and_rounded(kind: Kind) -> None:
    spec = spec_of("float", "NCHW")
    beyond: NDArray[np.float32] = np.array([-0.3, 0.0, 0.4998, 0.5, 1.0, 1.7], np.float32).reshape(1, 1, 1, 6)
    assert from_tensor(beyond, spec, np.uint8).ravel().tolist() == [0, 0, 127, 128, 255, 255]
    stored = to_tensor(beyond[0], spec_of("quantised", "NCHW"))
    assert (stored.min(), stored.max()) == (-128, 127)


@pytest.mark.parametrize("axes", ["NTCHW", "NC", "NHW", "NCHT"])
def test_axes_that_an_image_has_not_are_refused(axes: str) -> None:
    with pytest.raises(BundleError, match=axes):
        to_tensor(LEVELS, TensorSpec("lr", "float32", axes, 0.0, 1.0))


@pytest.mark.parametrize("axes", ["NCHW", "NHWC"])
def test_planes_that_are_stored_as_the_tensor_is_are_the_tensor(axes: str) -> None:
    for kind, planes in (("u8", LEVELS.copy()), ("float", LEVELS / np.float32(255))):
        spec = luma_frame("sr", kind, axes)  # type: ignore[arg-type]
        tensor = held_in(planes, spec)
        assert tensor is not None and np.shares_memory(tensor, planes) and tensor.flags.c_contiguous
        assert np.array_equal(from_tensor(tensor, spec, planes.dtype.type), planes)


@pytest.mark.parametrize("spec", SPECS, ids=IDS)
def test_planes_that_are_stored_otherwise_are_not(spec: TensorSpec) -> None:
    planes = LEVELS.copy() if spec.dtype != "uint8" else LEVELS / np.float32(255)
    assert held_in(planes, spec) is None
