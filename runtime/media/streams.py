"""What becomes of every stream beside the video: copied packet by packet, converted, or left out with a word."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from av.container import InputContainer
from av.stream import Stream

from subpixel.errors import BadInputError
from subpixel.media.containers import TEXT_CODECS, Container, holds, picture_type
from subpixel.media.probe import StreamInfo, is_picture

Action = Literal["enlarge", "copy", "convert", "attach", "drop"]
WORDS: dict[Action, str] = {
    "enlarge": "enlarged", "copy": "copied", "convert": "converted", "attach": "copied", "drop": "left out",
}  # fmt: skip
# Tags that tell of the old file or of the old coding, not of the content.
STALE_TAGS = ("encoder", "duration", "vendor_id", "major_brand", "minor_version", "compatible_brands", "rotate")
STALE_PREFIXES = ("bps", "number_of_", "_statistics_")


@dataclass(frozen=True)
class Fate:
    """One input stream and what is done with it; ``becomes``: the codec after a conversion; ``why``: it is left out."""

    stream: StreamInfo
    action: Action
    becomes: str = ""
    why: str = ""

    def __str__(self) -> str:
        more = f" to {self.becomes}" if self.becomes else f" ({self.why})" if self.why else ""
        return f"{self.stream}: {WORDS[self.action]}{more}"


def plan_fates(
    source: InputContainer, infos: tuple[StreamInfo, ...], main: int, container: Container, drop_unsupported: bool
) -> tuple[Fate, ...]:
    """The fate of every stream. Raises ``BadInputError`` naming all that ``container`` can't hold."""
    fates = tuple(
        Fate(info, "enlarge") if info.index == main else _fate(stream, info, container)
        for stream, info in zip(source.streams, infos, strict=True)
    )
    refused = [fate for fate in fates if fate.action == "drop" and fate.why == _cannot(container)]
    if refused and not drop_unsupported:
        raise BadInputError(
            f".{_suffix(container)} files can't hold {'; '.join(str(fate.stream) for fate in refused)}; "
            "write an .mkv, which can, or leave such streams out with --drop-unsupported"
        )
    return fates


def _fate(stream: Stream, info: StreamInfo, container: Container) -> Fate:
    if info.kind == "data":
        return Fate(info, "drop", why=_data_reason(stream))
    if info.kind == "attachment":
        return Fate(info, "attach") if container.attachments else Fate(info, "drop", why=_cannot(container))
    if is_picture(stream):
        return _picture_fate(info, container)
    if info.kind in ("video", "audio", "subtitle") and stream.codec_context is not None and holds(container, stream):
        return Fate(info, "copy")
    if info.kind == "subtitle" and info.codec in TEXT_CODECS and container.text:
        return Fate(info, "convert", becomes=container.text)
    return Fate(info, "drop", why=_cannot(container))


def _picture_fate(info: StreamInfo, container: Container) -> Fate:
    if container.pictures == "stream":
        return Fate(info, "copy")
    if container.pictures == "attachment":
        return Fate(info, "attach", becomes=picture_type(info.codec)[0])
    return Fate(info, "drop", why=_cannot(container))


def _cannot(container: Container) -> str:
    return f".{_suffix(container)} can't hold it"


def _suffix(container: Container) -> str:
    return container.suffixes[0].lstrip(".")


def _data_reason(stream: Stream) -> str:
    if stream.metadata.get("timecode"):
        return "the timecode is written anew"
    return "chapters are written anew" if stream.container.chapters() else "data streams are not carried"


def content_tags(metadata: dict[str, str]) -> dict[str, str]:
    """Metadata that still holds for the new file."""
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in STALE_TAGS and not key.lower().startswith(STALE_PREFIXES)
    }


def stream_tags(stream: Stream, container: Container) -> dict[str, str]:
    """A stream's language, title, handler and the rest, under the names that ``container`` takes."""
    tags = content_tags(dict(stream.metadata))
    title = tags.pop("name", None) or tags.pop("NAME", None)
    if title and "title" not in tags:
        tags["title"] = title
    if container.format == "matroska" and tags.get("language") == "und":
        del tags["language"]
    return tags


def without(fates: tuple[Fate, ...], index: int, why: str) -> tuple[Fate, ...]:
    """The fates with one stream left out after all."""
    return tuple(replace(f, action="drop", why=why) if f.stream.index == index else f for f in fates)
