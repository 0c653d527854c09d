"""The page of figures, written from the records: nothing on it is edited by hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from subpixel.models.architecture import WEIGHTS
from subpixel.models.judges import JUDGES
from subpixel.models.papers import GOALS, SOURCES, Goal, published_db
from subpixel.models.quality import CLIP_SET, SCALES, SELF_TRAINED, STILL_SETS, Records, Row, System, stale
from subpixel.models.registry import ARCHITECTURES
from subpixel.models.zssr_record import Record as SelfTrained

TITLES = {"set5": "Set5", "set14": "Set14", "b100": "B100", "urban100": "Urban100, every fourth image", "vid4": "Vid4"}
REACHED, NOT_REACHED, UNKNOWN = "✅", "❌", "not measured"

HEAD = """\
<!-- Written by `subpixel evaluate --all`. Don't edit: the next run writes it again. -->
# What every system reaches

PSNR in dB and SSIM of Y (BT.601), MATLAB-compatible bicubic LR that is not rounded, results rounded to 8 bit, `scale`
pixels cropped at each border; RGB nets get the RGB image, Y of their result is measured. Vid4: every frame, the first
and last repeated at a clip's ends, the mean of the four clips' means. HaarPSI (higher is better) and MDSI (lower is
better) are perceptual measures of the library piq that need no network, on Y; no training loss uses them. *Change* is
how far the change from frame to frame is from the original's: the mean of |(sr[t] − sr[t−1]) − (hr[t] − hr[t−1])| in
levels of 255, lower is steadier. Nets run in torch (their bundles are held to 1e-4 of full scale of that), classical
methods in the runtime. Papers' figures are theirs, from larger training sets.

`subpixel evaluate --all` measures what has changed and writes this page, its records (`quality.json`) and its
pictures again. A row marked † was measured of earlier weights, or of weights that are not committed.
"""


def page(
    records: Records, known: Sequence[System], self_trained: SelfTrained | None, pictures: Sequence[tuple[str, str]]
) -> str:
    """The Markdown; ``pictures``: file beside the page, and what it shows."""
    parts = [
        HEAD,
        "## What was to be reached\n",
        *_goals(records, known, self_trained),
        "\n## Below its paper\n",
        *_below(records, known, self_trained),
        *(line for name in (*STILL_SETS, CLIP_SET) for line in _set(records, known, name)),
        "\n## ZSSR\n",
        *_self_trained(self_trained),
        "\n## Pictures\n",
        f"The same crops by every system at x4, only of images that come with this repository. {_pictured(records)}\n",
        *(f"![{text}]({file})\n\n{text}\n" for file, text in pictures),
        "## Missing\n",
        *_missing(records, known),
        "\n## Sources\n",
        *(f"- {source.system}: {source.paper}" for source in SOURCES),
    ]
    return "\n".join(parts) + "\n"


def _goals(records: Records, known: Sequence[System], self_trained: SelfTrained | None) -> Iterator[str]:
    yield "| system | scale | set | to reach | here | reached | paper | curve |"
    yield "|---|---|---|---|---|---|---|---|"
    for goal in GOALS:
        here, reached = outcome(goal, records, self_trained)
        mark = UNKNOWN if reached is None else REACHED if reached else NOT_REACHED
        paper = _db(published_db(goal.system, goal.scale, goal.set_name))
        where = f"{goal.system} | x{goal.scale} | {TITLES[goal.set_name]}"
        yield f"| {where} | {goal} | {here} | {mark} | {paper} | {curve(goal.system, goal.scale)} |"
    for knowledge in ("known", "estimated"):
        gain = kernel_gain_db(self_trained, knowledge)
        here, mark = ("–", UNKNOWN) if gain is None else (f"{gain:+.2f} dB", REACHED if gain >= 1 else NOT_REACHED)
        where = f"{SELF_TRAINED} | x2 | Set5, eight kernels, {knowledge}"
        yield f"| {where} | ≥ 1 dB over vdsr on average | {here} | {mark} | – | – |"


def kernel_gain_db(record: SelfTrained | None, knowledge: str) -> float | None:
    """ZSSR's mean gain over VDSR on images reduced with other kernels than bicubic."""
    found = record.summaries if record else ()
    return next((s.gain_db for s in found if s.knowledge == knowledge and s.rival == "vdsr-x2"), None)


