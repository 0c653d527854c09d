"""The record of ZSSR: Set5 x2 with the bicubic kernel, and with eight drawn ones, beside other systems.

``python -m subpixel.models.zssr_record set5|known|estimated``; every image and kernel is kept in ``runs/zssr`` as it is
done, so that an interrupted run goes on; each run ends by writing ``models/weights/zssr.json`` again.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import click
import numpy as np
import torch

from subpixel.models.architecture import WEIGHTS
from subpixel.models.blur_kernels import DRAWING_SEED, Gaussian, Kernel, Plane, drawn_gaussians, reduced
from subpixel.models.evalsets import read_set
from subpixel.models.kernel_estimation import estimated_kernel
from subpixel.models.registry import trained, trained_names
from subpixel.models.self_ensemble import self_enlarged
from subpixel.models.self_training import SelfRecipe
from subpixel.quality.metrics import psnr_db, ssim
from subpixel.quality.resize import downscale, upscale
from subpixel.records import from_json, to_json

SCALE, SET = 2, "set5"
RECORD = WEIGHTS / "zssr.json"
RIVALS = ("vdsr-x2", "espcn-x2")

Knowledge = Literal["bicubic", "known", "estimated"]
PARTS: dict[str, Knowledge] = {"set5": "bicubic", "known": "known", "estimated": "estimated"}
STEPS: dict[Knowledge, int] = {"bicubic": 1200, "known": 500, "estimated": 500}


@dataclass(frozen=True)
class Case:
    """One image, reduced by bicubic (``kernel`` -1) or by a drawn kernel, and what ZSSR was told of it.

    ``seconds``: of one processor thread, training and tests together. PSNR in dB of Y from unrounded LR.
    """

    image: str
    kernel: int
    knowledge: Knowledge
    psnr_db: float
    ssim: float
    steps: int
    seconds: float


@dataclass(frozen=True)
class RivalCase:
    """Another system on the same LR image."""

    system: str
    image: str
    kernel: int
    psnr_db: float


@dataclass(frozen=True)
class Summary:
    """Of one kind of knowledge: means over its cases, ``gain_db`` over a rival on average and in the worst case."""

    knowledge: Knowledge
    cases: int
    psnr_db: float
    minutes_each: float
    rival: str
    rival_psnr_db: float
    gain_db: float
    worst_gain_db: float
    worst: str


@dataclass(frozen=True)
class Record:
    """What is committed. ``kernels``: those drawn, in order."""

    scale: int
    set_name: str
    machine: str
    drawing_seed: int
    kernels: tuple[Gaussian, ...]
    summaries: tuple[Summary, ...]
    cases: tuple[Case, ...]
    rivals: tuple[RivalCase, ...]


def measured(image: str, hr: Plane, kernel: int, knowledge: Knowledge, steps: int) -> Case:
    """Reduce, train, enlarge, compare."""
    started = time.process_time()
    lr = reduced_by(hr, kernel)
    told: Kernel | None = None
    if knowledge == "known":
        told = drawn_gaussians(SCALE)[kernel].kernel(SCALE)
    elif knowledge == "estimated":
        told = estimated_kernel([lr], SCALE)
    sr, trainer = self_enlarged(lr, SCALE, told, SelfRecipe(steps=steps))
    result = rounded(sr)
    seconds = time.process_time() - started
    figures = psnr_db(result, hr, SCALE), ssim(result, hr, SCALE)
    return Case(image, kernel, knowledge, *figures, trainer.progress.step, seconds)


def reduced_by(hr: Plane, kernel: int) -> Plane:
    """The LR image of a case; -1 is bicubic."""
    if kernel < 0:
        return np.asarray(downscale(hr, SCALE))
    return reduced(hr, drawn_gaussians(SCALE)[kernel].kernel(SCALE), SCALE)


def rounded(sr: Plane) -> Plane:
    """To 8-bit levels, as the field's figures are."""
    return np.rint(np.clip(sr, 0, 1) * 255) / 255


def run(knowledge: Knowledge, steps: int, folder: Path, say: Callable[[str], None]) -> None:
    """All cases of one kind that ``folder`` doesn't hold yet; kernel by kernel, so that every image comes early."""
    folder.mkdir(parents=True, exist_ok=True)
    images = list(read_set(SET, SCALE))
    for kernel in (-1,) if knowledge == "bicubic" else range(len(drawn_gaussians(SCALE))):
        for image in images:
            file = folder / f"{knowledge}-{kernel}-{image.name}-{steps}.json"
            if not file.is_file():
                case = measured(image.name, image.hr, kernel, knowledge, steps)
                file.write_text(json.dumps(to_json(case)) + "\n")
                say(f"{knowledge} {kernel} {image.name}: {case.psnr_db:.2f} dB, {case.seconds:.0f} s")


