"""Which encoder, with which pixel format and options; tried out before any work is done."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from av.codec import Codec, find_best_pix_fmt_of_list
from av.codec.codec import UnknownCodecError
from av.codec.context import CodecContext, Flags
from av.video.codeccontext import VideoCodecContext
from av.video.format import VideoFormat

from subpixel.errors import BadInputError
from subpixel.media.colour import ColourTags, as_bt709, as_rgb
from subpixel.media.containers import Container
from subpixel.media.decoders import codecs
from subpixel.media.faults import ffmpeg_faults
from subpixel.media.pixels import has_alpha, is_rgb, working_format

DEFAULT_OPTIONS: dict[str, dict[str, str]] = {
    "libx264": {"preset": "veryfast", "crf": "18"},
    "libx264rgb": {"preset": "veryfast", "crf": "18"},
    "libx265": {"preset": "veryfast", "crf": "20", "x265-params": "log-level=error"},
    "libvpx-vp9": {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1"},
    "libsvtav1": {"crf": "26", "preset": "9"},
    "mpeg4": {"qmin": "3", "qmax": "3"},  # ``global_quality`` has no effect: the ffmpeg command alone puts it on frames
}
RATE_CONTROLS = frozenset({"crf", "qp", "b", "global_quality", "cqp", "lossless"})
QUANTISERS = frozenset({"qmin", "qmax"})  # of encoders whose defaults have them; to others they are only limits
# x264's (165) AVX-512 code for mbtree reads memory that was never set, so of one clip it makes several files.
REPEATABLE = ("x264-params", "asm=avx2")
MOST_TICKS = {"mpeg4": 65535}  # in a second
# FFmpeg's FF_LOSS bits, by number: PyAV has names for them from 18 on, and 17 is the last for Python 3.10.
LOSSES = (
    (4, "RGB and Y'CbCr are exchanged"),
    (2, "fewer bits a sample"),
    (8, "transparency is left out"),
    (32, "colour is left out"),
    (1, "fewer chroma samples"),
)


@dataclass(frozen=True)
class Encoding:
    """How the result is encoded: ``size`` as coded, even where the encoder needs it; ``tags`` of the coded colours."""

    name: str
    pixel_format: str
    options: tuple[tuple[str, str], ...]
    size: tuple[int, int]
    time_base: Fraction
    rate: Fraction
    aspect: Fraction | None
    tags: ColourTags
    threads: int
    notes: tuple[str, ...] = ()

    def set_up(self, context: VideoCodecContext) -> None:
        """Put everything on an encoder that is not open yet."""
        context.width, context.height = self.size
        context.pix_fmt, context.time_base, context.framerate = self.pixel_format, self.time_base, self.rate
        context.sample_aspect_ratio = self.aspect or Fraction(0, 1)
        context.thread_count, context.thread_type = self.threads, "AUTO"  # not slices: x264 would lose quality
        context.flags |= Flags.frame_duration
        self.tags.put_on(context)
        context.options = dict(self.options)


@dataclass(frozen=True)
class EncoderWish:
    """What is to be coded: ``working`` format, ``size``, times, colours; the caller's encoder and options.

    ``repeatable``: the same frames must become the same packets, whenever they are coded.
    """

    working: str
    size: tuple[int, int]
    time_base: Fraction
    rate: Fraction
    aspect: Fraction | None
    tags: ColourTags
    siting: str
    name: str | None = None
    options: tuple[tuple[str, str], ...] = ()
    threads: int = 0
    repeatable: bool = False


def choose_encoding(wish: EncoderWish, container: Container) -> Encoding:
    """The encoding for the wish, tried out. Raises ``BadInputError``."""
    codec = _codec(wish.name, container)
    offered = [form.name for form in codec.video_formats or []]
    pixel_format, lost = nearest_format(codec.name, offered, wish.working)
    asked = dict(wish.options)
    options = {**_defaults(codec.name, asked), **_siting_option(wish), **asked}
    options |= _repeatable(asked) if wish.repeatable and codec.name.startswith("libx264") else {}
    notes = (f"{wish.working} became {pixel_format} for {codec.name}: {lost}",) if lost else ()
    time_base, rounded = _time_base(codec.name, wish.time_base)
    encoding = Encoding(
        codec.name, pixel_format, tuple(options.items()), wish.size, time_base, wish.rate, wish.aspect,
        _coded_tags(wish, pixel_format), wish.threads, (*notes, *rounded),
    )  # fmt: skip
    return _working_size(encoding)


def _defaults(name: str, asked: dict[str, str]) -> dict[str, str]:
    """Our options for this encoder; our quality gives way to any that is asked for, else ``crf`` would win over it."""
    defaults = DEFAULT_OPTIONS.get(name, {})
    ours = (RATE_CONTROLS | QUANTISERS) & set(defaults)
    if not (RATE_CONTROLS | ours) & set(asked):
        return defaults
    return {key: value for key, value in defaults.items() if key not in ours}


def _time_base(name: str, wanted: Fraction) -> tuple[Fraction, tuple[str, ...]]:
    """The clock that is coded with, and a note where it is a coarser one than the video's."""
    most, ticks = MOST_TICKS.get(name), wanted.denominator
    if most is None or ticks <= most:
        return wanted, ()
    ticks //= -(-ticks // most)  # where it can be, so that some of the old ticks are a new one
    note = f"{name} counts time in 1/{ticks} s: frames are off by {500_000 / ticks:.0f} us at most"
    return Fraction(1, ticks), (note,)


