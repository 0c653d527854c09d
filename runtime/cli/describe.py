"""What a bundle holds, as records: for `info` and `models`, and for whoever reads their JSON."""

from __future__ import annotations

import re
from dataclasses import dataclass

from subpixel.bundle import Bundle
from subpixel.engines.table import ENGINES
from subpixel.evidence import Evidence, evidence_of
from subpixel.figures import ModelFigures, SetFigure, figures_of
from subpixel.manifest import REFERENCE_ID
from subpixel.onnx_scan import parameter_count
from subpixel.quality.gates import Verdict
from subpixel.spec import FileRecord, Kind, ModelSpec, Provenance, TensorSpec, Variant

CARD = "card.md"
SET5_LINE = re.compile(r"^\|\s*set5\s*\|\s*([\d.]+)\s*dB", re.MULTILINE | re.IGNORECASE)
LICENCE_SECTION = re.compile(r"^##[^\n]*licen[cs]e[^\n]*\n+(.*?)(?=^#|\Z)", re.MULTILINE | re.IGNORECASE | re.DOTALL)
BICUBIC_SET5_DB = {2: 33.66, 3: 30.39, 4: 28.42}  # as published; `subpixel evaluate` comes within 0.02

PASSED, FAILED, NOT_MEASURED = "passed", "failed", "not measured"


@dataclass(frozen=True)
class VariantFacts:
    """``status``: passed, failed, not measured, or the evidence's word (parsed and built). ``size_bytes``: all files.

    ``engines``: rows of the engine table that open it; ``shapes``: ``None`` when H and W are free.
    """

    id: str
    target: str
    precision: str
    kind: Kind
    status: str
    size_bytes: int
    shapes: tuple[int, int] | None
    source: str
    needs: tuple[str, ...]
    engines: tuple[str, ...]
    files: tuple[FileRecord, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    verdicts: tuple[Verdict, ...] = ()
    measured_by: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class BundleFacts:
    """``path``: ``None`` for a built-in procedure.

    ``macs_per_pixel``, ``figures``: of ``figures.json``, where there is one. ``set5_db``: PSNR from unrounded LR, from
    there, else from the card.
    """

    name: str
    path: str | None
    schema_version: str
    size_bytes: int
    contract: ModelSpec
    parameters: int | None
    set5_db: float | None
    licence: str
    provenance: Provenance
    variants: tuple[VariantFacts, ...]
    other_files: tuple[str, ...]
    card: str = ""
    macs_per_pixel: float | None = None
    figures: tuple[SetFigure, ...] = ()

    def db(self, set_name: str) -> float | None:
        """Mean PSNR on a set, where it is known."""
        return next((f.psnr_db for f in self.figures if f.set_name == set_name), None)

    @property
    def passed_targets(self) -> tuple[str, ...]:
        """Targets that have a variant whose evidence passed."""
        return tuple(dict.fromkeys(v.target for v in self.variants if v.status == PASSED))


def describe(bundle: Bundle) -> BundleFacts:
    """All that `subpixel info` shows. Raises ``BundleError`` for evidence that can't be read."""
    manifest, card = bundle.manifest, bundle.files.get(CARD, b"").decode(errors="replace")
    figures = figures_of(bundle)
    return BundleFacts(
        name=bundle.spec.name,
        path=None if bundle.path is None else str(bundle.path.resolve()),
        schema_version=manifest.schema_version,
        size_bytes=sum(record.size_bytes for record in manifest.all_files()),
        contract=bundle.spec,
        parameters=_parameters(bundle) if figures is None else figures.parameters,
        set5_db=_set5_db(bundle, card, figures),
        licence=_licence(manifest.provenance, card),
        provenance=manifest.provenance,
        variants=tuple(_variant(bundle, variant) for variant in manifest.variants),
        other_files=tuple(record.path for record in manifest.files),
        card=card,
        macs_per_pixel=figures.macs_per_pixel if figures else None,
        figures=figures.sets if figures else (),
    )


def _variant(bundle: Bundle, variant: Variant) -> VariantFacts:
    evidence = evidence_of(bundle, variant)
    return VariantFacts(
        id=variant.id,
        target=variant.target,
        precision=variant.precision,
        kind=variant.kind,
        status=_status(variant, evidence),
        size_bytes=sum(record.size_bytes for record in variant.files),
        shapes=variant.shapes,
        source=variant.source,
        needs=variant.needs,
        engines=tuple(row.name for row in ENGINES if variant.target in row.targets),
        files=variant.files,
        inputs=variant.inputs,
        outputs=variant.outputs,
        verdicts=evidence.verdicts if evidence else (),
        measured_by=_measured_by(evidence),
        notes=evidence.notes if evidence else (),
    )


def _status(variant: Variant, evidence: Evidence | None) -> str:
    if variant.target in ("procedure", "classical"):
        return PASSED
    if evidence is None:
        return NOT_MEASURED
    if evidence.status != "run":
        return evidence.status
    return PASSED if evidence.passed else FAILED


def _measured_by(evidence: Evidence | None) -> str:
    if evidence is None:
        return ""
    engine = f"{evidence.engine} {evidence.engine_version}".strip()
    return ", ".join(filter(None, (engine, evidence.machine)))


def _parameters(bundle: Bundle) -> int | None:
    reference = [v for v in bundle.manifest.variants if v.id == REFERENCE_ID]
    return parameter_count(bundle.blobs(reference[0])[0]) if reference else None


def _set5_db(bundle: Bundle, card: str, figures: ModelFigures | None) -> float | None:
    for figure in figures.sets if figures else ():
        if figure.set_name == "set5":
            return figure.psnr_db
    if bundle.spec.family == "procedure":
        is_bicubic = bundle.manifest.provenance.architecture == "bicubic"
        return BICUBIC_SET5_DB.get(bundle.spec.scale) if is_bicubic else None
    found = SET5_LINE.search(card)
    return float(found.group(1)) if found else None


def _licence(provenance: Provenance, card: str) -> str:
    """The card's own words where the manifest only points there."""
    section = LICENCE_SECTION.search(card)
    if section and provenance.licence in ("", f"see {CARD}"):
        return " ".join(section.group(1).split())
    return provenance.licence