def outcome(goal: Goal, records: Records, self_trained: SelfTrained | None) -> tuple[str, bool | None]:
    """What was measured, in words, and whether it is enough; ``None`` where something wasn't measured."""
    if goal.system == SELF_TRAINED:
        found = self_trained_db(self_trained, goal.scale)
        return _db(found, " dB"), None if found is None else found >= goal.psnr_db
    ours = records.find(goal.system, goal.scale, goal.set_name)
    other = records.find(goal.other, goal.scale, goal.set_name) if goal.other else None
    if ours is None or (goal.other and other is None):
        return "–", None
    if other is None:
        return _db(ours.psnr_db, " dB"), ours.psnr_db >= goal.psnr_db
    if goal.relation == "above":
        return f"{ours.psnr_db - other.psnr_db:+.2f} dB", ours.psnr_db - other.psnr_db >= goal.psnr_db
    return _judged(ours, other)


def _judged(ours: Row, other: Row) -> tuple[str, bool | None]:
    pairs = [(judge, ours.judged.get(judge.name), other.judged.get(judge.name)) for judge in JUDGES]
    known = [(judge, mine, theirs) for judge, mine, theirs in pairs if mine is not None and theirs is not None]
    if len(known) < len(JUDGES):
        return "–", None
    words = ", ".join(f"{judge.title} {mine:.4f} against {theirs:.4f}" for judge, mine, theirs in known)
    return words, all((mine > theirs) == judge.higher_is_better and mine != theirs for judge, mine, theirs in known)


def self_trained_db(record: SelfTrained | None, scale: int) -> float | None:
    """ZSSR's mean on Set5 with the bicubic kernel, where it was measured at this scale."""
    if record is None or record.scale != scale:
        return None
    return next((s.psnr_db for s in record.summaries if s.knowledge == "bicubic"), None)


def _below(records: Records, known: Sequence[System], self_trained: SelfTrained | None) -> Iterator[str]:
    lines = [line for system in known for line in _gaps(records, system)]
    own = self_trained_db(self_trained, 2)
    paper = published_db(SELF_TRAINED, 2, "set5")
    if own is not None and paper is not None and own < paper:
        lines.append(f"| {SELF_TRAINED} | x2 | Set5 | {own:.2f} | {paper:.2f} | {own - paper:+.2f} | – |")
    if not lines:
        yield "Nothing that was measured."
        return
    yield "| system | scale | set | here | paper | gap | curve |"
    yield "|---|---|---|---|---|---|---|"
    yield from lines


def _gaps(records: Records, system: System) -> Iterator[str]:
    for name in system.sets if system.name != "bicubic" else ():
        row, paper = records.find(system.name, system.scale, name), published_db(system.name, system.scale, name)
        if row is not None and paper is not None and row.psnr_db < paper:
            where = f"{system.name} | x{system.scale} | {TITLES[name]}"
            link = curve(system.name, system.scale)
            yield f"| {where} | {row.psnr_db:.2f} | {paper:.2f} | {row.psnr_db - paper:+.2f} | {link} |"


def curve(system: str, scale: int) -> str:
    """A link to the learning curve, where one is committed."""
    net = ARCHITECTURES.get(system)
    name = f"{net.weights_name(scale)}.curve.png" if net else ""
    return f"[curve](../models/weights/{name})" if name and (WEIGHTS / name).is_file() else "–"