def _codec(name: str | None, container: Container) -> Codec:
    for candidate in (name,) if name else container.encoders:
        try:
            codec = Codec(candidate, "w")
        except UnknownCodecError:
            continue
        if codec.type != "video":
            raise BadInputError(f"--encoder {candidate}: that is an encoder for {codec.type}; needed one for video")
        return codec
    if name is None:
        raise BadInputError(f"this FFmpeg has no encoder for {container.format}; name one with --encoder")
    near = difflib.get_close_matches(name, video_encoders(), n=3)
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    raise BadInputError(f"--encoder {name}: this FFmpeg has no such encoder{hint}")


def video_encoders() -> list[str]:
    """The names of all of this FFmpeg's encoders for video; hardware ones may still not open."""
    return [name for name, codec in codecs("w") if codec.type == "video"]


def nearest_format(encoder: str, offered: Sequence[str], working: str) -> tuple[str, str]:
    """The nearest of the pixel formats that an encoder takes and, in words, what is lost with it.

    No format stands for one in a device's own memory. Raises ``BadInputError`` where there is no other.
    """
    if not offered or working in offered:
        return working, ""
    usable = [name for name in offered if _is_plain(name)]
    if not usable:
        raise BadInputError(
            f"--encoder {encoder}: found pixel formats that can't be filled here ({', '.join(offered)}), needed one in "
            "ordinary memory as yuv420p or nv12; name another encoder, or leave --encoder out"
        )
    best, loss = find_best_pix_fmt_of_list(usable, working, has_alpha=has_alpha(working))
    if best is None:
        raise BadInputError(f"--encoder {encoder}: none of its pixel formats holds {working}; choose another")
    return best.name, ", ".join(text for flag, text in LOSSES if loss & flag)


def _is_plain(name: str) -> bool:
    """In ordinary memory and such that libswscale writes it; of 4:2:2, none in two planes, which few cards take."""
    odd = "f16" in name or name.startswith(("yuvj", "nv16", "nv20", "nv21"))
    return bool(VideoFormat(name).components) and not odd


def _coded_tags(wish: EncoderWish, pixel_format: str) -> ColourTags:
    coded_rgb = is_rgb(working_format(pixel_format))
    if coded_rgb == is_rgb(wish.working):
        return wish.tags
    return as_rgb(wish.tags) if coded_rgb else as_bt709(wish.tags)


def _siting_option(wish: EncoderWish) -> dict[str, str]:
    return {} if wish.siting == "left" else {"chroma_sample_location": wish.siting}


def _repeatable(asked: dict[str, str]) -> dict[str, str]:
    """x264's parameters without those instructions; as they are where they choose some, or the processor has none."""
    from subpixel.cpu import instruction_sets

    name, ours = REPEATABLE
    given = asked.get(name, "")
    chooses = any(part.partition("=")[0] in ("asm", "no-asm") for part in given.split(":"))
    if chooses or "avx2" not in instruction_sets():
        return {}
    return {name: f"{given}:{ours}".lstrip(":")}


def _working_size(encoding: Encoding) -> Encoding:
    """The encoding as it is, or with even sides where the encoder refuses odd ones."""
    width, height = encoding.size
    even = replace(encoding, size=(width + width % 2, height + height % 2))
    if even.size == encoding.size:
        _try_out(encoding)
        return encoding
    try:
        _try_out(encoding)
        return encoding
    except BadInputError:
        _try_out(even)
    text = f"{encoding.name} needs even sides: {width}x{height} was filled up to {even.size[0]}x{even.size[1]} by "
    return replace(even, notes=(*encoding.notes, text + "repeating the last column or row"))


def _try_out(encoding: Encoding) -> None:
    context = CodecContext.create(encoding.name, "w")
    assert isinstance(context, VideoCodecContext)
    encoding.set_up(context)
    width, height = encoding.size
    doing = f"{encoding.name} can't encode {width}x{height} {encoding.pixel_format} with these options"
    with ffmpeg_faults(BadInputError, doing):
        context.open()
    if context.options:
        raise BadInputError(f"--encoder-option: {encoding.name} has no option {next(iter(context.options))!r}")
