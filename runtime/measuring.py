"""One variant on one engine, through every gate that its arithmetic has to pass (DESIGN.md section 5)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from subpixel.choice import Candidate, Wish
from subpixel.engines.base import Receipt, Request
from subpixel.engines.table import engine_row
from subpixel.errors import SubpixelError
from subpixel.feeding import Step, as_fed, clip_by, frames_as_fed, still_by
from subpixel.gate_images import gate_frames, parity_frames
from subpixel.manifest import sha256
from subpixel.model import Model
from subpixel.quality import gate_measure as gates
from subpixel.quality.flicker import clip_flicker, each
from subpixel.quality.gate_measure import Figure, Frame, Plane, Upscale, UpscaleClip
from subpixel.quality.gates import Verdict
from subpixel.spec import Colour, Kind, ModelSpec

GATE_SET = "the gate set"
TIMED_SIZE = (360, 640)
TIMED_RUNS = 5
TILE_INNER_PX = 24


@dataclass(frozen=True)
class Reference:
    """What variants are measured against: fp32, free size, float in and out; ``name`` goes into the evidence.

    ``upscale`` takes stills in the model's form (``subpixel.feeding``), ``clip`` a clip of pictures; without it each
    picture is enlarged by itself.
    """

    name: str
    upscale: Upscale
    clip: UpscaleClip | None = None


def reference_by(step: Step, model: ModelSpec, name: str) -> Reference:
    """A reference from one function, which carries the states of a recurrent model."""
    return Reference(name, remembered(still_by(step, model)), clip_by(step, model))


@dataclass(frozen=True)
class ImageSet:
    """Images with their HR; the loss of int8 is judged on each set."""

    name: str
    frames: tuple[Frame, ...]


@dataclass(frozen=True)
class Run:
    """What was found. ``figures`` and ``verdicts`` name the worst image; ``ms``: median of a 640x360 frame, here."""

    receipt: Receipt
    verdicts: tuple[Verdict, ...]
    max_abs: float
    psnr_db: float
    loss_db: float
    bias_levels: float
    ms: float
    figures: Mapping[str, float]
    notes: tuple[str, ...] = ()


def gate_set(scale: int, colour: Colour = "y") -> ImageSet:
    """The images that come with the package."""
    return ImageSet(GATE_SET, gate_frames(scale, colour))


def onnx_reference(candidate: Candidate) -> Reference:
    """The bundle's own fp32 ONNX by ONNX Runtime: for models whose torch net isn't at hand."""
    model = Model(candidate, Wish())
    name = f"{candidate.variant.id} by {model.receipt.engine} {model.receipt.version}"
    return reference_by(stepper(model, "float"), model.spec, name)


def reference_candidate(candidate: Candidate) -> Candidate:
    """The reference variant of a candidate's bundle, in fp32 by ONNX Runtime."""
    bundle = candidate.bundle
    return Candidate(engine_row("onnxruntime"), bundle, bundle.reference, Request(precision="fp32"))


def remembered(upscale: Upscale) -> Upscale:
    """The same function, each frame computed once: several gates look at the same frames."""
    known: dict[str, Plane] = {}

    def recall(plane: Plane) -> Plane:
        key = f"{plane.shape} {sha256(plane.tobytes())}"
        if key not in known:
            known[key] = upscale(plane)
        return known[key]

    return recall


def measure(candidate: Candidate, reference: Reference, sets: Sequence[ImageSet]) -> Run:
    """Open the candidate and measure it; the first of ``sets`` gives the figures.

    Raises ``EngineError`` when it can't be opened here; when it opens and then fails, that is a failed gate.
    """
    with Model(candidate, Wish()) as model:
        step = stepper(model, candidate.variant.kind)
        once, fed = remembered(still_by(step, model.spec)), tuple(_set_as_fed(images, model.spec) for images in sets)
        try:
            return _Measurement(
                model, candidate, reference, fed, once, clip_by(step, model.spec), sets[0].frames[0]
            ).run()
        except (SubpixelError, ValueError) as fault:
            return _broken(model.receipt, str(fault))


def _broken(receipt: Receipt, fault: str) -> Run:
    """It opened and did not run, or gave another size."""
    nan = float("nan")
    verdict = Verdict("runs at every size", nan, 0.0, "", fault)
    return Run(receipt, (verdict,), nan, nan, nan, nan, nan, {})


def _set_as_fed(images: ImageSet, model: ModelSpec) -> ImageSet:
    return ImageSet(images.name, tuple(frames_as_fed(images.frames, model)))


def stepper(model: Model, kind: Kind) -> Step:
    """An open model as the gates take it: the u8 kind through 8 bit, the others in float."""

    def step(planes: Plane, starts_clip: bool) -> Plane:
        if starts_clip:
            model.reset()
        if kind != "u8":
            return model.upscale_planes(planes)
        levels: NDArray[np.uint8] = np.rint(planes * np.float32(255)).astype(np.uint8)
        return model.upscale_planes(levels).astype(np.float32) / np.float32(255)

    return step


