"""Luma planes of image files and clips, in 8-bit studio levels as a luma model gets them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from subpixel.errors import BadInputError, faults_as
from subpixel.gate_images import SUFFIXES as IMAGES
from subpixel.gate_images import read_luma

__all__ = ["IMAGES", "Plane", "clip_planes", "image_plane"]

Plane = NDArray[np.uint8]
PLANAR = ("yuv", "nv12", "nv21", "gray")
FULL_RANGE = 2  # AVCOL_RANGE_JPEG


def image_plane(file: Path) -> Plane:
    """Y of an image file, ``[H, W]``."""
    return np.clip(np.rint(read_luma(file) * 255), 0, 255).astype(np.uint8)


def clip_planes(clip: Path, count: int, random: np.random.Generator) -> Iterator[tuple[int, Plane]]:
    """``count`` frames of a clip (all, where it is shorter, some twice), with their numbers, in order.

    Raises ``BadInputError``.
    """
    total = _frame_count(clip)
    wanted = np.sort(np.concatenate([random.permutation(total) for _ in range(-(-count // total))])[:count])
    repeats = {int(number): int(times) for number, times in zip(*np.unique(wanted, return_counts=True), strict=True)}
    with faults_as(BadInputError, f"{clip.name} can't be decoded"), av.open(str(clip)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            for _ in range(repeats.get(number, 0)):
                yield number, luma_plane(frame)
            if number >= wanted[-1]:
                return


def _frame_count(clip: Path) -> int:
    """By decoding nothing: one packet a frame."""
    with faults_as(BadInputError, f"{clip.name} can't be read as a clip"), av.open(str(clip)) as container:
        if not container.streams.video:
            raise BadInputError(f"{clip.name} has no video; needed a clip or a folder of images")
        total = sum(1 for packet in container.demux(video=0) if packet.size)
    if not total:
        raise BadInputError(f"{clip.name} has no frames; needed a clip or a folder of images")
    return total


def luma_plane(frame: av.VideoFrame) -> Plane:
    """The frame's own Y, ``[H, W]``; 10 bit and RGB are converted to 8-bit 4:2:0 first, full range to studio swing."""
    is_full = frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj")
    if not (frame.format.name.startswith(PLANAR) and frame.format.components[0].bits == 8):
        frame = frame.reformat(format="yuv420p")
        is_full = is_full and frame.color_range == FULL_RANGE
    memory = frame.planes[0]
    rows: Plane = np.frombuffer(bytes(memory), np.uint8).reshape(memory.height, memory.line_size)
    plane = rows[: frame.height, : frame.width].copy()
    if is_full:
        return np.asarray(np.rint(16 + plane * (219 / 255)), np.uint8)
    return plane
