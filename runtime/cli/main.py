"""The command line: a table of verbs, each resolved only when used, and one place where errors become exit codes."""

from __future__ import annotations

import gc
import importlib
import os
import sys
from typing import NoReturn

import click

from subpixel import __version__
from subpixel.errors import MissingPackageError, SubpixelError

INTERRUPTED = 130
GC_THRESHOLD = 20_000  # objects; by Python's own 700 work is interrupted for it all the time
BLAS_SLEEPS = ("OPENBLAS_THREAD_TIMEOUT", "4")  # at once: NumPy's threads spin for a tenth of a second after its import

# verb -> (module:command, the extra it needs, one line of help)
VERBS: dict[str, tuple[str, str, str]] = {
    "upscale": ("subpixel.cli.upscale:upscale", "", "Enlarge images and videos."),
    "models": ("subpixel.cli.info:models", "", "List the models that come with the package."),
    "info": ("subpixel.cli.info:info", "", "Show what a bundle holds."),
    "check": ("subpixel.cli.check:check", "", "Measure every variant of a bundle against the gates."),
    "bench": ("subpixel.devices.bench_cli:bench", "", "Time every usable variant and the whole job on this device."),
    "doctor": ("subpixel.devices.doctor_cli:doctor", "", "Say what this device can run, and what is missing."),
    "demo": ("subpixel.cli.demo:demo", "", "Enlarge the sample clip and show before and after."),
    "train": ("subpixel.models.cli:train", "train", "Train a model."),
    "evaluate": ("subpixel.models.evaluate_cli:evaluate", "train", "Measure a model by the field's protocol."),
    "export": ("subpixel.export.cli:export", "export", "Export a trained model to a bundle."),
    "adapt": ("subpixel.export.adapt_cli:adapt", "export", "Train a net on one picture or clip alone."),
    "convert": ("subpixel.export.cli:convert", "export", "Add OpenVINO, LiteRT or TensorRT variants to a bundle."),
    "quantize": ("subpixel.quantize.cli:quantize", "quantize", "Add an int8 variant to a bundle."),
}


class Verbs(click.Group):
    """Lists all verbs from the table; imports a verb's module when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        target, extra, _ = VERBS[cmd_name]
        module, _, name = target.partition(":")
        try:
            command = getattr(importlib.import_module(module), name)
        except ModuleNotFoundError as fault:
            if not extra or (fault.name or "").startswith("subpixel"):
                raise
            text = f"`subpixel {cmd_name}` needs {fault.name}, which isn't installed; pip install 'subpixel[{extra}]'"
            raise MissingPackageError(text) from fault
        assert isinstance(command, click.Command)
        gc.enable()
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Verbs"):
            formatter.write_dl([(verb, text) for verb, (_, _, text) in VERBS.items()])


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="subpixel")
def cli() -> None:
    """Super-resolution on the device at hand.

    \b
    Example:  subpixel upscale clip.mp4 clip-x3.mp4
    """


def main() -> NoReturn:
    """Run the command line; our errors become one line and an exit code, an interrupt 130."""
    os.environ.setdefault(*BLAS_SLEEPS)
    gc.set_threshold(GC_THRESHOLD)
    gc.disable()  # what is imported stays: to look for garbage there is a tenth of the start
    try:
        result = cli.main(standalone_mode=False)
    except SubpixelError as fault:
        _complain(str(fault), fault.exit_code)
    except click.exceptions.Abort:
        _complain("interrupted", INTERRUPTED)
    except KeyboardInterrupt:
        _complain("interrupted", INTERRUPTED)
    except click.ClickException as fault:
        fault.show()
        sys.exit(2)
    except MemoryError:
        _complain("not enough memory; use a smaller frame, or close other programs", SubpixelError.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    finally:
        gc.freeze()  # at the end Python looks through all there is, and what would be found is freed by the system
    sys.exit(result if isinstance(result, int) else 0)


def _complain(text: str, exit_code: int) -> NoReturn:
    print(f"subpixel: {text}", file=sys.stderr)
    sys.exit(exit_code)
