"""Encoded packets in a file of their own, with their exact times: a finished segment until the video is put together.

A head of eight bytes, the time base, then for each packet its pts, dts, duration, whether it is a key frame, its length
and its bytes. Numbers are little-endian; times are ticks of the time base.
"""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from av.packet import Packet

from subpixel.errors import BadInputError

HEAD = struct.Struct("<8sII")
MAGIC = b"spxpkts1"
PIECE_BYTES = 1 << 20
RECORD = struct.Struct("<qqq?xxxI")


class PacketLog:
    """A log that is written. Use it in a ``with`` statement; the file is on the disk when that ends well."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._hash = hashlib.sha256()
        self._time_base: Fraction | None = None

    def __enter__(self) -> PacketLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, fault: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()

    def put(self, packet: Packet[Any]) -> None:
        """Add an encoder's packet."""
        data, base = bytes(packet), Fraction(packet.time_base)
        if self._time_base is None:
            self._time_base = base
            self._write(HEAD.pack(MAGIC, base.numerator, base.denominator))
        pts = packet.pts if packet.pts is not None else packet.dts or 0
        dts = packet.dts if packet.dts is not None else pts
        self._write(RECORD.pack(pts, dts, packet.duration or 0, packet.is_keyframe, len(data)))
        self._write(data)

    def _write(self, data: bytes) -> None:
        self._file.write(data)
        self._hash.update(data)

    @property
    def sha256(self) -> str:
        """Of everything written so far."""
        return self._hash.hexdigest()


def read_log(path: Path, sha256: str) -> Iterator[Packet[Any]]:
    """The packets in the order of their encoding. Raises ``BadInputError`` for a file that was damaged."""
    try:
        with path.open("rb") as file:
            if _digest(file) != sha256:
                raise BadInputError(f"{path} was changed since it was written; remove its folder and begin anew")
            file.seek(0)
            yield from _records(file)
    except OSError as fault:
        raise BadInputError(f"{path} can't be read: {fault.strerror}") from fault


def _digest(file: BinaryIO) -> str:
    """In pieces: a segment may be larger than what memory there is."""
    found = hashlib.sha256()
    while piece := file.read(PIECE_BYTES):
        found.update(piece)
    return found.hexdigest()


def _records(file: BinaryIO) -> Iterator[Packet[Any]]:
    head = file.read(HEAD.size)
    if not head:
        return
    base = Fraction(*HEAD.unpack(head)[1:])
    while record := file.read(RECORD.size):
        pts, dts, duration, is_key, size = RECORD.unpack(record)
        packet: Packet[Any] = Packet(file.read(size))
        packet.pts, packet.dts, packet.duration, packet.time_base = pts, dts, duration, base
        packet.is_keyframe = is_key
        yield packet
