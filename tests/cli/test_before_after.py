"""The before/after picture: the same detail of each, measured against the original."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import subpixel
from subpixel.cli.before_after import GAP_PX, LABEL_PX, Panel, composed, detail, frame_of, panels, save_picture
from subpixel.errors import BadInputError, OutputError


def test_the_detail_is_where_the_detail_is() -> None:
    image = np.full((100, 120, 3), 90, np.uint8)
    image[60:90, 70:110] = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    rows, columns = detail(image, 40, 40)
    assert rows.start <= 75 < rows.stop  # the middle of the noise
    assert columns.start <= 90 < columns.stop


def test_the_detail_of_a_small_picture_is_all_of_it() -> None:
    assert detail(np.zeros((7, 5, 3), np.uint8), 40, 40) == (slice(0, 7), slice(0, 5))


def test_bicubic_and_the_model_are_measured_against_the_original() -> None:
    original = np.random.default_rng(1).integers(100, 150, (30, 36, 3), dtype=np.uint8)
    with subpixel.open("bicubic-x3") as model:
        shown = panels(model, original[1::3, 1::3], original)
    assert [panel.name for panel in shown] == ["bicubic", "bicubic-x3", "original"]
    assert shown[0].psnr_db == pytest.approx(shown[1].psnr_db, abs=0.1)  # once in RGB, once in luma: the same filter
    assert "dB" in shown[0].label
    assert shown[2].label == "original"


@pytest.mark.parametrize("original", [None, np.zeros((4, 4, 3), np.uint8)], ids=["none", "of another size"])
def test_without_a_fitting_original_nothing_is_measured(original: np.ndarray | None) -> None:  # type: ignore[type-arg]
    with subpixel.open("bicubic-x2") as model:
        shown = panels(model, np.zeros((8, 9, 3), np.uint8), original)
    assert [(panel.name, panel.psnr_db) for panel in shown] == [("bicubic", None), ("bicubic-x2", None)]


def test_the_sheet_shows_the_same_pixels_of_each_panel(tmp_path: Path) -> None:
    left, right = np.full((10, 20, 3), 50, np.uint8), np.full((10, 20, 3), 200, np.uint8)
    sheet = composed((Panel("a", left), Panel("b", right)))
    assert sheet.size == (2 * 40 + GAP_PX, 20 + LABEL_PX)
    assert sheet.getpixel((5, LABEL_PX + 5)) == (50, 50, 50)
    assert sheet.getpixel((40 + GAP_PX + 5, LABEL_PX + 5)) == (200, 200, 200)
    save_picture(sheet, tmp_path / "sheet.webp")
    with Image.open(tmp_path / "sheet.webp") as saved:
        assert saved.size == sheet.size


def test_a_frame_of_the_clip_is_the_one_asked_for_or_the_last(samples: Path) -> None:
    clip = samples / "bunny_424x240.mp4"
    assert frame_of(clip, 0).shape == (240, 424, 3)
    assert not np.array_equal(frame_of(clip, 0), frame_of(clip, 40))
    assert np.array_equal(frame_of(clip, 10**6), frame_of(clip, 10**6 + 1))


def test_what_is_no_clip_and_what_cannot_be_written_is_explained(tmp_path: Path) -> None:
    (tmp_path / "no.mp4").write_text("text")
    with pytest.raises(BadInputError, match="can't be read"):
        frame_of(tmp_path / "no.mp4", 0)
    with pytest.raises(OutputError, match="can't be written"):
        save_picture(Image.new("RGB", (4, 4)), tmp_path / "no such folder" / "sheet.webp")
