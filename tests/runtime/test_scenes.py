"""Scene cuts: none inside real clips, each one between them, and the awkward cases."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from subpixel.quality.colour import luma as luma_of
from subpixel.scenes import LIMIT, SceneDetector, change, grid_of

Luma = np.ndarray[Any, Any]
ALIKE = {
    "flower": ("flower", "fullrange", "limited", "multi", "rotated", "tenbit", "vfr"),
    "street": ("street",),
    "bunny": ("bunny",),
    "stream": ("stream",),
    "old camera": ("anamorphic", "interlaced"),
}


def y_of(frame: VideoFrame) -> Luma:
    """The Y plane in 8 bit; of RGB video the field's luma."""
    if frame.format.is_rgb:
        return np.rint(luma_of(frame.to_ndarray(format="rgb24")) * 255).astype(np.uint8)
    bits, plane = frame.format.components[0].bits, frame.planes[0]
    codes: Any = np.frombuffer(plane, np.uint8 if bits == 8 else np.dtype("<u2"))  # type: ignore[call-overload]
    rows = codes.reshape(-1, plane.line_size // codes.itemsize)[: plane.height, : plane.width]
    return rows.copy() if bits == 8 else (rows >> (bits - 8)).astype(np.uint8)


def frames_of(file: Path, most: int = 120) -> Iterator[Luma]:
    with av.open(str(file)) as container:
        yield from (y_of(frame) for frame in islice(container.decode(video=0), most))


def cuts_in(frames: list[Luma]) -> list[int]:
    detector = SceneDetector()
    return [number for number, frame in enumerate(frames) if detector.is_cut(frame)]


@pytest.fixture(scope="module")
def shipped_frames(samples: Path) -> dict[str, list[Luma]]:
    return {name: list(frames_of(samples / f"{name}.mp4")) for name in ("bunny_424x240", "stream_640x360")}


def test_the_shipped_clips_have_no_cut(shipped_frames: dict[str, list[Luma]]) -> None:
    for frames in shipped_frames.values():
        assert cuts_in(frames) == []
        assert max(change(*pair) for pair in pairwise(map(grid_of, frames))) < 0.8 * LIMIT


def test_spliced_clips_are_cut_where_they_were_spliced(shipped_frames: dict[str, list[Luma]]) -> None:
    bunny, stream = ([frame[:240, :424] for frame in frames] for frames in shipped_frames.values())
    spliced = bunny[:7] + stream[:1] + bunny[50:55] + stream[20:30] + bunny[:2]
    assert cuts_in(spliced) == [7, 8, 13, 23]


def test_eight_bit_and_float_frames_are_judged_alike(shipped_frames: dict[str, list[Luma]]) -> None:
    for frame in shipped_frames["bunny_424x240"][::20]:
        real = frame.astype(np.float32) / np.float32(255)
        assert np.abs(grid_of(real) - grid_of(frame)).max() < 1e-3


def test_a_flash_a_fade_and_a_fast_pan_are_no_cuts(shipped_frames: dict[str, list[Luma]]) -> None:
    still = shipped_frames["stream_640x360"][0].astype(np.float32)
    flash = np.clip(still + 60, 0, 255)
    assert cuts_in([still / 255, flash / 255, still / 255]) == []
    fade = [((still - 16) * share + 16) / 255 for share in np.linspace(1, 0.1, 20)]
    assert cuts_in([f.astype(np.float32) for f in fade]) == []
    assert cuts_in([np.ascontiguousarray(np.roll(still, 25 * n, axis=1)) / 255 for n in range(8)]) == []


def test_black_is_another_scene_and_noise_on_black_is_none(shipped_frames: dict[str, list[Luma]]) -> None:
    picture = shipped_frames["stream_640x360"][0]
    noise = np.random.default_rng(3)
    black = [noise.integers(14, 19, picture.shape, np.uint8) for _ in range(4)]
    assert cuts_in([*black, picture, picture]) == [4]


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (9, 7), (8, 8), (8, 500), (31, 33), (39, 63)])
def test_small_and_narrow_frames_are_served(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(1)
    frames = [noise.integers(0, 256, shape, np.uint8) for _ in range(3)]
    assert cuts_in([frames[0], frames[0], frames[0]]) == []
    assert cuts_in(frames) == ([1, 2] if min(shape) >= 8 else [])


def test_a_frame_of_another_size_is_not_compared() -> None:
    assert cuts_in([np.full((40, 64), 30, np.uint8), np.full((48, 64), 200, np.uint8)]) == []


def test_real_clips_have_no_cuts_inside_and_all_between_them(eval_data: Path) -> None:
    """The first frames of every clip at hand, and splices of each with six that come from elsewhere."""
    folders = [eval_data / name for name in ("sample", "ship", "train/video", "eval/Vid4")]
    files = [f for folder in folders for f in sorted(folder.iterdir()) if f.suffix in (".mp4", ".mkv", ".264")]
    clips = {file: list(frames_of(file, 5)) for file in files}
    assert {file.name: cuts for file, clip in clips.items() if (cuts := cuts_in(clip))} == {}
    grids = {file: (grid_of(clip[0]), grid_of(clip[-1])) for file, clip in clips.items()}
    pairs = [(one, other) for one in files for other in files if family(one) != family(other)]
    chosen = np.random.default_rng(4).permutation(len(pairs))[: 6 * len(files)]
    ratios = {(pairs[n][0].name, pairs[n][1].name): splice(*(grids[file] for file in pairs[n])) for n in chosen}
    assert len(files) > 25
    assert {pair: ratio for pair, ratio in ratios.items() if ratio <= 1.2 * LIMIT} == {}


def splice(before: tuple[Luma, Luma], after: tuple[Luma, Luma]) -> float:
    return change(as_shape(before[1], after[0]), after[0])


def family(file: Path) -> str:
    """Clips that were made from one original are one scene."""
    words = {word: name for name, words in ALIKE.items() for word in words if word in file.name}
    return next(iter(words.values()), file.name)


def as_shape(grid: Luma, like: Luma) -> Luma:
    rows, columns = (
        np.linspace(0, have - 1, want).round().astype(int) for have, want in zip(grid.shape, like.shape, strict=True)
    )
    return grid[rows][:, columns]
