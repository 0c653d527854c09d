"""Many files: what is found, what the results are called, and that one bad file stops no other."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from subpixel.errors import BadInputError, NotFoundError, OutputError
from subpixel.media import FileResult, UpscaleOptions, find_jobs, upscale_files
from subpixel.media.opened import OpenModels

BICUBIC = UpscaleOptions(model="bicubic-x2")


@pytest.fixture
def folder(clip_of: Callable[..., Path], tmp_path: Path) -> Path:
    """Two clips and two pictures in two levels, one thing that is neither, one file that only calls itself a video."""
    root = tmp_path / "in"
    (root / "b" / ".hidden").mkdir(parents=True)
    shutil.copy(clip_of(), root / "one.mp4")
    shutil.copy(clip_of(name="two.ts"), root / "b" / "two.TS")
    Image.new("RGB", (20, 10), (9, 99, 199)).save(root / "photo.png")
    Image.new("L", (20, 10), 77).save(root / "b" / "old.gif")
    shutil.copy(root / "photo.png", root / "b" / ".hidden" / "not.png")
    (root / "notes.txt").write_text("nothing to see")
    (root / "bad.mp4").write_bytes(b"not a film" * 50)
    return root


def names_of(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())


def test_a_folder_is_made_again_with_its_names(folder: Path, tmp_path: Path) -> None:
    results = list(upscale_files(find_jobs([folder], tmp_path / "out"), BICUBIC))
    assert names_of(tmp_path / "out") == ["b/old.png", "b/two.mkv", "one.mp4", "photo.png"]
    assert [Path(result.source).name for result in results if result.error] == ["bad.mp4"]
    assert [result.is_whole for result in results] == [False, True, True, True, True]
    assert all(result.report is not None for result in results if not result.error)
    with Image.open(tmp_path / "out" / "b" / "old.png") as picture:
        assert picture.size == (40, 20)


def test_a_model_is_opened_once_for_all(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    whole = OpenModels.named

    def counted(self: OpenModels, name: str, *rest: Any) -> Any:
        if all(known != name for known, _ in self._models):
            opened.append(name)
        return whole(self, name, *rest)

    monkeypatch.setattr(OpenModels, "named", counted)
    list(upscale_files(find_jobs([folder], tmp_path / "out"), BICUBIC))
    assert opened == ["bicubic-x2"]


def test_the_results_own_folder_is_not_walked_into(folder: Path) -> None:
    jobs = find_jobs([folder], folder / "large")
    list(upscale_files(jobs, BICUBIC))
    assert find_jobs([folder], folder / "large") == jobs


def test_what_is_asked_of_videos_does_not_stop_pictures(folder: Path, tmp_path: Path) -> None:
    jobs = find_jobs([folder / "one.mp4", folder / "photo.png"], tmp_path / "out")
    results = list(upscale_files(jobs, UpscaleOptions(model="bicubic-x2", encoder="libx264")))
    assert [result.error for result in results] == ["", ""]


def test_results_that_exist_are_refused_before_work_replaced_or_skipped(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "photo.png").write_text("mine")
    jobs = find_jobs([folder / "one.mp4", folder / "photo.png"], out)
    with pytest.raises(OutputError, match=r"photo\.png: there already.*--skip-existing or --overwrite"):
        list(upscale_files(jobs, BICUBIC))
    assert names_of(out) == ["photo.png"]
    results = list(upscale_files(jobs, BICUBIC, skip_existing=True))
    assert [result.skipped for result in results] == [False, True]
    assert (out / "photo.png").read_text() == "mine"
    list(upscale_files(jobs, UpscaleOptions(model="bicubic-x2", overwrite=True)))
    assert (out / "photo.png").stat().st_size > 50


def test_an_input_is_never_its_own_result(folder: Path) -> None:
    with pytest.raises(OutputError, match="is one of the inputs"):
        list(upscale_files(find_jobs([folder], folder), UpscaleOptions(model="bicubic-x2", overwrite=True)))


def test_two_files_with_one_name_are_refused(folder: Path, clip_of: Callable[..., Path], tmp_path: Path) -> None:
    other = clip_of(name="one.mp4")
    with pytest.raises(BadInputError, match="would both become"):
        find_jobs([folder, other], tmp_path / "out")
    assert len(find_jobs([other, other], tmp_path / "out")) == 1


def test_a_folder_with_nothing_in_it_and_one_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="no pictures or videos"):
        find_jobs([tmp_path], tmp_path / "out")
    with pytest.raises(NotFoundError, match="no such file or folder"):
        find_jobs([tmp_path / "none"], tmp_path / "out")


def test_a_result_says_what_became_of_it() -> None:
    assert FileResult("a", "b", skipped=True).is_whole
    assert not FileResult("a", "b", error="broken").is_whole
