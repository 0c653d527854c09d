"""What ``subpixel upscale`` can be told, and the command line's words as values."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import click

from subpixel.cli.console import json_option, overwrite_option, quiet_option
from subpixel.engines.base import PRECISIONS
from subpixel.errors import BadInputError
from subpixel.media.options import UpscaleOptions, parse_duration, parse_option, parse_time
from subpixel.media.size import SizeWish, parse_size, parse_to
from subpixel.reuse import DEFAULT_LEVELS


def _option(*names: str, **settings: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return click.option(*names, **settings)


OPTIONS = (
    _option("--model", help="A shipped model (`subpixel models`) or a bundle's path; else the one that fits."),
    _option("--scale", type=click.IntRange(1), help="The factor; without --model the shipped one of that factor."),
    _option("--to", help="720p, 1080p, 4k ...: the shorter side's length; the model's result is resized to it."),
    _option("--size", help="WIDTHxHEIGHT of the result; the shape shown is kept."),
    _option("--compare", is_flag=True, help="Side by side: bicubic at the left, the model at the right."),
    _option("--start", metavar="TIME", help="Begin there, as 90s, 1m or 00:01:30; exact to the frame."),
    _option("--duration", metavar="TIME", help="Only so much."),
    _option("--preview", metavar="TIME", help="The same as --duration."),
    _option("--engine", help="onnxruntime, openvino, litert, tensorrt or bicubic; else the fastest that is trusted."),
    _option("--device", default="cpu", show_default=True, help="cpu, gpu, npu, cuda:0 ..."),
    _option("--fallback", type=click.Choice(["cpu"]), help="Allow the CPU where the device isn't there."),
    _option("--precision", type=click.Choice(PRECISIONS), default="auto", show_default=True, help="The arithmetic."),
    _option("--threads", type=click.IntRange(0), default=0, help="Of the model and of the codecs; 0: their choice."),
    _option("--no-tune", is_flag=True, help="Don't measure which variant is fastest here."),
    _option("--input-format", help="FFmpeg's name, for devices and streams: v4l2, mpegts ..."),
    _option("--input-option", "input_options", multiple=True, metavar="KEY=VALUE", help="Of a camera or a stream."),
    _option("--output-format", help="Of the output -: matroska (the default), mpegts or nut."),
    _option("--decoder", help="One of FFmpeg's decoders of the video's codec, as h264_v4l2m2m; else the usual one."),
    _option("--encoder", help="One of FFmpeg's video encoders; else libx264, or libvpx-vp9 for .webm."),
    _option("--encoder-option", "encoder_options", multiple=True, metavar="KEY=VALUE", help="Repeatable."),
    _option(
        "--deinterlace",
        type=click.Choice(["auto", "on", "off"]),
        default="auto",
        show_default=True,
        help="Interlaced frames to whole ones by bwdif: those that say they are, all, or none.",
    ),
    _option("--fps", type=float, help="Frames come at this pace and are given by their deadline, two frames later."),
    _option("--rung", "rungs", multiple=True, help="With --fps: a faster model to fall back to, beside bicubic."),
    _option(
        "--resume", is_flag=True, help="Work in segments kept in OUT.part/; the same command again goes on from there."
    ),
    _option("--segment", metavar="TIME", default="10s", show_default=True, help="Length of a segment of --resume."),
    _option(
        "--reuse-tolerance",
        type=float,
        metavar="LEVELS",
        default=DEFAULT_LEVELS,
        show_default=True,
        help="What changed by no more, of 255, since it was enlarged is not enlarged again.",
    ),
    _option("--no-reuse", is_flag=True, help="Enlarge every frame as a whole, whatever did not change."),
    _option("--drop-unsupported", is_flag=True, help="Leave out streams that OUT's container can't hold."),
    _option("-o", "--output-folder", metavar="FOLDER", help="Where the results go; then every other name is an input."),
    _option("--skip-existing", is_flag=True, help="With many files: leave out those whose result is there."),
    overwrite_option,
    json_option,
    quiet_option,
)


def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command all of them, in this order."""
    for option in reversed(OPTIONS):
        command = option(command)
    return command


NOT_AS_GIVEN = (
    "to", "size", "start", "duration", "preview", "no_tune", "no_reuse", "segment", "encoder_options", "input_options",
)  # fmt: skip


def options_of(given: dict[str, Any]) -> UpscaleOptions:
    """The command line's words as values. Raises ``BadInputError``."""
    renamed = {key: given[key] for key in given if key not in NOT_AS_GIVEN}
    return UpscaleOptions(
        size=_size(given["to"], given["size"]),
        start_seconds=parse_time(given["start"]) if given["start"] is not None else None,
        duration_seconds=_duration(given["duration"], given["preview"]),
        segment_seconds=parse_duration(given["segment"], "--segment"),
        tune=not given["no_tune"],
        reuse=not given["no_reuse"],
        encoder_options=tuple(parse_option(text) for text in given["encoder_options"]),
        input_options=tuple(parse_option(text, "--input-option") for text in given["input_options"]),
        **renamed,
    )


def _size(to: str | None, size: str | None) -> SizeWish | None:
    if to is not None and size is not None:
        raise BadInputError("--to and --size both say how large the result shall be; give one of them")
    if to is not None:
        return parse_to(to)
    return parse_size(size) if size is not None else None


def _duration(duration: str | None, preview: str | None) -> Fraction | None:
    if duration is not None and preview is not None:
        raise BadInputError("--preview is another word for --duration; give one of them")
    if duration is not None:
        return parse_duration(duration)
    return parse_duration(preview, "--preview") if preview is not None else None
