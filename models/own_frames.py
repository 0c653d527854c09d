"""The user's own picture or clip as luma planes to train on: frames taken from every scene of a clip."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from subpixel.errors import BadInputError
from subpixel.media.enlarge import Preparer
from subpixel.media.images_files import read_picture
from subpixel.media.images_kinds import is_image
from subpixel.media.luma import LumaCode, rgb_luma
from subpixel.media.pixels import bits_of, is_rgb, plane_of
from subpixel.media.probe import open_input, probe
from subpixel.media.reader import Reader
from subpixel.quality.colour import luma
from subpixel.scenes import SceneDetector
from subpixel.spec import Array

FRAMES = 12  # enough variety for one small net; more only costs memory
MOST_FRAMES = 9000  # of a clip that are looked through: six minutes at 25 a second

Plane = NDArray[np.float64]
Seen = Callable[[int], None]


def own_planes(source: Path, frames: int = FRAMES, seen: Seen = lambda count: None) -> list[Plane]:
    """Y in about [0, 1], ``[h, w]`` float64: of a picture, or of up to ``frames`` frames of a clip.

    ``seen`` is told how many frames were looked through. Raises ``NotFoundError`` or ``BadInputError``.
    """
    if is_image(source):
        return [picture_luma(source)]
    wanted = set(spread_over(scene_starts(source, seen), frames))
    return [as_float(plane) for at, plane in enumerate(clip_lumas(source, max(wanted) + 1)) if at in wanted]


def picture_luma(source: Path) -> Plane:
    """Of any picture that ``subpixel upscale`` reads."""
    colour = read_picture(source).colour
    values = colour / float(np.iinfo(colour.dtype).max)
    return luma(values if values.shape[2] == 3 else np.repeat(values, 3, axis=2))


def clip_lumas(source: Path, most: int = MOST_FRAMES) -> Iterator[Array]:
    """Frame by frame as a model gets it: uint8, or float32 in [0, 1]."""
    info = probe(source).video
    preparer = Preparer(info.tags, info.siting.name, info.size)
    code = LumaCode(bits_of(info.working_format), info.tags.is_full)
    count = 0
    with open_input(source) as container:
        for item in Reader(container, info, frozenset()).items():
            if isinstance(item, av.VideoFrame):
                frame = preparer(item).lr
                yield rgb_luma(frame, code.bits) if is_rgb(frame.format.name) else code.to_model(plane_of(frame, 0))
                count += 1
            if count >= most:
                return


def scene_starts(source: Path, seen: Seen) -> tuple[list[int], int]:
    """Where scenes begin, and how many frames there are. Raises ``BadInputError`` for a clip without one."""
    detector, starts, count = SceneDetector(), [0], 0
    for plane in clip_lumas(source):
        if detector.is_cut(plane):
            starts.append(count)
        count += 1
        seen(count)
    if not count:
        raise BadInputError(f"{source}: not one frame could be decoded; nothing to learn from")
    return starts, count


def spread_over(scenes: tuple[Sequence[int], int], frames: int) -> list[int]:
    """``frames`` frame numbers at even distances in the film, but the middle of every scene first, long ones before."""
    starts, count = scenes
    ends = [*starts[1:], count]
    middles = sorted(zip(starts, ends, strict=True), key=lambda scene: scene[0] - scene[1])
    chosen = [(start + end) // 2 for start, end in middles][:frames]
    even = [int((step + 0.5) * count / frames) for step in range(frames)]
    return sorted(set(chosen) | set(even[: max(0, frames - len(chosen))]))


def as_float(plane: Array) -> Plane:
    """To [0, 1]."""
    result: NDArray[np.float64] = plane.astype(np.float64) / (255.0 if plane.dtype == np.uint8 else 1.0)
    return result
