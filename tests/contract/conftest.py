"""The subjects of the contract suite: every row of the engine table, every target and kind that it takes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from subpixel.bundle import Bundle
from subpixel.catalogue import bicubic_bundle, find
from subpixel.choice import Candidate
from subpixel.engines.base import Engine, Request
from subpixel.engines.table import ENGINES, EngineRow, engine_row
from subpixel.errors import DeviceError
from subpixel.frames import from_tensor, to_tensor
from subpixel.quality.resize import upscale
from subpixel.spec import Array, Arrays, ModelSpec, Variant

Planes = NDArray[np.float32]
Expected = Callable[[Planes], Planes]


@dataclass(frozen=True)
class Subject:
    """A row of the table with one variant it must run; ``device``: where it runs here."""

    row: EngineRow
    bundle: Bundle
    variant: Variant
    expected: Expected
    device: str = "cpu"

    @property
    def spec(self) -> ModelSpec:
        return self.bundle.spec

    def candidate(self, **request: Any) -> Candidate:
        return Candidate(self.row, self.bundle, self.variant, Request(**{"device": self.device, **request}))

    @contextlib.contextmanager
    def opened(self, **request: Any) -> Iterator[Engine]:
        engine = self.candidate(**request).open()
        try:
            yield engine
        finally:
            engine.close()

    def inputs(self, height: int, width: int, batch: int = 1) -> Arrays:
        """Seeded noise of a size, as the variant takes it."""
        given = self.variant.inputs[0]
        levels = np.random.default_rng((height, width)).integers(0, 256, (batch, 1, height, width), np.uint8)
        return {given.name: np.concatenate([to_tensor(frame, given) for frame in levels])}

    def outputs(self, inputs: Arrays) -> Arrays:
        """Arrays of the right size and type for the results, full of sevens."""
        wanted, scale = self.variant.outputs[0], self.spec.scale
        sizes = zip(wanted.axes, next(iter(inputs.values())).shape, strict=True)
        shape = [size * (scale if axis in "HW" else 1) for axis, size in sizes]
        return {wanted.name: np.full(shape, 7, wanted.dtype)}

    def error(self, inputs: Arrays, results: Arrays) -> float:
        """The largest difference from what was expected: of full scale, or levels for the 8-bit kind."""
        given, wanted = self.variant.inputs[0], self.variant.outputs[0]
        found = [from_tensor(frame[None], wanted, np.float32) for frame in results[wanted.name]]
        planes = np.stack([from_tensor(frame[None], given, np.float32) for frame in inputs[given.name]])
        needed: Array = self.expected(planes.astype(np.float32))
        if wanted.dtype != "uint8":
            return float(np.abs(np.stack(found) - needed).max())
        levels = np.rint(np.clip(needed, 0, 1) * 255)
        return float(np.abs(np.stack(found) * 255 - levels).max())


CASES = [(row.name, target, kind) for row in ENGINES for target in row.targets for kind in ("float", "u8")]


@pytest.fixture(params=CASES, ids="-".join)
def subject(request: pytest.FixtureRequest, require: Callable[[str], None]) -> Subject:
    name, target, kind = request.param
    require(name)
    if name == "tensorrt":
        skip_without_gpu()
    built_in = {"procedure": (bicubic_bundle(3), bicubic), "classical": (find("lanczos-x3"), lanczos)}
    bundle, expected = built_in[target] if target in built_in else exported(request)
    fitting = [v for v in bundle.manifest.variants if (v.target, v.precision, v.kind) == (target, "fp32", kind)]
    if not fitting:
        pytest.skip(f"no {kind} variant for {target}: its converter is not installed")
    return Subject(engine_row(name), bundle, fitting[0], expected, "cuda:0" if name == "tensorrt" else "cpu")


def exported(request: pytest.FixtureRequest) -> tuple[Bundle, Expected]:
    """The bundle with every target and what it must give; made when the first engine needs it."""
    return request.getfixturevalue("full_bundle"), request.getfixturevalue("expected")


def skip_without_gpu() -> None:
    from subpixel.engines.trt_cuda import cuda

    try:
        cuda()
    except DeviceError as fault:
        pytest.skip(str(fault))


def bicubic(planes: Planes) -> Planes:
    """Each plane enlarged three times, with channels last as the resize takes them."""
    return np.stack([upscale(np.moveaxis(frame, 0, -1), 3)[..., 0][None] for frame in planes])


def lanczos(planes: Planes) -> Planes:
    """Each plane enlarged three times by matrices of the kernel's values, the plane mirrored at its borders."""
    return np.stack([[lanczos_rows(lanczos_rows(frame[0]).T).T] for frame in planes])


def lanczos_rows(plane: Planes) -> Planes:
    length = len(plane)
    mirrored = np.pad(plane, ((3, 3), (0, 0)), mode="symmetric")
    distance = (np.arange(3 * length)[:, None] + 0.5) / 3 - 0.5 - np.arange(-3, length + 3)
    weight = np.where(np.abs(distance) < 3, np.sinc(distance) * np.sinc(distance / 3), 0)
    result: Planes = ((weight / weight.sum(axis=1, keepdims=True)) @ mirrored).astype(np.float32)
    return result
