"""Was anything lost? Every variant against torch, at sizes other than the one it was traced at, by our own engines.

A graph that says it is dynamic can still be specialised to the traced size: then it fails here, or is wrong here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from subpixel.bundle import Bundle
from subpixel.choice import Candidate
from subpixel.cpu import machine
from subpixel.engines.base import Engine, Precision, Request
from subpixel.engines.table import ENGINES, EngineRow
from subpixel.errors import BadInputError, EngineError, MissingPackageError, SubpixelError
from subpixel.evidence import Evidence
from subpixel.export.onnx import fitting
from subpixel.export.targets import Converted
from subpixel.frames import from_tensor, to_tensor
from subpixel.gate_images import GATE_SET, read_luma
from subpixel.quality.gates import HALF_MIN_DB, PARITY_MAX_ABS, PARITY_U8_LEVELS, Verdict
from subpixel.quality.metrics import psnr_db
from subpixel.spec import Array, ModelSpec, Variant

UNLIKE_EXPORT = ((5, 3), (31, 53), (32, 64), (96, 48), (71, 113))  # height and width; none is the traced size
SEED = 1609
PLAIN = "parity"
CARRIED = 4  # consecutive frames that a model with states enlarges in each case
STEP_PX = (1, 2)  # down and right: how far the picture moves from frame to frame

Planes = NDArray[np.float32]


class Reference(Protocol):
    """What a variant is compared with: planes ``[C, H, W]`` in [0, 1] to enlarged planes, float32, not clipped.

    Of a model with states: consecutive frames to the enlarged ones, the states carried from window to window.
    """

    name: str

    def __call__(self, planes: Planes) -> Planes: ...


class TorchReference:
    """The torch net itself, in fp32 on the CPU."""

    def __init__(self, net: nn.Module, spec: ModelSpec | None = None) -> None:
        self.name, self._net = f"torch {torch.__version__}", net.eval()
        self._window, self._states = (spec.window, spec.states) if spec else (1, ())

    def __call__(self, planes: Planes) -> Planes:
        frames = torch.from_numpy(planes[None])
        with torch.inference_mode():
            if not self._states:
                result: Planes = self._net(frames)[0].numpy()
                return result
            return self._carried(frames)

    def _carried(self, frames: torch.Tensor) -> Planes:
        states = [frames.new_zeros((1, state.channels, *frames.shape[2:])) for state in self._states]
        results = []
        for window in windows(frames, self._window, 1):
            sr, *states = self._net(window, *states)
            results.append(sr[0].numpy())
        return np.concatenate(results)


def windows(frames: Any, length: int, axis: int) -> list[Any]:
    """All runs of ``length`` consecutive frames along ``axis`` of an array or tensor."""
    before = (slice(None),) * axis
    return [frames[(*before, slice(at, at + length))] for at in range(frames.shape[axis] - length + 1)]


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
    """One frame to compare on: ``planes`` ``[C, H, W]`` in [0, 1], levels of 8 bit for the `u8` kind.

    For a video model a window of frames ``[T, H, W]``; with states, as many frames as ``CARRIED`` windows have.
    """

    name: str
    planes: Planes


Truth = Sequence[tuple[Case, Planes]]  # each case with what the reference makes of it


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


def cases(spec: ModelSpec, eight_bit: bool, sizes: Sequence[tuple[int, int]] = UNLIKE_EXPORT) -> Iterator[Case]:
    """Seeded noise and a piece of a real picture at each size; ``sizes``: height and width."""
    for at, size in enumerate(sizes):
        height, width = (fitting(side, spec.size_multiple) for side in size)
        noise = np.random.default_rng((SEED, at)).random((compared_planes(spec), height, width), np.float32)
        picture = _piece(at, spec, height, width)
        for content, planes in (("noise", noise), ("picture", picture)):
            yield Case(f"{width}x{height} {content}", _on_levels(planes) if eight_bit else planes)


def compared_planes(spec: ModelSpec) -> int:
    """How many planes a case has."""
    return spec.planes + (CARRIED - 1 if spec.states else 0)


def layer_frame(spec: ModelSpec) -> NDArray[np.float32]:
    """One frame, or window, of noise ``[1, C, H, W]`` of an odd size, to compare layers on."""
    found = (case.planes[None, : spec.planes] for case in cases(spec, eight_bit=False))
    return next(planes for planes in found if planes.shape[2] > 30)


@cache
def _pictures() -> tuple[Planes, ...]:
    return tuple(read_luma(file).astype(np.float32) for file in sorted(GATE_SET.glob("*.webp")))


def _piece(at: int, spec: ModelSpec, height: int, width: int) -> Planes:
    """From the middle of a gate image. For a colour model one image a plane, so that planes can't be mixed up.

    For a video model one image that moves.
    """
    moves = spec.takes_windows
    count = compared_planes(spec)
    chosen = [_pictures()[(at + (0 if moves else plane)) % len(_pictures())] for plane in range(count)]
    steps = [(plane * STEP_PX[0], plane * STEP_PX[1]) if moves else (0, 0) for plane in range(count)]
    corners = [
        ((image.shape[0] - height) // 2 + down, (image.shape[1] - width) // 2 + right)
        for image, (down, right) in zip(chosen, steps, strict=True)
    ]
    return np.stack([_cut(i, top, left, height, width) for i, (top, left) in zip(chosen, corners, strict=True)])


def _cut(image: Planes, top: int, left: int, height: int, width: int) -> Planes:
    """A piece of the image, which begins again where it ends."""
    rows = image.take(range(top, top + height), axis=0, mode="wrap")
    return rows.take(range(left, left + width), axis=1, mode="wrap")


def _on_levels(planes: Planes) -> Planes:
    levels: Planes = np.rint(planes * np.float32(255)) / np.float32(255)
    return levels


def run_planes(engine: Engine, planes: Planes) -> Array:
    """One frame by an engine, or with states a clip: float32 planes, levels as uint8 for the `u8` kind."""
    engine.reset()
    spec = engine.spec
    length = spec.window if spec.states else len(planes)
    return np.concatenate([_run_one(engine, window) for window in windows(planes, length, 0)])


def _run_one(engine: Engine, planes: Planes) -> Array:
    given, wanted = engine.variant.inputs[0], engine.variant.outputs[0]
    results = engine.run({given.name: to_tensor(planes, given)})
    return np.array(from_tensor(results[wanted.name], wanted, np.uint8 if wanted.dtype == "uint8" else np.float32))


def differences(engine: Engine, truth: Truth) -> tuple[Difference, ...]:
    """Each case by the engine and by the reference; a size that fails is a difference of NaN with the fault."""
    return tuple(_difference(engine, wanted, case) for case, wanted in truth)


def _difference(engine: Engine, wanted: Planes, case: Case) -> Difference:
    try:
        found = run_planes(engine, case.planes)
    except SubpixelError as fault:
        return _failed(case, str(fault))
    if found.shape != wanted.shape:
        return _failed(case, f"found shape {found.shape}, needed {wanted.shape}")
    if engine.variant.kind != "u8":
        return Difference(case.name, float(np.abs(found - wanted).max()), psnr_db(found, wanted))
    exact = np.clip(wanted * np.float32(255), 0, 255)
    levels = np.abs(found.astype(np.float64) - np.rint(exact)).max()
    return Difference(case.name, float(levels), psnr_db(found, exact, peak=255.0))


def _failed(case: Case, fault: str) -> Difference:
    return Difference(case.name, float("nan"), float("nan"), " ".join(fault.split()))


def evidence(bundle: Bundle, item: Converted, reference: Reference) -> Evidence:
    """Measure a variant in its own precision and, where the engine by itself computes in less, in that one too.

    An fp32 variant is held to the fp32 gate with the engine forced to fp32; fp16 and bf16 to the gate in dB.
    """
    variant, row = item.variant, row_for(item.stand_in or item.variant.target)
    sizes = UNLIKE_EXPORT if variant.shapes is None else (variant.shapes,)
    truth = [(case, reference(case.planes)) for case in cases(bundle.spec, variant.kind == "u8", sizes)]
    forced: Precision = "fp32" if variant.precision == "fp32" else "auto"
    found = measured(Candidate(row, bundle, variant, Request(precision=forced)), truth)
    result = _as_evidence(found, item, reference)
    own = Candidate(row, bundle, variant, Request())
    if variant.precision != "fp32" or precision_of(own) == "fp32":
        return result
    return _joined(result, measured(own, truth), variant)


@dataclass(frozen=True)
class Measured:
    """What an engine gave on all cases, and what it ran on."""

    engine: str
    version: str
    precision: str
    differences: tuple[Difference, ...]


def measured(candidate: Candidate, truth: Truth) -> Measured:
    """Open the candidate and compare it on every case; a file that the engine can't open fails every case."""
    try:
        with closing(candidate.open()) as engine:
            receipt = engine.receipt
            return Measured(receipt.engine, receipt.version, receipt.precision, differences(engine, truth))
    except MissingPackageError:
        raise
    except EngineError as fault:
        failed = tuple(_failed(case, str(fault)) for case, _ in truth)
        return Measured(candidate.row.name, "", candidate.variant.precision, failed)


