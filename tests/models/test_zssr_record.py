"""The record of ZSSR: cases are kept and not done twice, and the committed record is what its cases say."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from click.testing import CliRunner

pytest.importorskip("torch", reason="training needs torch")

from subpixel.models import zssr_record
from subpixel.models.zssr_record import Case, Record, RivalCase, summary
from subpixel.records import from_json, to_json


def case(image: str, kernel: int, psnr_db: float) -> Case:
    return Case(image, kernel, "known", psnr_db, 0.9, 500, 60.0)


def test_gains_are_against_the_same_image_and_kernel() -> None:
    cases = [case("baby", 0, 34.0), case("bird", 0, 31.0), case("bird", 1, 30.0)]
    others = [
        RivalCase("espcn-x2", c.image, c.kernel, theirs) for c, theirs in zip(cases, (31.0, 30.5, 28.0), strict=True)
    ]
    row = summary("known", cases, others, "espcn-x2")
    assert (row.cases, row.gain_db, row.minutes_each) == (3, pytest.approx((3 + 0.5 + 2) / 3), 1.0)
    assert (row.worst_gain_db, row.worst) == (0.5, "bird, kernel 0")


def test_kept_cases_become_the_record(tmp_path: Path, eval_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUBPIXEL_DATA", str(eval_data))
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "known-1-butterfly-500.json").write_text(json.dumps(asdict(case("butterfly", 1, 30.0))))
    out = tmp_path / "zssr.json"
    result = CliRunner().invoke(zssr_record.main, ["--folder", str(kept), "--out", str(out)], catch_exceptions=False)
    assert "known (1 cases)" in result.output
    made = from_json(Record, json.loads(out.read_text()))
    assert made.cases == (case("butterfly", 1, 30.0),)
    bicubic = next(other for other in made.rivals if other.system == "bicubic-x2")
    assert 20 < bicubic.psnr_db < 26
    assert len(made.kernels) == 8


def test_the_committed_record_follows_from_its_cases() -> None:
    if not zssr_record.RECORD.is_file():
        pytest.skip("models/weights/zssr.json: not measured yet; python -m subpixel.models.zssr_record makes it")
    data = json.loads(zssr_record.RECORD.read_text())
    kept = from_json(Record, data)
    for row in kept.summaries:
        again = summary(row.knowledge, kept.cases, kept.rivals, row.rival)
        assert to_json(again) == pytest.approx(to_json(row))