def kept(folder: Path) -> tuple[Case, ...]:
    """What a folder holds."""
    return tuple(from_json(Case, json.loads(file.read_text())) for file in sorted(folder.glob("*.json")))


def rivals(cases: Sequence[Case]) -> Iterator[RivalCase]:
    """Bicubic and the trained nets there are, on the LR images of the cases."""
    images = {image.name: image.hr for image in read_set(SET, SCALE)}
    systems: dict[str, Callable[[Plane], Plane]] = {"bicubic-x2": lambda lr: np.asarray(upscale(lr, SCALE))}
    systems |= {name: net_system(name) for name in RIVALS if name in trained_names()}
    for image, kernel in sorted({(case.image, case.kernel) for case in cases}):
        lr = reduced_by(images[image], kernel)
        for name, enlarge in systems.items():
            yield RivalCase(name, image, kernel, psnr_db(rounded(enlarge(lr)), images[image], SCALE))


def net_system(name: str) -> Callable[[Plane], Plane]:
    """A trained net as a function of planes."""
    net = trained(name).module()

    def enlarge(lr: Plane) -> Plane:
        with torch.no_grad():
            return np.asarray(net(torch.from_numpy(lr.astype(np.float32))[None, None])[0, 0], dtype=np.float64)

    return enlarge


def summary(knowledge: Knowledge, cases: Sequence[Case], others: Sequence[RivalCase], rival: str) -> Summary:
    """The row of one kind of knowledge against one rival."""
    mine = [case for case in cases if case.knowledge == knowledge]
    theirs = {(other.image, other.kernel): other.psnr_db for other in others if other.system == rival}
    gains = [case.psnr_db - theirs[case.image, case.kernel] for case in mine]
    worst = int(np.argmin(gains))
    return Summary(
        knowledge=knowledge,
        cases=len(mine),
        psnr_db=float(np.mean([case.psnr_db for case in mine])),
        minutes_each=float(np.mean([case.seconds for case in mine])) / 60,
        rival=rival,
        rival_psnr_db=float(np.mean([theirs[case.image, case.kernel] for case in mine])),
        gain_db=float(np.mean(gains)),
        worst_gain_db=gains[worst],
        worst=f"{mine[worst].image}, kernel {mine[worst].kernel}",
    )


def record(cases: tuple[Case, ...], machine: str) -> Record:
    """All that is known so far."""
    others = tuple(rivals(cases))
    systems = list(dict.fromkeys(other.system for other in others))
    kinds = [kind for kind in PARTS.values() if any(case.knowledge == kind for case in cases)]
    rows = tuple(summary(kind, cases, others, system) for kind in kinds for system in systems)
    return Record(SCALE, SET, machine, DRAWING_SEED, drawn_gaussians(SCALE), rows, cases, others)


def machine_words() -> str:
    """The processor's name, without what is only this machine's."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, one thread"


@click.command()
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--steps", type=click.IntRange(1), help="Of each training; else 1200 for set5, 500 for the others.")
@click.option("--folder", type=click.Path(path_type=Path), default=Path("runs/zssr"), show_default=True,
              help="Where cases are kept.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), default=Path("models/weights/zssr.json"),
              show_default=True, help="The record to write.")  # fmt: skip
def main(parts: tuple[str, ...], steps: int | None, folder: Path, out: Path) -> None:
    """Measure PARTS and write the record; without PARTS write it from what is kept."""
    for part in parts:
        run(PARTS[part], steps or STEPS[PARTS[part]], folder, click.echo)
    made = record(kept(folder), machine_words())
    out.write_text(json.dumps(to_json(made), indent=1) + "\n")
    for row in made.summaries:
        click.echo(
            f"{row.knowledge} ({row.cases} cases): {row.psnr_db:.2f} dB; {row.rival} {row.rival_psnr_db:.2f} dB; "
            f"gain {row.gain_db:+.2f} dB, worst {row.worst_gain_db:+.2f} dB ({row.worst})"
        )


if __name__ == "__main__":
    main()
