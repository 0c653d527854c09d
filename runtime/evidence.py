"""Evidence of a bundle: one JSON a variant, naming the sha256 that was measured, its gates and the machine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from subpixel.bundle import Bundle
from subpixel.errors import BundleError
from subpixel.quality.gates import Verdict, all_passed
from subpixel.records import from_json, to_json
from subpixel.spec import Variant


@dataclass(frozen=True)
class Evidence:
    """What was measured of one variant, where. ``status``: ``run``, or ``parsed and built`` (not run)."""

    variant: str
    sha256: str
    verdicts: tuple[Verdict, ...]
    status: str = "run"
    engine: str = ""
    engine_version: str = ""
    machine: str = ""
    reference: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """True when it was run and every gate passed."""
        return self.status == "run" and all_passed(self.verdicts)


def evidence_path(variant_id: str) -> str:
    """Where the evidence of a variant lies in its bundle."""
    return f"evidence/{variant_id}.json"


def with_evidence(bundle: Bundle, evidence: Evidence) -> Bundle:
    """A bundle with this evidence added or replaced."""
    text = json.dumps(to_json(evidence), indent=1, allow_nan=False) + "\n"
    return bundle.plus_file(evidence_path(evidence.variant), text.encode())


def evidence_of(bundle: Bundle, variant: Variant) -> Evidence | None:
    """The evidence of a variant; ``None`` when there is none or it measured another file. Raises ``BundleError``."""
    data = bundle.files.get(evidence_path(variant.id))
    if data is None:
        return None
    try:
        evidence = from_json(Evidence, json.loads(data))
    except (ValueError, RecursionError) as fault:
        raise BundleError(f"{bundle.spec.name}: {evidence_path(variant.id)}: {fault}") from fault
    return evidence if evidence.sha256 == variant.file.sha256 else None


def is_trusted(bundle: Bundle, variant: Variant) -> bool:
    """Whether the variant may be chosen without being asked for: its evidence passed, or it is a built-in procedure."""
    if variant.target in ("procedure", "classical"):
        return True
    evidence = evidence_of(bundle, variant)
    return evidence is not None and evidence.passed
