"""A model's card: what it was trained on, by which command, what it reaches, and what one may do with it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from subpixel.models.architecture import WEIGHTS, Architecture
from subpixel.models.evaluation import Score, SetScore
from subpixel.models.judges import JUDGES, Judge
from subpixel.records import from_json, to_json

LICENCE = """\
The weights are under this project's licence (Apache-2.0). They were trained on images that are not ours: T91 and the
Berkeley segmentation images (BSDS300/500) state no licence for the images, research use being customary; the
photographs are CC-BY-4.0, CC-BY-SA-3.0/4.0 and LGPL/GPL wallpapers. In plain words: for research and private use, use
them freely. For commercial use nobody has cleared the training images for you: if your rules ask for that, train the
same net on images you own with the command above.
"""
DATA = (
    "Patches are cut at random from T91, BSDS300's training images and twelve photographs, "
    "equally often from each, mirrored and turned."
)
JUDGED = "Judges: HaarPSI and MDSI (piq), on Y: higher is better (↑), lower is better (↓). No training loss uses them."
CHANGE = (
    "Change in time: mean |(sr[t] − sr[t−1]) − (hr[t] − hr[t−1])| in levels of 255, lower is steadier; every frame, "
    "the first and last repeated at a clip's ends."
)


@dataclass(frozen=True)
class Beside:
    """What else was measured on a set, to compare with: bicubic, or another net; the means."""

    name: str
    psnr_db: float
    ssim: float
    temporal_levels: float | None = None
    judged: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """Mean PSNR in dB and SSIM on one set: from unrounded LR, and from 8-bit LR with an 8-bit result.

    ``scale``: where one card is of several. ``temporal_levels``, ``judged``: as in ``Score``. ``beside``: others on the
    same set; bicubic's PSNR stands for itself too. ``samples``: PSNR from unrounded LR of single images of Set5, of the
    first frames of a clip, so that a test need not repeat a whole set.
    """

    set_name: str
    psnr_db: float
    ssim: float
    psnr_u8_db: float | None
    ssim_u8: float | None
    bicubic_psnr_db: float
    scale: int | None = None
    temporal_levels: float | None = None
    judged: Mapping[str, float] = field(default_factory=dict)
    beside: tuple[Beside, ...] = ()
    samples: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class CardRecord:
    """What is kept beside the weights as JSON; the Markdown is made from it.

    ``name``: of the weights, ``espcn-x3``, or ``vdsr`` where one file serves all scales. ``commands``: one for each
    stage, the next starting from the weights of the one before; ``stage_steps``: the steps each was given;
    ``first_losses``: of the first command's first steps, so that a test can repeat them; ``hours``: of one thread of
    ``machine``. The texts ``loss`` ... ``licence`` go into the card as they are.
    """

    name: str
    commands: tuple[str, ...]
    stage_steps: tuple[int, ...]
    hours: float
    machine: str
    weights_sha256: str
    first_losses: tuple[float, ...]
    figures: tuple[Figure, ...]
    paper: str
    paper_psnr_db: float | None
    verdict: str
    paper_says: str = ""
    loss: str = "mean squared error of luma"
    optimiser: str = "SOAP"
    data: str = DATA
    curve: str = "Set5 draws the curve and chooses nothing"
    licence: str = LICENCE
    notes: tuple[str, ...] = ()

    def figure(self, set_name: str, scale: int) -> Figure | None:
        """The figure of a set at a scale, where it was measured."""
        found = (f for f in self.figures if f.set_name == set_name and f.scale in (None, scale))
        return next(found, None)


def figures_of(rows: Sequence[SetScore], scale: int | None = None) -> tuple[Figure, ...]:
    """From rows of one scale, set after set: bicubic's, the model's, then those beside it."""
    sets = dict.fromkeys(row.set_name for row in rows)
    return tuple(_figure([row for row in rows if row.set_name == name], scale) for name in sets)


def _figure(rows: Sequence[SetScore], scale: int | None) -> Figure:
    bicubic, ours, *others = rows
    assert bicubic.upscaler == "bicubic"
    mean, plain = ours.mean, _beside(bicubic)
    assert mean.psnr_db is not None
    assert mean.ssim is not None
    beside = tuple(map(_beside, others))
    if beside or mean.judged or mean.temporal_levels is not None:
        beside = (plain, *beside)
    return Figure(
        ours.set_name, mean.psnr_db, mean.ssim, mean.psnr_u8_db, mean.ssim_u8, plain.psnr_db,
        scale, mean.temporal_levels, mean.judged, beside, _samples(ours),
    )  # fmt: skip


def _samples(row: SetScore) -> dict[str, float]:
    kept = [s for s in row.images if row.set_name == "set5" or re.fullmatch(r".+ 00[0-3]", s.name)]
    return {score.name: score.psnr_db for score in kept if score.psnr_db is not None}


def _beside(row: SetScore) -> Beside:
    mean: Score = row.mean
    assert mean.psnr_db is not None
    assert mean.ssim is not None
    return Beside(row.upscaler, mean.psnr_db, mean.ssim, mean.temporal_levels, mean.judged)


def write_card(record: CardRecord, folder: Path) -> None:
    """``NAME.json`` and ``NAME.md`` beside the weights."""
    (folder / f"{record.name}.json").write_text(json.dumps(to_json(record), indent=1) + "\n")
    (folder / f"{record.name}.md").write_text(markdown(record))


def read_card(file: Path) -> CardRecord:
    """The record of a committed model."""
    return from_json(CardRecord, json.loads(file.read_text()))


def card_of(chosen: Architecture, scale: int) -> CardRecord:
    """The record of a committed model, shared by its scales or its own."""
    return read_card(WEIGHTS / f"{chosen.weights_name(scale)}.json")


def markdown(record: CardRecord) -> str:
    """The card as people read it."""
    return "\n".join(
        [
            f"# {record.name}",
            "",
            f"Architecture: {record.paper}{_paper(record)}.",
            "",
            "| set | PSNR, unrounded LR | SSIM | PSNR, 8-bit LR | SSIM | bicubic, unrounded LR |",
            "|---|---|---|---|---|---|",
            *(_row(figure) for figure in record.figures),
            "",
            "Y channel of BT.601, MATLAB-compatible bicubic LR, `scale` pixels cropped; reproduced by "
            + " and ".join(f"`{command}`" for command in _evaluations(record))
            + ".",
            "",
            *_comparison(record),
            *(line for note in record.notes for line in (note, "")),
            *_training(record),
            "## Licence of weights and data",
            "",
            record.licence,
        ]
    )


def _paper(record: CardRecord) -> str:
    if record.paper_says:
        return f"; {record.paper_says}"
    return f"; the paper reports {record.paper_psnr_db:.2f} dB on Set5" if record.paper_psnr_db else ""


def _evaluations(record: CardRecord) -> Iterator[str]:
    """The commands that give the card's figures, one for each scale."""
    for scale in dict.fromkeys(figure.scale for figure in record.figures):
        found = [figure for figure in record.figures if figure.scale == scale]
        name = record.name if scale is None else f"{record.name}-x{scale}"
        judges = " --judges" if any(figure.judged for figure in found) else ""
        yield f"subpixel evaluate {name}{judges} {' '.join(f'--set {figure.set_name}' for figure in found)}"


