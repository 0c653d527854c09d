"""The finished segments and the source's other streams, put together to the new file."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from av.packet import Packet

from subpixel.errors import BadInputError
from subpixel.media.packet_log import read_log
from subpixel.media.places import FilePlace
from subpixel.media.plan import Plan
from subpixel.media.probe import open_input
from subpixel.media.reader import Losses, Reader
from subpixel.media.segments import JobFolder
from subpixel.media.video import faults_told, findings, left_clean
from subpixel.media.writer import Writer


def assemble(plan: Plan, folder: JobFolder) -> tuple[Losses, tuple[str, ...]]:
    """Write the file and give it its name; tells what was lost, and what is to be noted. Nothing is coded anew."""
    writer = Writer(FilePlace(folder.target, folder.fresh_path), plan.container, plan.encoding, plan.source.video)
    with open_input(plan.source.path) as container, faults_told(plan), left_clean(writer):
        reader = Reader(container, plan.source.video, plan.kept, plan.span, plan.options.threads)
        writer.open(container, plan.fates, plan.span)
        _refuse_other_headers(writer, folder)
        for packet in _side_by_side(video_packets(folder), reader.other_packets()):
            if packet.stream is None:
                writer.put(packet)
            else:
                writer.copy(packet)
        writer.end()
        notes = tuple(findings(plan, reader, _deinterlaced(folder), folder.fresh_path))
        folder.note_result(folder.fresh_path)
        writer.publish()
    return reader.losses, notes


def _deinterlaced(folder: JobFolder) -> int:
    return sum(segment.deinterlaced for segment in folder.job.segments)


def _refuse_other_headers(writer: Writer, folder: JobFolder) -> None:
    """The file has one set of the encoder's headers, which must be that of all segments."""
    if any(segment.extradata != writer.extradata.hex() for segment in folder.job.segments):
        raise BadInputError(
            f"the encoder's headers are not the same in all segments of {folder.path}, and they can't be joined; leave "
            "--resume out, or take another encoder"
        )


def video_packets(folder: JobFolder) -> Iterator[Packet[Any]]:
    """Of all segments, in order. Each encoder began anew; its decoding times go on where the last one's ended."""
    last: int | None = None
    for number, segment in enumerate(folder.job.segments):
        for packet in read_log(folder.log_path(number), segment.sha256):
            if last is not None and packet.dts is not None:
                packet.dts = max(packet.dts, last + 1)
            last = packet.dts
            yield packet


def _side_by_side(video: Iterator[Packet[Any]], others: Iterator[Packet[Any]]) -> Iterator[Packet[Any]]:
    """In the order of time, as far as each has its own in order."""
    waiting = next(others, None)
    for packet in video:
        while waiting is not None and _time(waiting) <= _time(packet):
            yield waiting
            waiting = next(others, None)
        yield packet
    if waiting is not None:
        yield waiting
    yield from others


def _time(packet: Packet[Any]) -> Fraction:
    ticks = packet.dts if packet.dts is not None else packet.pts
    return Fraction(0) if ticks is None else ticks * packet.time_base
