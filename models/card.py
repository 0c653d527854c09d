"""A model's card: what it was trained on, by which command, what it reaches, and what one may do with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from subpixel.models.evaluation import SetScore
from subpixel.records import from_json, to_json

LICENCE = """\
The weights are under this project's licence (Apache-2.0). They were trained on images that are not ours: T91 and the
Berkeley segmentation images (BSDS300/500) state no licence for the images, research use being customary; the
photographs are CC-BY-4.0, CC-BY-SA-3.0/4.0 and LGPL/GPL wallpapers. In plain words: for research and private use, use
them freely. For commercial use nobody has cleared the training images for you: if your rules ask for that, train the
same net on images you own with the command above.
"""


@dataclass(frozen=True)
class Figure:
    """Mean PSNR in dB and SSIM on one set: from unrounded LR, and from 8-bit LR with an 8-bit result."""

    set_name: str
    psnr_db: float
    ssim: float
    psnr_u8_db: float
    ssim_u8: float
    bicubic_psnr_db: float


@dataclass(frozen=True)
class CardRecord:
    """What is kept beside the weights as JSON; the Markdown is made from it.

    ``commands``: one for each stage, the next starting from the weights of the one before; ``stage_steps``: the steps
    each was given; ``first_losses``: of the first command's first steps, so that a test can repeat them; ``hours``: of
    one thread of ``machine``.
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


def figures_of(rows: Sequence[SetScore]) -> tuple[Figure, ...]:
    """From pairs of rows: bicubic's, then the model's."""
    return tuple(_figure(bicubic, ours) for bicubic, ours in zip(rows[::2], rows[1::2], strict=True))


def _figure(bicubic: SetScore, ours: SetScore) -> Figure:
    assert bicubic.upscaler == "bicubic"
    assert ours.mean.psnr_db is not None
    assert ours.mean.ssim is not None
    assert bicubic.mean.psnr_db is not None
    mean = ours.mean
    return Figure(ours.set_name, ours.mean.psnr_db, ours.mean.ssim, mean.psnr_u8_db, mean.ssim_u8, bicubic.mean.psnr_db)


def write_card(record: CardRecord, folder: Path) -> None:
    """``NAME.json`` and ``NAME.md`` beside the weights."""
    (folder / f"{record.name}.json").write_text(json.dumps(to_json(record), indent=1) + "\n")
    (folder / f"{record.name}.md").write_text(markdown(record))


def read_card(file: Path) -> CardRecord:
    """The record of a committed model."""
    return from_json(CardRecord, json.loads(file.read_text()))


def markdown(record: CardRecord) -> str:
    """The card as people read it."""
    paper = f"; the paper reports {record.paper_psnr_db:.2f} dB on Set5" if record.paper_psnr_db else ""
    lines = [
        f"# {record.name}",
        "",
        f"Architecture: {record.paper}{paper}.",
        "",
        "| set | PSNR, unrounded LR | SSIM | PSNR, 8-bit LR | SSIM | bicubic, unrounded LR |",
        "|---|---|---|---|---|---|",
        *(_row(figure) for figure in record.figures),
        "",
        "Y channel of BT.601, MATLAB-compatible bicubic LR, `scale` pixels cropped; reproduced by "
        f"`subpixel evaluate {record.name} --set set5 --set set14 --set b100`.",
        "",
        "## Training",
        "",
        *(_stage(*stage) for stage in zip(record.commands, record.stage_steps, strict=True)),
        "",
        f"{record.hours:.1f} hours on one thread of {record.machine}. Loss: mean squared error of luma; "
        "optimiser: SOAP; learning rate: cosine. "
        "Patches are cut at random from T91, BSDS300's training images and twelve photographs, "
        "equally often from each, mirrored and turned. None of the evaluation sets is among them; "
        "Set5 draws the curve and chooses nothing.",
        "",
        f"Would more hours help? {record.verdict}",
        "",
        "## Licence of weights and data",
        "",
        LICENCE,
    ]
    return "\n".join(lines)


def _stage(command: str, steps: int) -> str:
    return f"    {command}    # {steps:,} steps"


def _row(figure: Figure) -> str:
    return (
        f"| {figure.set_name} | {figure.psnr_db:.2f} dB | {figure.ssim:.4f} | {figure.psnr_u8_db:.2f} dB "
        f"| {figure.ssim_u8:.4f} | {figure.bicubic_psnr_db:.2f} dB |"
    )