def _training(record: CardRecord) -> Iterator[str]:
    yield from ("## Training", "")
    for command, steps in zip(record.commands, record.stage_steps, strict=True):
        yield f"    {command}    # {steps:,} steps"
    yield ""
    yield (
        f"{record.hours:.1f} hours on one thread of {record.machine}. Loss: {record.loss}; "
        f"optimiser: {record.optimiser}; learning rate: cosine. "
        f"{record.data} None of the evaluation sets is among them; {record.curve}."
    )
    yield from ("", f"Would more hours help? {record.verdict}", "")


def _row(figure: Figure) -> str:
    return (
        f"| {_set(figure)} | {figure.psnr_db:.2f} dB | {figure.ssim:.4f} | {_number(figure.psnr_u8_db, '.2f', ' dB')} "
        f"| {_number(figure.ssim_u8, '.4f')} | {figure.bicubic_psnr_db:.2f} dB |"
    )


def _set(figure: Figure) -> str:
    return figure.set_name if figure.scale is None else f"{figure.set_name} x{figure.scale}"


def _number(value: float | None, form: str, unit: str = "") -> str:
    return "–" if value is None else f"{value:{form}}{unit}"


def _comparison(record: CardRecord) -> Iterator[str]:
    """A second table where others were measured beside the net, or more than PSNR and SSIM."""
    if not any(figure.beside for figure in record.figures):
        return
    judges = tuple(j for j in JUDGES if any(j.name in figure.judged for figure in record.figures))
    changes = any(figure.temporal_levels is not None for figure in record.figures)
    titles = [f"{judge.title} {'↑' if judge.higher_is_better else '↓'}" for judge in judges]
    columns = [
        "set",
        "from unrounded LR",
        "PSNR",
        "SSIM",
        *titles,
        *(["change in time, levels off"] if changes else []),
    ]
    yield f"| {' | '.join(columns)} |"
    yield "|" + "---|" * len(columns)
    for figure in record.figures:
        ours = Beside(f"**{record.name}**", figure.psnr_db, figure.ssim, figure.temporal_levels, figure.judged)
        for line in (*figure.beside, ours):
            yield f"| {_set(figure)} | {' | '.join(_cells(line, judges, changes))} |"
    yield ""
    yield from (JUDGED, "") if judges else ()
    yield from (CHANGE, "") if changes else ()


def _cells(line: Beside, judges: Sequence[Judge], changes: bool) -> list[str]:
    judged = [_number(line.judged.get(judge.name), ".4f") for judge in judges]
    change = [_number(line.temporal_levels, ".3f")] if changes else []
    return [line.name, f"{line.psnr_db:.2f} dB", f"{line.ssim:.4f}", *judged, *change]
