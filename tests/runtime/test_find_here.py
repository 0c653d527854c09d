"""A bundle just made in this folder is worked on under its own name, though a shipped one is called the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from subpixel.bundle import save
from subpixel.catalogue import SHIPPED, find, find_here


def test_a_bundle_in_this_folder_comes_before_a_shipped_one_for_those_who_work_on_bundles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(find("espcn-x2"), tmp_path / "espcn-x2")
    monkeypatch.chdir(tmp_path)
    assert find_here("espcn-x2").path == Path("espcn-x2")
    assert find("espcn-x2").path == SHIPPED / "espcn-x2.spx"
    assert find_here("espcn-x3").path == SHIPPED / "espcn-x3.spx"
