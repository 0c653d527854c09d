"""Which variant, by which engine: the candidates of a bundle on this machine, in the order to try."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from subpixel.bundle import Bundle
from subpixel.catalogue import bicubic_bundle
from subpixel.engines.base import Engine, Precision, Request, usable_cores
from subpixel.engines.checked import CheckedEngine
from subpixel.engines.table import ENGINES, EngineRow, engine_row
from subpixel.errors import BundleError, EngineError, faults_as, missing_package
from subpixel.evidence import evidence_of, is_trusted
from subpixel.quality.gates import all_passed
from subpixel.spec import Kind, ModelSpec, Variant
from subpixel.tiles import band_rows

MOST_STREAMS = 4  # each has a frame in memory
BUILT = "parsed and built"
KIND_ORDER: tuple[Kind, ...] = ("u8", "quantised", "float")


@dataclass(frozen=True)
class Wish:
    """What the caller asks for; ``None`` or ``auto`` leaves it open. ``variant``: the id of one, passed or not.

    ``frame_size``: the height and width to expect; ``streams``: how many frames will be under way at once, 0: as many
    as is fastest.
    """

    engine: str | None = None
    device: str = "cpu"
    precision: Precision = "auto"
    threads: int = 0
    variant: str | None = None
    fallback: Literal["cpu"] | None = None
    frame_size: tuple[int, int] = (360, 640)
    streams: int = 1

    def request(self, spec: ModelSpec) -> Request:
        """The part that the engine of such a model needs."""
        size = working_size(self.frame_size, spec)
        return Request(self.device, self.threads, self.precision, self.fallback, size, max(self.streams, 1))


@dataclass(frozen=True)
class Candidate:
    """A variant and the engine to open it with; ``reason``: why it comes where it does."""

    row: EngineRow
    bundle: Bundle
    variant: Variant
    request: Request
    reason: str = ""

    def open(self) -> Engine:
        """Open it, wrapped in the checks. Raises ``EngineError`` and its children."""
        factory, spec = self.row.load(), self.bundle.spec
        with faults_as(EngineError, f"{self.row.name} can't open {spec.name} ({self.variant.id})"):
            return CheckedEngine(factory(self.bundle.blobs(self.variant), self.variant, spec, self.request))


def candidates(bundle: Bundle, wish: Wish) -> list[Candidate]:
    """All that fit the wish, the first to be taken when nothing was measured; int8 comes last.

    Only trusted ones (evidence passed), unless a variant or int8 was asked for and none of it is: int8 that an engine
    was not measured with can be levels off there. An engine that was named may also take what was only parsed and built
    where it was made: TensorRT's, before `check` ran here.
    Raises ``BundleError`` when nothing in the bundle fits, ``MissingPackageError`` when only the library is missing.
    """
    if wish.engine == "bicubic" and all(variant.target != "procedure" for variant in bundle.manifest.variants):
        bundle = bicubic_bundle(bundle.spec.scale)
    rows = [engine_row(wish.engine)] if wish.engine else _rows_for(wish.device)
    found = [
        Candidate(row, bundle, variant, _request(row, bundle, variant, wish))
        for row in rows
        for target in row.targets
        for variant in _by_kind(bundle)
        if variant.target == target and _fits(row, bundle, variant, wish)
    ]
    ready = [candidate for candidate in found if candidate.row.installed]
    if found and not ready:
        row = found[0].row
        raise missing_package(row.packages[0], row.extra, f"the {row.name} engine")
    if not ready:
        raise BundleError(_nothing_fits(bundle, wish))
    if wish.variant is not None or wish.precision == "int8":
        ready = [candidate for candidate in ready if _is_proved(candidate.row, bundle, candidate.variant)] or ready
    return sorted(ready, key=lambda c: (c.variant.precision == "int8", not is_trusted(bundle, c.variant)))


def abreast(candidate: Candidate) -> Candidate:
    """The candidate with runs side by side, one core each if there are few; itself where it can't, or no core is left.

    Frames of a clip whose states go from one to the next can't be computed at once.
    """
    cores = candidate.request.threads or usable_cores()
    streams = min(cores, MOST_STREAMS)
    can = candidate.row.side_by_side and candidate.request.device == "cpu" and not candidate.bundle.spec.takes_windows
    return replace(candidate, request=replace(candidate.request, streams=streams)) if can and streams > 1 else candidate


def working_size(frame_size: tuple[int, int], spec: ModelSpec) -> tuple[int, int]:
    """What an engine is given of a frame of this size: the whole, or a band of it."""
    height, width = frame_size
    return (band_rows(height, width, spec.halo_px, spec.size_multiple) if spec.can_tile else height), width


def _rows_for(device: str) -> list[EngineRow]:
    """Without a named engine TensorRT is for CUDA devices only; on the CPU it would only fail."""
    return [row for row in ENGINES if (row.name == "tensorrt") <= device.startswith(("cuda", "gpu"))]


def _by_kind(bundle: Bundle) -> list[Variant]:
    return sorted(bundle.manifest.variants, key=lambda v: KIND_ORDER.index(v.kind))


def _fits(row: EngineRow, bundle: Bundle, variant: Variant, wish: Wish) -> bool:
    if wish.variant is not None:
        return variant.id == wish.variant
    if wish.precision == "int8":
        return variant.precision == "int8"
    fits = wish.precision == "auto" or variant.precision in (wish.precision, "fp32")
    return fits and (_is_proved(row, bundle, variant) or (wish.engine == row.name and is_built(bundle, variant)))


def _is_proved(row: EngineRow, bundle: Bundle, variant: Variant) -> bool:
    """int8 is proved for the engine that was measured only: each one rounds in its own way."""
    return is_trusted(bundle, variant) and (variant.precision != "int8" or _was_measured(row, bundle, variant))


def _was_measured(row: EngineRow, bundle: Bundle, variant: Variant) -> bool:
    evidence = evidence_of(bundle, variant)
    return evidence is not None and evidence.engine == row.name


def _request(row: EngineRow, bundle: Bundle, variant: Variant, wish: Wish) -> Request:
    """The wish; an engine that picks its own arithmetic is held to the variant's where it wasn't measured with it."""
    request = wish.request(bundle.spec)
    if request.precision != "auto" or variant.precision not in row.precisions or _was_measured(row, bundle, variant):
        return request
    return replace(request, precision=variant.precision)


def is_built(bundle: Bundle, variant: Variant) -> bool:
    """Whether all that could be shown without the variant's own device was shown, and nothing failed."""
    evidence = evidence_of(bundle, variant)
    return evidence is not None and evidence.status == BUILT and all_passed(evidence.verdicts)


def _nothing_fits(bundle: Bundle, wish: Wish) -> str:
    asked = ", ".join(f"{k}={v}" for k, v in vars(wish).items() if v not in (None, "auto", 0) and k != "frame_size")
    have = ", ".join(v.id for v in bundle.manifest.variants)
    return f"{bundle.spec.name} has no trusted variant for {asked}; it has: {have}. `subpixel check` measures them"
