"""Was anything lost? Every variant against torch, at sizes other than the one it was traced at, by our own engines.

A graph that says it is dynamic can still be specialised to the traced size: then it fails here, or is wrong here.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

import subpixel
from subpixel.bundle import Bundle
from subpixel.choice import Candidate
from subpixel.engines.base import Engine, Precision, Receipt, Request
from subpixel.engines.table import ENGINES, EngineRow
from subpixel.errors import BadInputError, SubpixelError
from subpixel.evidence import Evidence
from subpixel.export.targets import Converted
from subpixel.frames import from_tensor, to_tensor
from subpixel.quality.colour import luma
from subpixel.quality.gates import HALF_MIN_DB, PARITY_MAX_ABS, PARITY_U8_LEVELS, Verdict
from subpixel.quality.metrics import psnr_db
from subpixel.spec import Array, ModelSpec, Variant
from subpixel.tune import cpu_model

UNLIKE_EXPORT = ((5, 3), (31, 53), (32, 64), (96, 48), (71, 113))  # height and width; none is the traced size
SEED = 1609
GATE_SET = Path(subpixel.__file__).parent / "gate_set"
PLAIN = "parity"

Planes = NDArray[np.float32]


class Reference(Protocol):
    """What a variant is compared with: planes ``[C, H, W]`` in [0, 1] to enlarged planes, float32, not clipped."""

    name: str

    def __call__(self, planes: Planes) -> Planes: ...


class TorchReference:
    """The torch net itself, in fp32 on the CPU."""

    def __init__(self, net: nn.Module) -> None:
        self.name, self._net = f"torch {torch.__version__}", net.eval()

    def __call__(self, planes: Planes) -> Planes:
        with torch.inference_mode():
            result: Planes = self._net(torch.from_numpy(planes[None]))[0].numpy()
        return result


class OnnxReference:
    """The bundle's fp32 ONNX by ONNX Runtime: for models whose torch net isn't at hand."""

    def __init__(self, bundle: Bundle) -> None:
        self.name = "onnx-fp32"
        self._engine = Candidate(row_for("onnx"), bundle, bundle.reference, Request(precision="fp32")).open()

    def __call__(self, planes: Planes) -> Planes:
        result: Planes = run_planes(self._engine, planes).astype(np.float32)
        return result


@dataclass(frozen=True)
class Case:
    """One frame to compare on: ``planes`` ``[C, H, W]`` in [0, 1], levels of 8 bit for the `u8` kind."""

    name: str
    planes: Planes


@dataclass(frozen=True)
class Difference:
    """How far a variant is from its reference on one case. ``max_abs``: of full scale, in levels for the `u8` kind."""

    case: str
    max_abs: float
    psnr_db: float
    fault: str = ""


def row_for(target: str) -> EngineRow:
    """The engine made for a target: the one that takes it first. Raises ``BadInputError``."""
    for row in ENGINES:
        if row.targets[0] == target:
            return row
    raise BadInputError(f"no engine runs {target!r} variants first")


def cases(spec: ModelSpec, eight_bit: bool) -> Iterator[Case]:
    """Seeded noise and a piece of a real picture at each size."""
    pictures = sorted(GATE_SET.glob("*.webp"))
    for at, size in enumerate(UNLIKE_EXPORT):
        height, width = (-(-side // spec.size_multiple) * spec.size_multiple for side in size)
        noise = np.random.default_rng((SEED, at)).random((_channels(spec), height, width), np.float32)
        picture = _piece(pictures[at % len(pictures)], spec, height, width)
        for content, planes in (("noise", noise), ("picture", picture)):
            yield Case(f"{width}x{height} {content}", _on_levels(planes) if eight_bit else planes)


def layer_frame(spec: ModelSpec) -> NDArray[np.float32]:
    """One frame of noise ``[1, C, H, W]`` of an odd size, to compare layers on."""
    return next(case.planes[None] for case in cases(spec, eight_bit=False) if case.planes.shape[1] > 30)


def _channels(spec: ModelSpec) -> int:
    return 1 if spec.colour == "y" else 3


def _piece(file: Path, spec: ModelSpec, height: int, width: int) -> Planes:
    """From the middle of a gate image."""
    with Image.open(file) as opened:
        image = np.asarray(opened.convert("RGB"))
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    cut = image[top : top + height, left : left + width]
    planes = luma(cut)[None] if spec.colour == "y" else np.transpose(cut, (2, 0, 1)) / 255.0
    return planes.astype(np.float32)


def _on_levels(planes: Planes) -> Planes:
    levels: Planes = np.rint(planes * np.float32(255)) / np.float32(255)
    return levels


def run_planes(engine: Engine, planes: Planes) -> Array:
    """One frame by an engine: float32 planes, levels as uint8 for the `u8` kind."""
    given, wanted = engine.variant.inputs[0], engine.variant.outputs[0]
    results = engine.run({given.name: to_tensor(planes, given)})
    return np.array(from_tensor(results[wanted.name], wanted, np.uint8 if wanted.dtype == "uint8" else np.float32))


def differences(engine: Engine, reference: Reference) -> list[Difference]:
    """Each case by the engine and by the reference; a size that fails is a difference of NaN with the fault."""
    eight_bit = engine.variant.kind == "u8"
    return [_difference(engine, reference(case.planes), case, eight_bit) for case in cases(engine.spec, eight_bit)]


def _difference(engine: Engine, wanted: Planes, case: Case, eight_bit: bool) -> Difference:
    try:
        found = run_planes(engine, case.planes)
    except SubpixelError as fault:
        return Difference(case.name, float("nan"), float("nan"), str(fault))
    if found.shape != wanted.shape:
        return Difference(case.name, float("nan"), float("nan"), f"found shape {found.shape}, needed {wanted.shape}")
    if not eight_bit:
        return Difference(case.name, float(np.abs(found - wanted).max()), psnr_db(found, wanted))
    exact = np.clip(wanted * np.float32(255), 0, 255)
    levels = np.abs(found.astype(np.float64) - np.rint(exact)).max()
    return Difference(case.name, float(levels), psnr_db(found, exact, peak=255.0))


def evidence(bundle: Bundle, item: Converted, reference: Reference) -> Evidence:
    """Measure a variant in its own precision and, where the engine by itself computes in less, in that one too.

    An fp32 variant is held to the fp32 gate with the engine forced to fp32; fp16 and bf16 to the gate in dB.
    """
    variant, row = item.variant, row_for(item.stand_in or item.variant.target)
    forced: Precision = "fp32" if variant.precision == "fp32" else "auto"
    found = measured(Candidate(row, bundle, variant, Request(precision=forced)), reference)
    result = _as_evidence(found, item, reference)
    if variant.precision != "fp32":
        return result
    own = measured(Candidate(row, bundle, variant, Request()), reference)
    return result if own.receipt.precision == "fp32" else _joined(result, own, variant)


@dataclass(frozen=True)
class Measured:
    """What an engine gave on all cases, and what it ran on."""

    receipt: Receipt
    differences: tuple[Difference, ...]


def measured(candidate: Candidate, reference: Reference) -> Measured:
    """Open the candidate and compare it on every case."""
    engine = candidate.open()
    try:
        return Measured(engine.receipt, tuple(differences(engine, reference)))
    finally:
        engine.close()


def _as_evidence(found: Measured, item: Converted, reference: Reference) -> Evidence:
    return Evidence(
        variant=item.variant.id,
        sha256=item.variant.file.sha256,
        verdicts=(verdict(found, item.variant, PLAIN),),
        status=item.status,
        engine=found.receipt.engine,
        engine_version=found.receipt.version,
        machine=machine(),
        reference=reference.name,
        figures=figures(found.differences),
        notes=item.notes + faults(found.differences),
    )


def _joined(result: Evidence, own: Measured, variant: Variant) -> Evidence:
    """With a second verdict: the arithmetic that the engine takes when nobody asks for another."""
    precision = own.receipt.precision
    return replace(
        result,
        verdicts=(*result.verdicts, verdict(own, variant, f"{PLAIN} in {precision}, the engine's own choice")),
        figures={**result.figures, **figures(own.differences, f"{precision} ")},
        notes=result.notes + faults(own.differences),
    )


def verdict(measured: Measured, variant: Variant, gate: str) -> Verdict:
    """The worst case against the gate of the precision that ran."""
    found = measured.differences
    if measured.receipt.precision != "fp32":
        worst = min(found, key=lambda d: _nan_as(d.psnr_db, -np.inf))
        return Verdict(gate, worst.psnr_db, HALF_MIN_DB, "dB", worst.case, at_least=True)
    worst = max(found, key=lambda d: _nan_as(d.max_abs, np.inf))
    limit, unit = (PARITY_U8_LEVELS, "levels") if variant.kind == "u8" else (PARITY_MAX_ABS, "of full scale")
    return Verdict(gate, worst.max_abs, limit, unit, worst.case)


def _nan_as(figure: float, instead: float) -> float:
    return instead if np.isnan(figure) else figure


def figures(found: Sequence[Difference], mark: str = "") -> dict[str, float]:
    """Each case's figures by name; an infinite PSNR (equal) is left out, JSON has no such number."""
    pairs = [(f"{mark}{d.case} {name}", getattr(d, name)) for d in found for name in ("max_abs", "psnr_db")]
    return {name: float(f"{figure:.6g}") for name, figure in pairs if np.isfinite(figure)}


def faults(found: Sequence[Difference]) -> tuple[str, ...]:
    """The cases that gave an error instead of pixels, with its words."""
    return tuple(f"{d.case}: {d.fault}" for d in found if d.fault)


def machine() -> str:
    """The processor that measured."""
    return f"{cpu_model()} ({platform.machine()})"