def precision_of(candidate: Candidate) -> str:
    """The arithmetic that the engine says it takes, once it is open; the variant's own if it can't be opened."""
    try:
        with closing(candidate.open()) as engine:
            return engine.receipt.precision
    except EngineError:
        return candidate.variant.precision


def _as_evidence(found: Measured, item: Converted, reference: Reference) -> Evidence:
    return Evidence(
        variant=item.variant.id,
        sha256=item.variant.file.sha256,
        verdicts=(verdict(found, item.variant, PLAIN),),
        status=item.status,
        engine=found.engine,
        engine_version=found.version,
        machine=machine(),
        reference=reference.name,
        figures=figures(found.differences),
        notes=item.notes + faults(found.differences),
    )


def _joined(result: Evidence, own: Measured, variant: Variant) -> Evidence:
    """With a second verdict: the arithmetic that the engine takes when nobody asks for another."""
    precision = own.precision
    return replace(
        result,
        verdicts=(*result.verdicts, verdict(own, variant, f"{PLAIN} in {precision}, the engine's own choice")),
        figures={**result.figures, **figures(own.differences, f"{precision} ")},
        notes=result.notes + faults(own.differences),
    )


def verdict(measured: Measured, variant: Variant, gate: str) -> Verdict:
    """The worst case against the gate of the precision that ran."""
    found = measured.differences
    if measured.precision != "fp32":
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
