"""What the verbs of this package print: one row a variant, made from its evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isnan

from rich.table import Table

from subpixel.bundle import Bundle
from subpixel.errors import BundleError
from subpixel.evidence import Evidence, evidence_of
from subpixel.export.layers import LayerDifference
from subpixel.export.parity import PLAIN
from subpixel.quality.gates import all_passed
from subpixel.spec import Variant

RUN = "run"
CASE_WORDS = 3  # "53x31 noise psnr_db"; a fourth, in front, names another precision


@dataclass(frozen=True)
class Row:
    """A variant's outcome. ``max_abs``: of full scale, in ``levels`` for the `u8` kind; figures are the worst case's,
    ``None`` where a case gave no pixels.

    ``own_choice``: what the engine computes in when nobody asks, and its dB, where that isn't fp32. ``passed``: every
    gate that could be measured; ``status`` says whether that was on its own engine (``run``).
    """

    variant: str
    size_bytes: int
    max_abs: float | None
    unit: str
    psnr_db: float | None
    own_choice: str
    passed: bool
    status: str
    verdicts: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def sign(self) -> str:
        """✅, ❌, or what was done instead of running it."""
        if not self.passed:
            return "❌"
        return "✅" if self.status == RUN else self.status


@dataclass(frozen=True)
class Result:
    """What a verb made, for ``--json``."""

    bundle: str
    name: str
    passed: bool
    variants: tuple[Row, ...]
    layers: tuple[LayerDifference, ...] = ()


def rows(bundle: Bundle, ids: Sequence[str]) -> tuple[Row, ...]:
    """The rows of these variants. Raises ``BundleError`` for one without evidence."""
    return tuple(_row(bundle, bundle.manifest.variant(id)) for id in ids)


def _row(bundle: Bundle, variant: Variant) -> Row:
    evidence = evidence_of(bundle, variant)
    if evidence is None:
        raise BundleError(f"{bundle.spec.name}: {variant.id} was not measured; `subpixel check` does it")
    return Row(
        variant=variant.id,
        size_bytes=sum(record.size_bytes for record in variant.files),
        max_abs=max(_figures(evidence, "max_abs"), default=None),
        unit="levels" if variant.kind == "u8" else "of full scale",
        psnr_db=min(_figures(evidence, "psnr_db"), default=None),
        own_choice=_own_choice(evidence),
        passed=all_passed(evidence.verdicts),
        status=evidence.status,
        verdicts=tuple(str(verdict) for verdict in evidence.verdicts),
        notes=evidence.notes,
    )


def _figures(evidence: Evidence, name: str) -> list[float]:
    """The figures of one kind over the cases, those of the engine's own choice of precision left out.

    None at all when a case gave NaN: the worst of the others would look better than it is.
    """
    if any(isnan(verdict.figure) for verdict in evidence.verdicts):
        return []
    found = [(key.split(" "), figure) for key, figure in evidence.figures.items()]
    return [figure for words, figure in found if words[-1] == name and len(words) == CASE_WORDS]


def _own_choice(evidence: Evidence) -> str:
    others = [v for v in evidence.verdicts if v.gate != PLAIN]
    return ", ".join(f"{v.gate.removeprefix(f'{PLAIN} in ').partition(',')[0]} {v.figure:.1f} {v.unit}" for v in others)


def table(found: Sequence[Row]) -> Table:
    """For people."""
    shown = Table("variant", "bytes", "max abs", "dB", "by itself", "verdict", box=None, pad_edge=False)
    for row in found:
        shown.add_row(row.variant, f"{row.size_bytes:,}", _max_abs(row), _db(row), row.own_choice, row.sign)
    return shown


def _max_abs(row: Row) -> str:
    if row.max_abs is None:
        return "–"
    return f"{row.max_abs:.0f} level" if row.unit == "levels" else f"{row.max_abs:.1e}"


def _db(row: Row) -> str:
    return "–" if row.psnr_db is None else f"{row.psnr_db:.1f}"


def layer_table(found: Sequence[LayerDifference]) -> Table:
    """Layer by layer, in the order they run; the first that differs is marked."""
    first = next((layer for layer in found if layer.differs), None)
    shown = Table("module", "node", "max abs", "largest value", "", box=None, pad_edge=False)
    for layer in found:
        mark = "← first that differs" if layer is first else "differs" if layer.differs else ""
        shown.add_row(layer.module, layer.node, f"{layer.max_abs:.2g}", f"{layer.largest:.2g}", mark)
    return shown
