"""``subpixel upscale`` with many files: which name is the folder, what is printed, the exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from subpixel.cli.upscale import places
from subpixel.errors import BadInputError

CLI = (sys.executable, "-m", "subpixel", "upscale", "--model", "bicubic-x2")


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CLI, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.jpg", "c.webp"):
        Image.new("RGB", (16, 12), (200, 100, 50)).save(folder / name)
    return folder


def test_a_folder_into_a_folder(photos: Path, tmp_path: Path) -> None:
    done = run(photos, tmp_path / "large")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "large").iterdir()) == ["a.png", "b.jpg", "c.webp"]
    assert "3 of 3: c.webp" in done.stderr
    assert done.stdout.count("32x24") == 3


def test_json_is_a_list_and_a_bad_file_ends_with_code_three(photos: Path, tmp_path: Path) -> None:
    (photos / "b.jpg").write_bytes(b"broken" * 9)
    done = run(photos, "-o", tmp_path / "large", "--json")
    assert done.returncode == 3
    found = json.loads(done.stdout)
    assert [Path(each["source"]).name for each in found] == ["a.png", "b.jpg", "c.webp"]
    assert [bool(each["error"]) for each in found] == [False, True, False]
    assert found[0]["report"]["target_size"] == [32, 24]
    assert "1 of 3 files are not whole" in done.stderr and "Traceback" not in done.stderr


def test_what_is_there_is_refused_or_skipped(photos: Path, tmp_path: Path) -> None:
    assert run(photos, tmp_path / "large").returncode == 0
    refused = run(photos, tmp_path / "large")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "--skip-existing" in refused.stderr
    skipped = run(photos, tmp_path / "large", "--skip-existing")
    assert skipped.returncode == 0
    assert skipped.stdout.count("there already, skipped") == 3


def test_the_last_name_is_the_result_or_a_folder(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    here = str(tmp_path / "here")
    assert places(["a.mp4", "b.mp4"], None) == (("a.mp4",), "b.mp4")
    assert places(["a.mp4", "out/"], None) == (("a.mp4",), None)
    assert places(["a.mp4", here], None) == (("a.mp4",), None)
    assert places(["a.mp4", "b.mp4", "out"], None) == (("a.mp4", "b.mp4"), None)
    assert places([here, "out"], None) == ((here,), None)
    assert places(["a.mp4", "b.mp4"], "out") == (("a.mp4", "b.mp4"), None)


@pytest.mark.parametrize(
    ("names", "words"), [(["a.mp4"], "where to"), (["a.mp4", "b.mp4", "c.mp4"], "would hold several results")]
)
def test_names_that_leave_open_where_results_go(names: list[str], words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        places(names, None)
