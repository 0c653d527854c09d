"""Calibration frames: real luma from a folder or a clip, drawn with a seed, and what real frames never show enough of.

Each is written down (file, hash, frame, place), so that the numbers can be made again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subpixel.errors import BadInputError, NotFoundError
from subpixel.manifest import sha256
from subpixel.quality.resize import downscale
from subpixel.quantize.patches import flat_patches, leaf_patches
from subpixel.quantize.sources import IMAGES, Plane, clip_planes, image_plane

Levels = NDArray[np.uint8]
CROP_PX = 96
CROPS = 30
LEAVES = 8
FLAT_WEIGHT = 4.0  # flat patches are small, and levels must hold there
SMALLEST_REDUCED_PX = 48  # a frame reduced below this shows nothing any more


@dataclass(frozen=True)
class Taken:
    """One crop: from which file (its name, not its place on a machine), which frame, where; LR pixels.

    ``reduced``: the frame was reduced by the model's scale first, as the images were that the net learned from.
    """

    file: str
    sha256: str
    frame: int
    top: int
    left: int
    reduced: bool


@dataclass(frozen=True)
class Group:
    """Frames of one size ``[N, 1, h, w]`` and how much a pixel of theirs counts."""

    frames: Levels
    weight: float


@dataclass(frozen=True)
class Calibration:
    """``crops`` and ``leaves`` ``[N, 1, 96, 96]``, ``flats`` ``[N, 1, 24, 24]``, uint8; ``taken``: a line a crop.

    ``truths``: for crops of reduced frames the HR they were made from, ``[1, 96 s, 96 s]``; ``None`` for the others.
    """

    crops: Levels
    flats: Levels
    leaves: Levels
    taken: tuple[Taken, ...]
    truths: tuple[Levels | None, ...]
    seed: int

    @property
    def groups(self) -> tuple[Group, ...]:
        """All of it, weighted."""
        return Group(self.crops, 1.0), Group(self.leaves, 1.0), Group(self.flats, FLAT_WEIGHT)

    @property
    def frames(self) -> Levels:
        """All frames at the size of a crop, flat ones grown: for tools that take one size and no weights."""
        grown = np.repeat(np.repeat(self.flats, CROP_PX // self.flats.shape[2], 2), CROP_PX // self.flats.shape[3], 3)
        return np.concatenate([self.crops, self.leaves, grown[:: max(1, len(grown) // 8)]])


@dataclass(frozen=True)
class CalibrationList:
    """What goes into the bundle: every real crop with its file's hash, and how the made ones were made."""

    variant: str
    seed: int
    crop_px: int
    crops: tuple[Taken, ...]
    flat_levels: tuple[int, ...]
    leaf_patches: int


def calibration(source: Path, scale: int, seed: int = 0, count: int = CROPS) -> Calibration:
    """Draw from a folder of images or a clip. Raises ``NotFoundError`` or ``BadInputError``."""
    random = np.random.default_rng(seed)
    drawn = [_crop(plane, taken, scale, random) for plane, taken in _planes(source, count, random)]
    flats, leaves = flat_patches(), leaf_patches(LEAVES, CROP_PX, seed)
    crops = np.stack([crop for crop, _, _ in drawn])[:, None]
    places, truths = tuple(place for _, place, _ in drawn), tuple(truth for _, _, truth in drawn)
    return Calibration(crops, flats, leaves, places, truths, seed)


def listed(variant_id: str, used: Calibration) -> CalibrationList:
    """For the evidence."""
    levels = tuple(int(flat[0, 0, 0]) for flat in used.flats)
    return CalibrationList(variant_id, used.seed, CROP_PX, used.taken, levels, len(used.leaves))


def _planes(source: Path, count: int, random: np.random.Generator) -> Iterator[tuple[Plane, Taken]]:
    """``count`` frames, every second one to be reduced. Raises ``NotFoundError``."""
    if not source.exists():
        raise NotFoundError(f"{source}: no such folder or clip; calibration needs real frames (--calibration)")
    drawn = _from_folder(source, count, random) if source.is_dir() else _from_clip(source, count, random)
    for at, (plane, file, digest, frame) in enumerate(drawn):
        yield plane, Taken(file, digest, frame, 0, 0, at % 2 == 1)


def _from_folder(folder: Path, count: int, random: np.random.Generator) -> Iterator[tuple[Plane, str, str, int]]:
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGES)
    if not files:
        raise NotFoundError(f"{folder}: no images there; needed a folder of {', '.join(sorted(IMAGES))}, or a clip")
    for file in _drawn(files, count, random):
        yield image_plane(file), file.relative_to(folder).as_posix(), sha256(file.read_bytes()), 0


def _drawn(files: Sequence[Path], count: int, random: np.random.Generator) -> list[Path]:
    """``count`` of them, each as often as the others but for one."""
    order = np.concatenate([random.permutation(len(files)) for _ in range(-(-count // len(files)))])
    return [files[at] for at in sorted(order[:count])]


def _from_clip(clip: Path, count: int, random: np.random.Generator) -> Iterator[tuple[Plane, str, str, int]]:
    digest = sha256(clip.read_bytes())
    for number, plane in clip_planes(clip, count, random):
        yield plane, clip.name, digest, number


def _crop(plane: Plane, taken: Taken, scale: int, random: np.random.Generator) -> tuple[Levels, Taken, Levels | None]:
    """A crop of the plane, or of the plane reduced where that is large enough."""
    reduced = taken.reduced and min(plane.shape) // scale >= SMALLEST_REDUCED_PX
    lr = np.clip(np.rint(downscale(plane / 255.0, scale) * 255), 0, 255).astype(np.uint8) if reduced else plane
    if min(lr.shape) < 2:
        raise BadInputError(f"{taken.file}: {plane.shape[1]}x{plane.shape[0]} is too small to calibrate with")
    top, left = (int(random.integers(max(1, side - CROP_PX + 1))) for side in lr.shape)
    place = Taken(taken.file, taken.sha256, taken.frame, top, left, reduced)
    crop = _cut(lr, top, left, CROP_PX)
    truth = _cut(plane, top * scale, left * scale, CROP_PX * scale)[None] if reduced else None
    return crop, place, truth


def _cut(plane: Levels, top: int, left: int, side: int) -> Levels:
    """A square; a smaller plane is continued mirrored."""
    cut = plane[top : top + side, left : left + side]
    return np.pad(cut, [(0, side - have) for have in cut.shape], "symmetric")
