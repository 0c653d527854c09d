"""What a picture file says beside its pixels: colour profile, EXIF, XMP, resolution."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from subpixel.media.png16 import Chunk

EXIF_PREFIX = b"Exif\x00\x00"
ORIENTATION, EXIF_FOLDER = 0x0112, 0x8769
WIDTH_TAGS, HEIGHT_TAGS = (0x0100, 0xA002), (0x0101, 0xA003)
SHORT, LONG = 3, 4
XMP_KEYWORD = b"XML:com.adobe.xmp"
METRE_IN_INCHES = 1 / 0.0254


@dataclass(frozen=True)
class Metadata:
    """``icc``: colour profile; ``exif``: a TIFF structure without prefix; ``dpi``: across, down.

    ``chunks``: of a PNG, carried to a PNG as they are.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    chunks: tuple[Chunk, ...] = ()

    def names(self) -> tuple[str, ...]:
        """What there is, in words."""
        found = {"ICC profile": self.icc, "EXIF": self.exif, "XMP": self.xmp, "resolution": self.dpi}
        texts = [c for c in self.chunks if c.kind in (b"tEXt", b"zTXt") or _is_plain_text(c)]
        tags = [c.kind.decode() for c in self.chunks if c.kind in (b"sRGB", b"gAMA", b"cHRM", b"cICP")]
        names = [name for name, value in found.items() if value]
        return (*names, *(["text"] if texts else []), *tags)

    def resized(self, width: int, height: int) -> Metadata:
        """With the size in the EXIF set to the new one. Raises ``ValueError`` when the EXIF can't be read."""
        return replace(self, exif=resized_exif(self.exif, width, height)) if self.exif else self

    def png_chunks(self) -> tuple[Chunk, ...]:
        """As chunks of a PNG; what came from a PNG is taken as it was there."""
        made = [_icc(self.icc)] if self.icc else []
        made += [_xmp(self.xmp)] if self.xmp else []
        made += [_resolution(self.dpi)] if self.dpi else []
        there = {c.kind for c in self.chunks if not _is_plain_text(c)}
        exif = [Chunk(b"eXIf", self.exif)] if self.exif else []
        return (*self.chunks, *(c for c in made if c.kind not in there), *exif)


def _is_plain_text(chunk: Chunk) -> bool:
    return chunk.kind == b"iTXt" and not chunk.data.startswith(XMP_KEYWORD)


def _icc(profile: bytes) -> Chunk:
    return Chunk(b"iCCP", b"ICC profile\x00\x00" + zlib.compress(profile))


def _xmp(packet: bytes) -> Chunk:
    return Chunk(b"iTXt", XMP_KEYWORD + b"\x00\x00\x00\x00\x00" + packet)


def _resolution(dpi: tuple[float, float]) -> Chunk:
    across, down = (round(value * METRE_IN_INCHES) for value in dpi)
    return Chunk(b"pHYs", struct.pack(">IIB", across, down, 1))


@dataclass(frozen=True)
class ExifEntry:
    """A tag of one value: where its line of 12 bytes stands, and the value when it is a SHORT or a LONG."""

    tag: int
    at: int
    value: int


def orientation(exif: bytes | None) -> int:
    """The EXIF orientation, 1 to 8; 1 (as stored) when there is none."""
    try:
        found = [e.value for e in exif_entries(exif or b"") if e.tag == ORIENTATION]
    except ValueError:
        return 1
    return found[0] if found and 1 <= found[0] <= 8 else 1


def resized_exif(exif: bytes, width: int, height: int) -> bytes:
    """EXIF with its image size changed in place, all else byte for byte as it was (makers' notes hold offsets).

    Raises ``ValueError`` when it isn't a whole TIFF structure.
    """
    order = _byte_order(exif)
    changed = bytearray(exif)
    for entry in exif_entries(exif):
        if entry.tag in WIDTH_TAGS + HEIGHT_TAGS:
            size = width if entry.tag in WIDTH_TAGS else height
            struct.pack_into(f"{order}HHII", changed, entry.at, entry.tag, LONG, 1, size)
    return bytes(changed)


def exif_entries(exif: bytes) -> Iterator[ExifEntry]:
    """The single integers of the first folder and of the EXIF folder in it. Raises ``ValueError`` for damage."""
    order = _byte_order(exif)
    try:
        folders = [int(struct.unpack_from(f"{order}I", exif, 4)[0])]
        for folder in folders:
            for entry in _folder(exif, order, folder):
                if entry.tag == EXIF_FOLDER and len(folders) == 1:
                    folders.append(entry.value)
                yield entry
    except struct.error as fault:
        raise ValueError("the EXIF is cut off") from fault


def _byte_order(exif: bytes) -> str:
    order = {b"II*\x00": "<", b"MM\x00*": ">"}.get(exif[:4])
    if order is None:
        raise ValueError("the EXIF does not begin as a TIFF structure")
    return order


def _folder(exif: bytes, order: str, start: int) -> Iterator[ExifEntry]:
    (count,) = struct.unpack_from(f"{order}H", exif, start)
    for at in range(start + 2, start + 2 + 12 * count, 12):
        tag, kind, values = struct.unpack_from(f"{order}HHI", exif, at)
        if values == 1 and kind in (SHORT, LONG):
            (value,) = struct.unpack_from(order + ("H" if kind == SHORT else "I"), exif, at + 8)
            yield ExifEntry(tag, at, value)
