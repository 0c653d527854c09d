"""The records behind the page of figures: every system on every set, measured once for each file of weights.

A row names what it was measured with: the sha256 of the weights (of a classical method its source file) and the
``PROTOCOL``. Only rows whose key has changed are measured again. Torch nets run as they are: their bundles pass parity
(1e-4 of full scale) before anybody plays them. Classical methods run through the runtime.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import subpixel
from subpixel.catalogue import find
from subpixel.classical.methods import METHODS, Method
from subpixel.manifest import sha256
from subpixel.models.architecture import WEIGHTS, Architecture
from subpixel.models.card import CardRecord, Figure, read_card
from subpixel.models.evalsets import EvalClip, read_clips
from subpixel.models.evaluation import Bicubic, Measures, SetScore, Upscaler, score_set
from subpixel.models.judges import JUDGES
from subpixel.models.registry import ARCHITECTURES, trained
from subpixel.models.upscalers import BundleUpscaler, TorchUpscaler
from subpixel.records import from_json, to_json

PROTOCOL = 1  # raised when the way of measuring changes a figure
SCALES = (2, 3, 4)
STILL_SETS, CLIP_SET = ("set5", "set14", "b100", "urban100"), "vid4"
JUDGED_SETS = ("set5", "set14", "b100")
ALSO_ON_CLIPS = ("bicubic", "lanczos", "espcn")  # systems of single frames that stand beside the video ones
SELF_TRAINED = "zssr"  # has no weights; `python -m subpixel.models.zssr_record` writes its figures
SELF_TRAINED_RECORD = WEIGHTS / "zssr.json"


@dataclass(frozen=True)
class Row:
    """Means of one system on one set, from unrounded LR; ``judged``, ``temporal_levels``: as in ``Score``."""

    system: str
    scale: int
    set_name: str
    sha256: str
    protocol: int
    psnr_db: float
    ssim: float
    judged: Mapping[str, float] = field(default_factory=dict)
    temporal_levels: float | None = None


@dataclass(frozen=True)
class Records:
    """Everything that was measured; ``pictured``: what the pictures show, in order, ``System.key`` of each."""

    rows: tuple[Row, ...] = ()
    pictured: tuple[str, ...] = ()

    def find(self, system: str, scale: int, set_name: str) -> Row | None:
        """The row of a system, where it was measured."""
        key = (system, scale, set_name)
        return next((r for r in self.rows if (r.system, r.scale, r.set_name) == key), None)

    def plus(self, row: Row) -> Records:
        """With this row in the place of one of the same system, scale and set; rows stay in order."""
        others = [r for r in self.rows if (r.system, r.scale, r.set_name) != (row.system, row.scale, row.set_name)]
        return replace(self, rows=tuple(sorted((*others, row), key=lambda r: (r.set_name, r.scale, r.system))))


@dataclass(frozen=True)
class System:
    """What is measured at one scale; ``sha256``: empty where its weights aren't there."""

    name: str
    scale: int
    sha256: str
    sets: tuple[str, ...]

    @property
    def key(self) -> str:
        """Its name and the first figures of its hash."""
        return f"{self.name} {self.sha256[:12]}"

    def build(self) -> Upscaler:
        """Ready to measure. Raises ``NotFoundError`` without weights, ``MissingPackageError`` without its library."""
        if self.name == "bicubic":
            return Bicubic(self.scale)
        if self.name in ARCHITECTURES:
            model = trained(self.name, self.scale)
            return TorchUpscaler(model.module(), model.architecture.spec(self.scale))
        return BundleUpscaler(subpixel.open(find(f"{self.name}-x{self.scale}"), tune=False))


def read_records(file: Path) -> Records:
    """The committed rows; none where there is no file yet."""
    return from_json(Records, json.loads(file.read_text())) if file.is_file() else Records()


def write_records(records: Records, file: Path) -> None:
    """Written aside and renamed, so that an interruption leaves whole rows."""
    fresh = file.with_name(f".{file.name}.part")
    fresh.write_text(json.dumps(to_json(records), indent=1) + "\n")
    fresh.replace(file)


def systems() -> list[System]:
    """Bicubic, the classical methods, then every net of the registry, at every scale it has of 2, 3 and 4."""
    found = [System("bicubic", scale, "built in", _sets("bicubic", scale, False)) for scale in SCALES]
    found += [_of_method(row, scale) for row in METHODS for scale in SCALES if scale in row.scales]
    nets = [net for net in ARCHITECTURES.values() if net.name != SELF_TRAINED]
    return found + [_of_net(net, scale) for net in nets for scale in net.scales if scale in SCALES]


