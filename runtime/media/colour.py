"""Colour tags of a video: matrix, range, primaries, transfer, by FFmpeg's numbers (ITU-T H.273), carried unchanged."""

from __future__ import annotations

from dataclasses import dataclass, replace

from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

LIMITED, FULL, UNKNOWN_RANGE = 1, 2, 0
MATRIX_RGB, MATRIX_BT709, MATRIX_UNKNOWN = 0, 1, 2
TRANSFER_PQ, TRANSFER_HLG = 16, 18
MATRICES = {0: "RGB", 1: "BT.709", 4: "FCC", 5: "BT.601", 6: "BT.601", 7: "SMPTE 240M", 9: "BT.2020", 10: "BT.2020 CL"}
TRANSFERS = {TRANSFER_PQ: "PQ", TRANSFER_HLG: "HLG"}
RANGES = {LIMITED: "limited range", FULL: "full range"}


@dataclass(frozen=True)
class ColourTags:
    """What a stream says of its colours; ``matrix``, ``primaries`` and ``transfer`` may be unspecified (2).

    ``range`` is settled, limited or full; ``is_tagged``: the stream says so itself.
    """

    matrix: int
    range: int
    primaries: int
    transfer: int
    is_tagged: bool = True

    @property
    def is_full(self) -> bool:
        """Levels run from 0 to the largest code, not from 16 to 235."""
        return self.range == FULL

    @property
    def is_hdr(self) -> bool:
        """PQ or HLG."""
        return self.transfer in TRANSFERS

    def __str__(self) -> str:
        matrix = MATRICES.get(self.matrix, "matrix not tagged")
        range_ = RANGES[self.range] + ("" if self.is_tagged else " assumed")
        return ", ".join([matrix, range_, *filter(None, [TRANSFERS.get(self.transfer)])])

    def put_on(self, carrier: VideoFrame | VideoCodecContext) -> None:
        """Tag a frame, or an encoder before it is opened."""
        carrier.colorspace = self.matrix
        carrier.color_range = self.range if self.is_tagged else UNKNOWN_RANGE
        carrier.color_primaries, carrier.color_trc = self.primaries, self.transfer


def colour_tags(frame: VideoFrame) -> ColourTags:
    """The tags of a decoded frame. A range not tagged is full for RGB, grey and FFmpeg's ``yuvj``, else limited."""
    tags = ColourTags(frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc)
    if tags.range in RANGES:
        return tags
    name = frame.format.name
    is_full = frame.format.is_rgb or name.startswith(("yuvj", "gray", "ya", "pal"))
    return replace(tags, range=FULL if is_full else LIMITED, is_tagged=False)


def as_bt709(tags: ColourTags) -> ColourTags:
    """The tags after RGB became limited-range Y'CbCr of BT.709."""
    return replace(tags, matrix=MATRIX_BT709, range=LIMITED, is_tagged=True)


def as_rgb(tags: ColourTags) -> ColourTags:
    """The tags after Y'CbCr became RGB."""
    return replace(tags, matrix=MATRIX_RGB, range=FULL, is_tagged=True)
