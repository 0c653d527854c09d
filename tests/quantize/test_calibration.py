"""Calibration frames: drawn with a seed from real files, written down with their hashes."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from subpixel.errors import BadInputError, NotFoundError
from subpixel.quantize.calibration import CROP_PX, calibration, listed
from subpixel.quantize.sources import clip_planes

COUNT = 6


@pytest.fixture(scope="module")
def clip(samples: Path) -> Path:
    return samples / "bunny_424x240.mp4"


def test_a_clip_gives_the_same_crops_for_the_same_seed(clip: Path) -> None:
    first, second = (calibration(clip, 3, seed=4, count=COUNT) for _ in range(2))
    assert np.array_equal(first.crops, second.crops)
    assert np.array_equal(first.leaves, second.leaves)
    assert first.taken == second.taken
    assert not np.array_equal(first.crops, calibration(clip, 3, seed=5, count=COUNT).crops)


def test_crops_are_the_clip_s_own_luma(clip: Path) -> None:
    used = calibration(clip, 3, count=COUNT)
    planes = dict(clip_planes(clip, 132, np.random.default_rng(0)))
    whole = [(taken, crop[0]) for taken, crop in zip(used.taken, used.crops, strict=True) if not taken.reduced]
    assert whole
    for taken, crop in whole:
        y, x = slice(taken.top, taken.top + CROP_PX), slice(taken.left, taken.left + CROP_PX)
        assert np.array_equal(planes[taken.frame][y, x], crop)


def test_every_second_frame_is_reduced_and_keeps_its_truth(clip: Path) -> None:
    used = calibration(clip, 3, count=COUNT)
    assert [taken.reduced for taken in used.taken] == [False, True] * (COUNT // 2)
    assert [truth is not None for truth in used.truths] == [False, True] * (COUNT // 2)
    truth = used.truths[1]
    assert truth is not None
    assert truth.shape == (1, 3 * CROP_PX, 3 * CROP_PX)
    small = truth[0].reshape(CROP_PX, 3, CROP_PX, 3).mean((1, 3))
    assert np.abs(small[8:60, 8:80] - used.crops[1, 0, 8:60, 8:80]).mean() < 4, "the same place"


def test_the_list_names_files_by_hash_and_no_place_on_this_machine(clip: Path) -> None:
    record = listed("onnx-int8-u8", calibration(clip, 3, count=COUNT))
    assert {taken.file for taken in record.crops} == {clip.name}
    assert {taken.sha256 for taken in record.crops} == {hashlib.sha256(clip.read_bytes()).hexdigest()}
    assert len(record.crops) == COUNT
    assert {0, 255} <= set(record.flat_levels)
    assert record.leaf_patches > 0


def test_a_folder_of_images_is_drawn_evenly(tmp_path: Path) -> None:
    for name, level in (("a.png", 40), ("b.png", 200)):
        Image.fromarray(np.full((120, 130), level, np.uint8)).save(tmp_path / name)
    used = calibration(tmp_path, 2, count=4)
    assert sorted(taken.file for taken in used.taken) == ["a.png", "a.png", "b.png", "b.png"]
    assert sorted({int(crop[0, 0, 0]) for crop in used.crops}) == [40, 200]


def test_small_images_are_continued_mirrored(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (20, 33), dtype=np.uint8)
    Image.fromarray(picture).save(tmp_path / "small.png")
    used = calibration(tmp_path, 3, count=1)
    assert used.crops.shape == (1, 1, CROP_PX, CROP_PX)
    assert np.array_equal(used.crops[0, 0, :20, :33], picture)
    assert np.array_equal(used.crops[0, 0, 20:40, :33], picture[::-1])


def test_what_is_no_source_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no such folder or clip"):
        calibration(tmp_path / "absent", 3)
    with pytest.raises(NotFoundError, match="no images"):
        calibration(tmp_path, 3)
    (tmp_path / "text.mp4").write_text("not a clip")
    with pytest.raises(BadInputError, match="text.mp4"):
        calibration(tmp_path / "text.mp4", 3)
