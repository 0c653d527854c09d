"""The verb ``adapt``: train on the user's own picture or clip, and pack the net."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from subpixel.bundle import save
from subpixel.cli.console import Output, json_option, overwrite_option, quiet_option
from subpixel.cli.progress import interruptible_once
from subpixel.errors import BadInputError, NotFoundError
from subpixel.export.cli import refuse_existing
from subpixel.export.driver import export_trained
from subpixel.export.report import Row, rows, table
from subpixel.models.adaptation import UNBOUNDED_STEPS, Adaptation, Adapted, Wish
from subpixel.models.own_frames import own_planes
from subpixel.models.zssr import SCALES

WEIGHTS_FILE = "weights.safetensors"
LONGEST_MINUTES = 600


@dataclass(frozen=True)
class AdaptResult:
    """What the verb made, for ``--json``."""

    bundle: str
    name: str
    passed: bool
    adapted: Adapted
    variants: tuple[Row, ...]


@click.command(
    epilog="Example:  subpixel adapt holiday.mp4 -o holiday-x2.spx --minutes 5",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("source", metavar="INPUT", type=click.Path(path_type=Path))
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="A folder, or a file NAME.spx.")
@click.option("--scale", type=int, default=2, show_default=True, help="The factor: 2, 3 or 4.")
@click.option("--minutes", type=float, default=2.0, show_default=True, help="At most so long; it may finish earlier.")
@click.option("--steps", type=click.IntRange(1), help="At most so many steps too; the same number gives the same net.")
@click.option("--kernel", default="estimate", show_default=True,
              help="What reduced the input: bicubic, estimate, or a .npy file with the kernel.")  # fmt: skip
@json_option
@quiet_option
@overwrite_option
def adapt(
    source: Path, output: Path, scale: int, minutes: float, steps: int | None, kernel: str,
    as_json: bool, quiet: bool, overwrite: bool,
) -> int:  # fmt: skip
    """Train a net on INPUT alone, a picture or a clip, and write a bundle that `upscale --model` plays.

    Interrupted by Ctrl-C it keeps its state in OUTPUT.part; the same command goes on from there.
    """
    refuse(source, output, scale, minutes, overwrite)
    out, part = Output(as_json, quiet), output.with_name(f"{output.name}.part")
    with interruptible_once():
        trained = train(source, Wish(scale, kernel, minutes, steps or UNBOUNDED_STEPS), part, out)
    model, adapted = trained.result(source.name)
    with out.progress_console.status("exporting and comparing with torch"):
        bundle = export_trained(model).plus_file(WEIGHTS_FILE, model.weights)
    written = save(bundle, output, overwrite)
    shutil.rmtree(part)
    found = rows(written, [variant.id for variant in written.manifest.variants])
    say(out, written.path or output, adapted, found)
    passed = all(row.passed for row in found)
    out.result(AdaptResult(str(written.path), written.spec.name, passed, adapted, found))
    return 0 if passed else 1


def refuse(source: Path, output: Path, scale: int, minutes: float, overwrite: bool) -> None:
    """Before any work. Raises ``NotFoundError``, ``BadInputError`` or ``OutputError``."""
    refuse_existing(output, overwrite)
    if not source.exists():
        raise NotFoundError(f"{source}: no such file; needed a picture or a clip to learn from")
    if scale not in SCALES:
        raise BadInputError(f"--scale {scale}: needed one of {', '.join(map(str, SCALES))}")
    if not 0 < minutes <= LONGEST_MINUTES:
        raise BadInputError(f"--minutes {minutes:g}: needed more than 0 and at most {LONGEST_MINUTES}")


def train(source: Path, wish: Wish, part: Path, out: Output) -> Adaptation:
    """Read, and train to the end, from the state in ``part`` where there is one."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    with Progress(*columns, console=out.progress_console, disable=quiet_or_plain(out)) as bar:
        looking = bar.add_task("reading", total=None, note="")
        planes = own_planes(source, seen=lambda count: bar.update(looking, note=f"{count} frames"))
        bar.update(looking, visible=False)
        adaptation = Adaptation(planes, wish, part)
        if adaptation.resumed:
            out.say(f"going on from {part} at step {adaptation.trainer.progress.step}")
        task = bar.add_task("training", total=60 * wish.minutes, note="")
        try:
            adaptation.run(lambda seconds, step: bar.update(task, completed=seconds, note=f"step {step}"))
        except KeyboardInterrupt:
            out.say(f"kept the training so far in {part}; the same command goes on from there")
            raise
    return adaptation


def quiet_or_plain(out: Output) -> bool:
    """No bar where nobody sees one."""
    return out.quiet or not out.progress_console.is_terminal


def say(out: Output, place: Path, adapted: Adapted, found: tuple[Row, ...]) -> None:
    """The outcome, for people."""
    out.console.print(table(found))
    (xx, xy), (_, yy) = adapted.covariance
    source = "picture" if adapted.frames == 1 else f"{adapted.frames} frames"
    out.say(f"kernel {adapted.kernel}: covariance {xx:.2f}, {xy:.2f}, {yy:.2f} HR pixels squared")
    out.say(
        f"{source}, {adapted.steps} steps in {adapted.seconds:.0f} s; made again from its own reduction: "
        f"{adapted.psnr_db:.2f} dB, bicubic {adapted.bicubic_psnr_db:.2f} dB"
    )
    if adapted.psnr_db <= adapted.bicubic_psnr_db:
        out.say("that is no better than bicubic: give it more --minutes")
    out.say(f"wrote {place}; play it: subpixel upscale INPUT OUTPUT --model {place}")
