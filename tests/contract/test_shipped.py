"""Every variant that comes with the package, by the engine made for it: what the bundle says of it is what runs."""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from subpixel.bundle import Bundle
from subpixel.catalogue import find, shipped_names
from subpixel.choice import Candidate
from subpixel.engines.base import Precision, Request
from subpixel.engines.table import ENGINES, EngineRow
from subpixel.errors import DeviceError
from subpixel.evidence import is_trusted
from subpixel.frames import from_tensor, to_tensor
from subpixel.quality.metrics import psnr_db
from subpixel.spec import Array, Variant

LEAST_DB = {"fp32": 58.0, "fp16": 50.0, "bf16": 50.0, "int8": 40.0}  # against fp32; 58.9 dB is rounding to 8 bit alone
AUTO: Precision = "auto"
ROWS = [row for row in ENGINES if not {"procedure", "classical"} & set(row.targets)]  # a procedure is in no file
COMPLETE = "espcn-"  # has a variant for every engine
SIZE = (90, 120)
SMALL = (8, 10)  # on a board, which may be emulated (100 million operations a second): VDSR costs 30 times ESPCN


def picture(height: int, width: int) -> Array:
    """Soft blobs with some noise, as luma levels ``[1, H, W]``."""
    y, x = np.mgrid[:height, :width]
    waves = 128 + 60 * np.sin(x / 9.0) * np.cos(y / 7.0) + 30 * np.sin((x + 2 * y) / 23.0)
    noisy = waves + np.random.default_rng(3).normal(0, 2, waves.shape)
    levels: Array = np.clip(np.rint(noisy), 16, 235).astype(np.uint8)[None]
    return levels


def enlarged(row: EngineRow, bundle: Bundle, variant: Variant, precision: Precision) -> tuple[Any, str]:
    device = "cuda:0" if row.name == "tensorrt" else "cpu"
    engine = Candidate(row, bundle, variant, Request(device, precision=precision)).open()
    try:
        small = platform.machine() == "aarch64" and not bundle.spec.name.startswith(COMPLETE)
        still = picture(*(SMALL if small else SIZE))
        levels = np.repeat(still, bundle.spec.planes, axis=0)  # a grey picture, a clip that stands still
        results = engine.run({"lr": to_tensor(levels, variant.inputs[0])})
        planes = from_tensor(results["sr"], variant.outputs[0], np.float32)
        return np.clip(planes, 0, 1), engine.receipt.precision
    finally:
        engine.close()


@pytest.mark.parametrize("name", shipped_names())
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_shipped_variants_give_what_their_reference_gives(
    row: EngineRow, name: str, require: Callable[[str], None]
) -> None:
    require(row.name)
    bundle = find(name)
    fitting = [v for v in bundle.manifest.variants if v.target == row.targets[0] and usable(bundle, v)]
    if not fitting and not name.startswith(COMPLETE):
        pytest.skip(f"{name} has no file of its own for {row.name}")
    assert fitting, f"{name} has nothing for {row.name}"
    reference, _ = enlarged(next(r for r in ENGINES if r.name == "onnxruntime"), bundle, bundle.reference, "fp32")
    for variant in fitting:
        for precision in (cast(Precision, variant.precision), AUTO):
            try:
                found, ran = enlarged(row, bundle, variant, precision)
            except DeviceError as fault:
                pytest.skip(f"{variant.id}: {fault}")
            assert ran == variant.precision or precision == AUTO
            assert psnr_db(found, reference) >= LEAST_DB[ran], f"{variant.id} in {ran}"


def usable(bundle: Bundle, variant: Variant) -> bool:
    """Those that passed, and TensorRT's, which are parsed and built only; one that failed says so in its evidence."""
    return is_trusted(bundle, variant) or variant.target == "tensorrt"