def _set(records: Records, known: Sequence[System], name: str) -> Iterator[str]:
    measured = {scale: [s for s in known if s.scale == scale and records.find(s.name, scale, name)] for scale in SCALES}
    rows = [row for found in measured.values() for s in found if (row := records.find(s.name, s.scale, name))]
    if not rows:
        return
    judges = [judge for judge in JUDGES if any(judge.name in row.judged for row in rows)]
    change = ["change"] if any(row.temporal_levels is not None for row in rows) else []
    yield f"\n## {TITLES[name]}\n"
    if name == "urban100":
        yield "25 of the 100 images: not to be compared with published averages; bicubic's row is of the same 25.\n"
    titles = ["system", "scale", "PSNR", "SSIM", *(judge.title for judge in judges), *change, "over bicubic", "paper"]
    yield f"| {' | '.join(titles)} |"
    yield "|" + "---|" * len(titles)
    for found in measured.values():
        for system in found:
            yield _line(records, system, name, [judge.name for judge in judges], bool(change))


def _line(records: Records, system: System, name: str, judges: Sequence[str], change: bool) -> str:
    row, plain = records.find(system.name, system.scale, name), records.find("bicubic", system.scale, name)
    assert row is not None
    label = f"{system.name} †" if stale(records, system, name) or not system.sha256 else system.name
    cells = [label, f"x{system.scale}", f"{row.psnr_db:.2f}", f"{row.ssim:.4f}"]
    cells += [_number(row.judged.get(judge), ".4f") for judge in judges]
    cells += [_number(row.temporal_levels, ".3f")] if change else []
    cells.append("–" if plain is None or system.name == "bicubic" else f"{row.psnr_db - plain.psnr_db:+.2f}")
    return f"| {' | '.join([*cells, _db(published_db(system.name, system.scale, name))])} |"


def _self_trained(record: SelfTrained | None) -> Iterator[str]:
    if record is None:
        yield "Not measured yet: `python -m subpixel.models.zssr_record` writes its record."
        return
    yield f"Trained on each test image alone, {record.set_name.capitalize()} x{record.scale}; eight kernels drawn from"
    yield f"seed {record.drawing_seed} before any training. Beside it on the same LR images the better known systems.\n"
    yield "| kernel | cases | PSNR | beside | PSNR | gain | worst gain | minutes each |"
    yield "|---|---|---|---|---|---|---|---|"
    for s in record.summaries:
        gain = f"{s.rival_psnr_db:.2f} | {s.gain_db:+.2f} | {s.worst_gain_db:+.2f} ({s.worst})"
        yield f"| {s.knowledge} | {s.cases} | {s.psnr_db:.2f} | {s.rival} | {gain} | {s.minutes_each:.1f} |"


def _pictured(records: Records) -> str:
    names = [key.partition(" ")[0] for key in records.pictured]
    return f"Shown: the original, {', '.join(names)}." if names else "None drawn yet."


def _missing(records: Records, known: Sequence[System]) -> Iterator[str]:
    """Systems without weights, and rows that nobody measured yet."""
    absent = [f"{system.name}-x{system.scale}" for system in known if not system.sha256]
    if absent:
        yield f"- no weights yet: {', '.join(absent)}"
    for name in (*STILL_SETS, CLIP_SET):
        waiting = [s for s in known if s.sha256 and name in s.sets and records.find(s.name, s.scale, name) is None]
        if waiting:
            yield f"- not measured yet on {TITLES[name]}: {', '.join(f'{s.name}-x{s.scale}' for s in waiting)}"
    drawn = {key.partition(" ")[0] for key in records.pictured}
    undrawn = [s.name for s in known if s.sha256 and s.scale == 4 and s.name not in drawn]
    if undrawn:
        yield f"- not in the pictures yet: {', '.join(undrawn)}"
    if not absent and not undrawn and all(records.find(s.name, s.scale, name) for s in known for name in s.sets):
        yield "Nothing."


def _db(value: float | None, unit: str = "") -> str:
    return _number(value, ".2f", unit)


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "–" if value is None else f"{value:{form}}{unit}"
