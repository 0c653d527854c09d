"""The verbs ``export`` and ``convert``."""

from __future__ import annotations

import re
from pathlib import Path

import click

from subpixel.bundle import Bundle, save
from subpixel.catalogue import SHIPPED, find_here
from subpixel.cli.console import Output, json_option, overwrite_option, quiet_option
from subpixel.errors import BadInputError, OutputError
from subpixel.export.driver import add_variant, export_trained
from subpixel.export.layers import LayerDifference, compare_layers, first_difference
from subpixel.export.parity import layer_frame
from subpixel.export.rebuild import rebuilt, rebuilt_or_none
from subpixel.export.report import Result, layer_table, rows, table
from subpixel.export.targets import TARGETS, target
from subpixel.models.registry import trained

NOTES_SHOWN = 2  # the bundle's evidence has them all

weights_option = click.option(
    "--weights", type=click.Path(path_type=Path), help="A .safetensors file instead of the committed weights."
)


@click.command(
    epilog="Example:  subpixel export espcn --scale 3 -o espcn-x3",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("name")
@click.option("--scale", type=int, help="Where NAME has none (espcn; espcn-x3 has one).")
@weights_option
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="A folder, or a file NAME.spx.")
@click.option("--no-u8", is_flag=True, help="Leave out the 8-bit kind: a second copy of the weights.")
@click.option("--layers", is_flag=True, help="Compare layer by layer too: shows the first tensor that differs.")
@json_option
@quiet_option
@overwrite_option
def export(
    name: str, scale: int | None, weights: Path | None, output: Path, no_u8: bool, layers: bool,
    as_json: bool, quiet: bool, overwrite: bool,
) -> int:  # fmt: skip
    """Export the trained model NAME to a bundle: ONNX in fp32, free size, compared with torch at other sizes."""
    refuse_existing(output, overwrite)
    out = Output(as_json, quiet)
    model = trained(name, scale, weights)
    with out.progress_console.status(f"exporting {model.name} and comparing it with torch"):
        bundle = export_trained(model, not no_u8)
    compared = compare(bundle, weights) if layers else ()
    made = [variant.id for variant in bundle.manifest.variants]
    return finish(save(bundle, output, overwrite), made, compared, out)


@click.command(
    epilog="Example:  subpixel convert espcn-x3 --to openvino --to litert -o mine.spx",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.argument("bundle")
@click.option("--to", "targets", multiple=True, required=True, type=click.Choice(list(TARGETS)), help="Repeatable.")
@weights_option
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write there; else into BUNDLE itself.")
@click.option("--size", metavar="WxH", help="The one frame size of a LiteRT file that can't take every size.")
@click.option("--layers", is_flag=True, help="Compare the ONNX layer by layer with torch too.")
@json_option
@quiet_option
@overwrite_option
def convert(
    bundle: str, targets: tuple[str, ...], weights: Path | None, output: Path | None, size: str | None, layers: bool,
    as_json: bool, quiet: bool, overwrite: bool,
) -> int:  # fmt: skip
    """Add variants of BUNDLE for other engines, each measured where it can run here."""
    fixed = frame_size(size)
    source = find_here(bundle)
    place = place_for(source, output, overwrite)
    out = Output(as_json, quiet)
    result = source
    for name in dict.fromkeys(targets):
        with out.progress_console.status(f"converting {source.spec.name} to {name}"):
            result = with_target(result, name, weights, fixed)
    made = [v.id for v in result.manifest.variants if v.target in targets]
    compared = compare(source, weights) if layers else ()
    return finish(save(result, place, overwrite=True), made, compared, out)


def with_target(bundle: Bundle, name: str, weights: Path | None, size: tuple[int, int] | None = None) -> Bundle:
    """The bundle with a target's variants; the torch net is built again where it can be, and where it must."""
    chosen = target(name)
    net = rebuilt(bundle, weights) if chosen.source == "torch" else rebuilt_or_none(bundle, weights)
    return add_variant(bundle, chosen, net, size)


def frame_size(text: str | None) -> tuple[int, int] | None:
    """``640x360`` (width first) as height and width. Raises ``BadInputError``."""
    if text is None:
        return None
    found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
    if found is None:
        raise BadInputError(f"--size {text!r}: needed WIDTHxHEIGHT in pixels, 640x360 for one")
    return int(found.group(2)), int(found.group(1))


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Before the work, not after it. Raises ``OutputError``."""
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists; choose another name or pass --overwrite")


def place_for(bundle: Bundle, output: Path | None, overwrite: bool) -> Path:
    """Where the result goes: ``output``, else the bundle's own place unless it came with the package."""
    if output is not None:
        if bundle.path is None or not output.exists() or not output.samefile(bundle.path):
            refuse_existing(output, overwrite)
        return output
    if bundle.path is None or SHIPPED in bundle.path.parents:
        raise BadInputError(f"{bundle.spec.name} comes with the package and stays as it is; name a copy with -o FILE")
    return bundle.path


def compare(bundle: Bundle, weights: Path | None) -> tuple[LayerDifference, ...]:
    """The bundle's reference layer by layer against torch."""
    return compare_layers(rebuilt(bundle, weights), bundle.blobs(bundle.reference)[0], layer_frame(bundle.spec))


def finish(bundle: Bundle, ids: list[str], compared: tuple[LayerDifference, ...], out: Output) -> int:
    """Print what was made; exit code 1 when a gate failed."""
    found = rows(bundle, ids)
    failed = [row for row in found if not row.passed]
    out.console.print(table(found))
    for row in failed:
        for line in (*row.verdicts, *row.notes[:NOTES_SHOWN]):
            out.say(f"{row.variant}: {line}")
    if compared:
        out.console.print(layer_table(compared))
    out.say(_closing(bundle, len(failed), compared))
    out.result(Result(str(bundle.path), bundle.spec.name, not failed, found, compared))
    return 1 if failed else 0


def _closing(bundle: Bundle, failed: int, compared: tuple[LayerDifference, ...]) -> str:
    first = first_difference(compared)
    where = f"; the first tensor that differs: {first.module} ({first.node})" if first else ""
    if not failed:
        return f"wrote {bundle.path}{where}"
    hint = "" if compared else "; --layers shows where"
    kept = f"{failed} failed a gate: kept with their figures, never chosen by themselves"
    return f"wrote {bundle.path}; {kept}{where or hint}"
