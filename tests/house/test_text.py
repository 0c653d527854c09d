"""What the repository's text may not say: where it was written, and where packages come from."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MACHINE_PATHS = re.compile(r"/(?:root|work|tmp|home/\w+|Users/\w+)/|\.pyenv/versions|/opt/(?:wheels|pypi)")
REGISTRIES = re.compile(r"files\.pythonhosted\.org|pypi\.org|deb\.debian\.org|index-url|find-links")
LARGEST_BYTES = 6_500_000  # weights of the largest net, and their bundle


def tracked() -> list[Path]:
    """Files under version control; skips where there is no git or no history (an unpacked archive)."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the list of tracked files is not known")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


def texts() -> dict[str, str]:
    found = {}
    for file in tracked():
        data = file.read_bytes()
        if b"\0" not in data and file != Path(__file__):
            found[file.relative_to(ROOT).as_posix()] = data.decode()
    return found


@pytest.mark.parametrize("pattern", [MACHINE_PATHS, REGISTRIES], ids=["machine-paths", "registries"])
def test_no_tracked_text_names_a_place_of_one_machine(pattern: re.Pattern[str]) -> None:
    hits = [
        f"{name}:{number}: {line.strip()}"
        for name, text in texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert hits == []


def test_tracked_files_are_small() -> None:
    assert [str(f.relative_to(ROOT)) for f in tracked() if f.stat().st_size > LARGEST_BYTES] == []


def test_text_ends_with_one_newline_and_has_no_trailing_blanks() -> None:
    untidy = [name for name, text in texts().items()
              if text and (not text.endswith("\n") or re.search(r"[ \t]$", text, re.MULTILINE))
              and not name.startswith(("LICENSE", "tests/data/", "tests/devices/"))]  # fmt: skip
    assert untidy == []


def test_links_between_the_pages_lead_somewhere() -> None:
    link = re.compile(r"\]\((?!https?://|#|mailto:)([^)#\s]+)")
    broken = [f"{name}: {target}" for name, text in texts().items() if name.endswith(".md")
              for target in link.findall(text) if not (ROOT / name).parent.joinpath(target).exists()]  # fmt: skip
    assert broken == []