def _sets(name: str, scale: int, takes_windows: bool) -> tuple[str, ...]:
    clips = (CLIP_SET,) if scale > 2 and (takes_windows or name in ALSO_ON_CLIPS) else ()
    return clips if takes_windows else (*STILL_SETS, *clips)


def _of_method(row: Method, scale: int) -> System:
    source = importlib.util.find_spec(row.module)
    assert source is not None
    assert source.origin is not None
    return System(row.name, scale, sha256(Path(source.origin).read_bytes()), _sets(row.name, scale, row.window > 1))


def _of_net(net: Architecture, scale: int) -> System:
    file = WEIGHTS / f"{net.weights_name(scale)}.safetensors"
    key = sha256(file.read_bytes()) if file.is_file() else ""
    return System(net.name, scale, key, _sets(net.name, scale, net.spec(scale).takes_windows))


def stale(records: Records, system: System, set_name: str) -> bool:
    """Whether a row is to be measured: its weights are there, and it isn't or is of others or another protocol."""
    if not system.sha256:
        return False
    row = records.find(system.name, system.scale, set_name)
    return row is None or (row.sha256, row.protocol) != (system.sha256, PROTOCOL)


def card_rows(known: Iterable[System]) -> Iterator[Row]:
    """What cards have of just these weights: measured in the same way when they were adopted."""
    for system in known:
        net = ARCHITECTURES.get(system.name)
        file = WEIGHTS / f"{net.weights_name(system.scale)}.json" if net else None
        if file is not None and system.sha256 and file.is_file():
            yield from _rows_of(read_card(file), system)
            yield from _uncommitted(read_card(file), system)


def _rows_of(record: CardRecord, system: System) -> Iterator[Row]:
    if record.weights_sha256 != system.sha256:
        return
    for figure in record.figures:
        if figure.scale in (None, system.scale) and figure.set_name in system.sets and _is_complete(figure):
            yield Row(
                system.name, system.scale, figure.set_name, system.sha256, PROTOCOL,
                figure.psnr_db, figure.ssim, figure.judged, figure.temporal_levels,
            )  # fmt: skip


def _uncommitted(record: CardRecord, system: System) -> Iterator[Row]:
    """Of nets that a card has beside its own and whose weights are not committed: a net before its second training."""
    if record.weights_sha256 != system.sha256:
        return
    for figure in record.figures:
        for other in figure.beside:
            name = other.name.removesuffix(f"-x{system.scale}")
            net = ARCHITECTURES.get(name)
            if net is not None and not _of_net(net, system.scale).sha256 and figure.set_name in system.sets:
                yield Row(
                    name, system.scale, figure.set_name, record.weights_sha256, PROTOCOL,
                    other.psnr_db, other.ssim, other.judged, other.temporal_levels,
                )  # fmt: skip


def _is_complete(figure: Figure) -> bool:
    return bool(figure.judged) or figure.set_name not in JUDGED_SETS


def work(records: Records, known: Iterable[System], wanted: tuple[str, ...]) -> list[tuple[str, int, list[System]]]:
    """What is to be measured: set, scale, systems; small sets first, classical methods last: they are slow."""
    found: dict[tuple[str, int], list[System]] = {}
    for system in known:
        for name in system.sets:
            if stale(records, system, name) and (not wanted or name in wanted):
                found.setdefault((name, system.scale), []).append(system)
    order = ("set5", "set14", CLIP_SET, "b100", "urban100")
    keys = sorted(found, key=lambda key: (order.index(key[0]), key[1]))
    classical = {row.name for row in METHODS}
    return [(*key, sorted(found[key], key=lambda system: system.name in classical)) for key in keys]


def measured(set_name: str, scale: int, todo: list[System]) -> Iterator[Row]:
    """A row a system, in order; the set is read once where it fits in memory, clips once a system."""
    measures = Measures(eight_bit=False, judges=JUDGES if set_name in JUDGED_SETS else ())
    built = [(system, system.build()) for system in todo]
    rgb = any(upscaler.colour == "rgb" for _, upscaler in built)
    kept = None if set_name == CLIP_SET else tuple(read_clips(set_name, scale, rgb))
    for system, upscaler in built:
        clips: Iterable[EvalClip] = read_clips(set_name, scale, rgb) if kept is None else kept
        (score,) = score_set({system.name: upscaler}, set_name, scale, clips, measures)
        yield _row(system, score)


def _row(system: System, score: SetScore) -> Row:
    mean = score.mean
    assert mean.psnr_db is not None
    assert mean.ssim is not None
    key = (system.name, system.scale, score.set_name, system.sha256, PROTOCOL)
    return Row(*key, mean.psnr_db, mean.ssim, mean.judged, mean.temporal_levels)