@dataclass(frozen=True)
class _Measurement:
    """One open model and what it is held against; ``upscale``: the model, each frame computed once; ``clip``: it plays.

    ``sets`` are in the model's form, ``still`` is a picture as it was.
    """

    model: Model
    candidate: Candidate
    reference: Reference
    sets: Sequence[ImageSet]
    upscale: Upscale
    clip: UpscaleClip
    still: Frame

    def run(self) -> Run:
        found = self._distances()
        db = gates.fidelity_db(self.upscale, self.wanted, self._frames)
        loss = gates.loss_db(self.upscale, self.wanted, self._frames, self.spec.scale)
        bias = gates.bias_levels(self.upscale, self.wanted, self._frames)
        verdicts = (*self._own_gates(found), *self._tiled(), *self._flicker())
        return Run(
            receipt=self.model.receipt,
            verdicts=verdicts,
            max_abs=gates.largest(found).value,
            psnr_db=gates.smallest(db).value,
            loss_db=float(np.mean([f.value for f in loss])),
            bias_levels=max((f.value for f in bias), key=abs),
            ms=median_ms(self.model),
            figures=dict(_named(found, "max_abs") | _named(db, "psnr_db") | _named(loss, "loss_db")),
            notes=self._notes(),
        )

    @property
    def spec(self) -> ModelSpec:
        return self.model.spec

    @property
    def kind(self) -> Kind:
        return self.candidate.variant.kind

    @property
    def wanted(self) -> Upscale:
        return self.reference.upscale

    @property
    def _frames(self) -> tuple[Frame, ...]:
        return self.sets[0].frames

    def _distances(self) -> list[Figure]:
        fixed = self.candidate.variant.shapes or (0, 0)
        return gates.max_abs(self.upscale, self.wanted, self._parity(fixed, self.kind == "u8"), self.kind == "u8")

    def _parity(self, fixed: tuple[int, int], eight_bit: bool) -> list[Frame]:
        frames = parity_frames(self.spec.scale, fixed, eight_bit, self.spec.colour)
        return frames_as_fed(frames, self.spec, eight_bit)

    def _own_gates(self, found: list[Figure]) -> Iterator[Verdict]:
        """Those of the arithmetic that ran, whatever the variant's name says."""
        precision = self.model.receipt.precision
        if precision == "fp32":
            yield gates.parity(found, self.kind == "u8")
        elif precision == "int8":
            yield from self._int8_gates()
        else:
            fixed = self.candidate.variant.shapes or (0, 0)
            frames = [*self._parity(fixed, True), *self._frames]
            yield gates.half_precision(gates.fidelity_db(self.upscale, self.wanted, frames), precision)

    def _int8_gates(self) -> Iterator[Verdict]:
        for images in self.sets:
            loss = gates.loss_db(self.upscale, self.wanted, images.frames, self.spec.scale)
            yield gates.int8_loss(loss, images.name)
        everything = [frame for images in self.sets for frame in images.frames]
        yield gates.int8_bias(gates.bias_levels(self.upscale, self.wanted, everything))
        form = partial(as_fed, model=self.spec)
        flat = gates.flat_levels(self.upscale, self.wanted, self.spec.scale, self.spec.radius_px, form)
        yield gates.int8_flat(flat)

    def _tiled(self) -> Iterator[Verdict]:
        """Not for fixed sizes, which always run in tiles, and not for models that never do."""
        if self.candidate.variant.shapes is None and self.spec.can_tile:
            yield gates.tiled(self.upscale, self._in_tiles, self._frames[:1])

    def _in_tiles(self, plane: Plane) -> Plane:
        self.model.tile_px = 2 * (self.spec.radius_px or 0) + TILE_INNER_PX * self.spec.size_multiple
        try:
            return still_by(stepper(self.model, self.kind), self.spec)(plane)
        finally:
            self.model.tile_px = None

    def _flicker(self) -> Iterator[Verdict]:
        """fp32 is what the others are held against."""
        if self.model.receipt.precision != "fp32":
            yield clip_flicker(self.clip, self.reference.clip or each(self.wanted), self.still)

    def _notes(self) -> tuple[str, ...]:
        return tuple(self._remarks())

    def _remarks(self) -> Iterator[str]:
        if self.spec.window > 1:
            yield f"each window: {self.spec.window} frames of one picture, moved by parts of a pixel"
        if self.spec.states:
            yield "states: zeros for every picture, carried on for flicker"
        if self.candidate.variant.shapes is not None:
            height, width = self.candidate.variant.shapes
            yield f"takes {width}x{height} only: larger frames were measured in tiles"


def _named(figures: Sequence[Figure], unit: str) -> dict[str, float]:
    """For the evidence; what JSON has no number for is left out."""
    return {f"{f.name} {unit}": float(f"{f.value:.6g}") for f in figures if np.isfinite(f.value)}


def median_ms(model: Model, clock: Callable[[], float] = time.perf_counter) -> float:
    """Of a few 8-bit frames (or windows) of 640x360 through the model, the first one not counted."""
    frame = np.random.default_rng(0).integers(16, 236, (model.spec.planes, *TIMED_SIZE), dtype=np.uint8)
    times = []
    for _ in range(TIMED_RUNS + 1):
        started = clock()
        model.upscale_planes(frame)
        times.append((clock() - started) * 1000)
    return float(np.median(times[1:]))
