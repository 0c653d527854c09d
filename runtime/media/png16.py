"""PNG by its chunks: 16 bits a channel, which Pillow cuts to 8, and metadata carried over byte for byte.

Source: W3C, Portable Network Graphics (PNG) Specification, third edition. FFmpeg decodes; zlib and numpy encode.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from subpixel.errors import BadInputError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels -> the header's colour type: grey, grey+alpha, RGB, RGB+alpha
# Of equal meaning for a picture of another size. eXIf is not among them: it holds the size.
KEPT_CHUNKS = (b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"mDCV", b"cLLI", b"pHYs", b"tEXt", b"zTXt", b"iTXt")


@dataclass(frozen=True)
class Chunk:
    """One chunk: four letters and its data, the length and the check sum left out."""

    kind: bytes
    data: bytes

    def pack(self) -> bytes:
        """As it stands in a file."""
        check = zlib.crc32(self.kind + self.data)
        return struct.pack(">I", len(self.data)) + self.kind + self.data + struct.pack(">I", check)


def read_chunks(png: bytes) -> Iterator[Chunk]:
    """All chunks to IEND. Raises ``BadInputError`` when the file is cut or a check sum is wrong."""
    at = len(SIGNATURE)
    while True:
        header = png[at : at + 8]
        size = int.from_bytes(header[:4], "big")
        tail = png[at + 8 + size : at + 12 + size]
        if len(header) < 8 or len(tail) < 4:
            raise BadInputError("the PNG file is cut off; fetch or save it again")
        chunk = Chunk(header[4:], png[at + 8 : at + 8 + size])
        if zlib.crc32(chunk.kind + chunk.data) != int.from_bytes(tail, "big"):
            name = chunk.kind.decode("latin-1")
            raise BadInputError(f"the PNG file is damaged (chunk {name} has a wrong check sum); fetch it again")
        yield chunk
        if chunk.kind == b"IEND":
            return
        at += 12 + size


def has_16_bits(png: bytes) -> bool:
    """Whether the header says 16 bits a channel."""
    return png.startswith(SIGNATURE) and len(png) > 24 and png[24] == 16


def decode(png: bytes) -> NDArray[np.uint16]:
    """The pixels of a 16 bit PNG ``[H, W, C]``: grey, grey+alpha, RGB or RGB+alpha (a transparent colour included)."""
    codec: Any = av.CodecContext.create("png", "r")
    try:
        frame = (codec.decode(av.Packet(png)) + codec.decode(None))[0]
    except (av.FFmpegError, IndexError) as fault:
        raise BadInputError("the PNG file is damaged and can't be decoded; fetch it again") from fault
    channels = len(frame.format.components)
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width * channels * 2]
    pixels: NDArray[np.uint16] = np.ascontiguousarray(rows).view(">u2").astype(np.uint16)
    return pixels.reshape(frame.height, frame.width, channels)


def encode(pixels: NDArray[np.uint16]) -> bytes:
    """A PNG of 16 bits a channel from ``[H, W, C]``. Each row is stored as its difference from the row above."""
    height, width, channels = pixels.shape
    header = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPES[channels], 0, 0, 0)
    packer = zlib.compressobj(4)
    body = b"".join(packer.compress(block) for block in _filtered(pixels)) + packer.flush()
    return SIGNATURE + b"".join(c.pack() for c in (Chunk(b"IHDR", header), Chunk(b"IDAT", body), Chunk(b"IEND", b"")))


def _filtered(pixels: NDArray[np.uint16], rows: int = 64) -> Iterator[bytes]:
    """Rows with filter type 2 ("Up") in front, a few at a time to spare memory."""
    above = np.zeros(pixels.shape[1] * pixels.shape[2] * 2, np.uint8)
    for first in range(0, pixels.shape[0], rows):
        block = np.ascontiguousarray(pixels[first : first + rows]).astype(">u2")
        raw = block.reshape(len(block), -1).view(np.uint8)
        lines = np.full((len(raw), raw.shape[1] + 1), 2, np.uint8)
        lines[0, 1:] = raw[0] - above
        lines[1:, 1:] = raw[1:] - raw[:-1]
        above = raw[-1]
        yield lines.tobytes()


def with_chunks(png: bytes, extra: Sequence[Chunk]) -> bytes:
    """The PNG with ``extra`` put behind its header."""
    body = len(SIGNATURE) + 25
    return png[:body] + b"".join(chunk.pack() for chunk in extra) + png[body:]
