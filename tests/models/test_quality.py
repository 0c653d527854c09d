"""The page of figures: what is measured again, what is kept, and that the committed page is what its records say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

torch = pytest.importorskip("torch", reason="the evaluator is part of the training extra")

from subpixel.cli.console import Output  # noqa: E402
from subpixel.gate_images import GATE_SET  # noqa: E402
from subpixel.models import quality_update  # noqa: E402
from subpixel.models.evaluate_cli import evaluate  # noqa: E402
from subpixel.models.judges import JUDGES  # noqa: E402
from subpixel.models.papers import GOALS, PUBLISHED, Goal  # noqa: E402
from subpixel.models.quality import (  # noqa: E402
    PROTOCOL,
    Records,
    Row,
    System,
    card_rows,
    read_records,
    stale,
    systems,
    work,
)
from subpixel.models.quality_grid import COLUMNS, GAP_PX, SHOWN, SIDE_PX, crops, sheet  # noqa: E402
from subpixel.models.quality_page import outcome, page  # noqa: E402
from subpixel.models.quality_update import PICTURES, picture, rendered, update  # noqa: E402
from subpixel.models.registry import ARCHITECTURES  # noqa: E402

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "quality.md"
SOME = System("espcn", 3, "aa", ("set5", "vid4"))
PLAIN = {judge.name: 0.5 for judge in JUDGES}


def row(system: str = "espcn", scale: int = 3, set_name: str = "set5", db: float = 30.0, **more: object) -> Row:
    made = Row(system, scale, set_name, "aa", PROTOCOL, db, 0.9, PLAIN)
    return replace(made, **more)  # type: ignore[arg-type]


def test_the_committed_page_is_what_its_records_say() -> None:
    text = rendered(PAGE, read_records(PAGE.with_suffix(".json")), systems())
    assert PAGE.read_text() == text, "run: subpixel evaluate --all --render"


def test_the_page_warns_whoever_would_edit_it() -> None:
    assert PAGE.read_text().startswith("<!-- Written by `subpixel evaluate --all`. Don't edit")


def test_every_published_figure_and_goal_is_of_a_system_that_is_measured() -> None:
    known = {(s.name, s.scale) for s in systems()} | {("zssr", 2), ("zssr", 3), ("zssr", 4)}
    assert {(p.system, p.scale) for p in PUBLISHED} <= known
    assert {(g.system, g.scale) for g in GOALS} <= known
    assert {g.other for g in GOALS if g.other} <= set(ARCHITECTURES)


def test_a_row_is_measured_again_when_its_weights_or_the_protocol_changed() -> None:
    records = Records((row(),))
    assert not stale(records, SOME, "set5")
    assert stale(records, SOME, "vid4")
    assert stale(records, replace(SOME, sha256="bb"), "set5")
    assert stale(Records((row(protocol=PROTOCOL - 1),)), SOME, "set5")
    assert not stale(records, replace(SOME, sha256=""), "vid4"), "nothing to measure without weights"


def test_work_begins_with_the_small_sets_and_keeps_to_those_asked_for() -> None:
    known = [replace(SOME, sets=("urban100", "vid4", "set5")), System("srcnn", 3, "", ("set5",))]
    assert [(name, scale) for name, scale, _ in work(Records(), known, ())] == [
        ("set5", 3),
        ("vid4", 3),
        ("urban100", 3),
    ]
    assert [name for name, *_ in work(Records(), known, ("vid4",))] == ["vid4"]
    assert work(Records((row(),)), known, ("set5",)) == []


def test_a_new_row_takes_the_place_of_the_old_one() -> None:
    records = Records((row(db=1), row(scale=2))).plus(row(db=2))
    assert [(r.scale, r.psnr_db) for r in records.rows] == [(2, 30.0), (3, 2)]


@pytest.mark.parametrize(
    ("goal", "ours", "others", "reached"),
    [
        (Goal("espcn", 3, "set5", "at least", 30.0), row(db=30.0), (), True),
        (Goal("espcn", 3, "set5", "at least", 30.1), row(db=30.0), (), False),
        (Goal("vespcn", 3, "vid4", "above", 0.2, "espcn"), row("vespcn", set_name="vid4", db=25.25), (25.0,), True),
        (Goal("vespcn", 3, "vid4", "above", 0.2, "espcn"), row("vespcn", set_name="vid4", db=25.15), (25.0,), False),
        (Goal("vespcn", 3, "vid4", "above", 0.2, "espcn"), row("vespcn", set_name="vid4", db=25.15), (), None),
    ],
)
def test_a_goal_is_reached_or_not_or_unknown(
    goal: Goal, ours: Row, others: tuple[float, ...], reached: bool | None
) -> None:
    records = Records((ours, *(row(set_name="vid4", db=db) for db in others)))
    assert outcome(goal, records, None)[1] is reached


@pytest.mark.parametrize(("haarpsi", "mdsi", "reached"), [(0.6, 0.4, True), (0.6, 0.6, False), (0.4, 0.4, False)])
def test_both_judges_must_prefer_it(haarpsi: float, mdsi: float, reached: bool) -> None:
    goal = Goal("enhancenet-pat", 4, "set14", "judged better", other="enhancenet")
    ours = row("enhancenet-pat", 4, "set14", judged={"haarpsi": haarpsi, "mdsi": mdsi})
    assert outcome(goal, Records((ours, row("enhancenet", 4, "set14"))), None)[1] is reached


def test_what_is_missing_or_of_earlier_weights_is_named() -> None:
    known = [SOME, System("srcnn", 2, "", ("set5",))]
    text = page(Records((row(sha256="older"),)), known, None, [])
    assert "| espcn † | x3 | 30.00 |" in text
    assert "- no weights yet: srcnn-x2" in text
    assert "- not measured yet on Vid4: espcn-x3" in text


def test_pictures_are_made_of_what_comes_with_the_project_only(samples: Path) -> None:
    found = crops(samples)
    assert {crop.name for crop in found} == set(PICTURES)
    for crop in found:
        assert crop.file.parent in (GATE_SET, samples)
        assert {frame.hr.shape for frame in crop.clip().frames} == {(240, 240)}


def test_committed_pictures_show_as_many_systems_as_the_records_say() -> None:
    pictured = read_records(PAGE.with_suffix(".json")).pictured
    rows = -(-(len(pictured) + 1) // COLUMNS)
    for name in PICTURES:
        with Image.open(picture(PAGE, name)) as image:
            assert image.width == COLUMNS * (SIDE_PX * SHOWN + GAP_PX) + GAP_PX
            assert image.height // (SIDE_PX * SHOWN) == rows


def test_a_sheet_holds_each_tile_unchanged_above_its_name() -> None:
    tiles = [(f"n{at}", np.full((SIDE_PX, SIDE_PX, 3), 40 * at, np.uint8)) for at in range(5)]
    whole = np.asarray(sheet(tiles))
    side = SIDE_PX * SHOWN
    assert (whole[GAP_PX : GAP_PX + side, GAP_PX + side + GAP_PX :][:, :side] == 40).all()
    assert (whole[GAP_PX + side + 1 : GAP_PX + side + 20, GAP_PX : GAP_PX + 60] < 128).any()


def test_an_interrupted_run_keeps_what_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eval_data: Path
) -> None:
    first = quality_update.measured

    def until_the_second(name: str, scale: int, todo: list[System]) -> Iterator[Row]:
        if scale == 3:
            raise KeyboardInterrupt
        yield from first(name, scale, todo)

    monkeypatch.setattr(quality_update, "measured", until_the_second)
    out = tmp_path / "quality.md"
    with pytest.raises(KeyboardInterrupt):
        update(out, "bicubic", ("set5",), True, Output(quiet=True))
    kept = [r for r in read_records(out.with_suffix(".json")).rows if r.system == "bicubic"]
    assert [(r.scale, round(r.psnr_db, 1)) for r in kept] == [(2, 33.7)]
    assert "| bicubic | x2 | 33.6" in out.read_text()


def test_the_command_writes_the_page_from_records_alone(tmp_path: Path) -> None:
    out = tmp_path / "quality.md"
    result = CliRunner().invoke(evaluate, ["--all", "--render", "--out", str(out), "--json"], catch_exceptions=False)
    told = json.loads(result.stdout)
    assert told["measured"] == 0
    assert told["page"] == str(out)
    assert out.read_text().startswith("<!-- Written by")


def test_a_net_whose_weights_are_not_committed_has_the_row_of_the_card_it_stands_on() -> None:
    found = [r for r in card_rows(systems()) if (r.system, r.set_name) == ("srpgan-pre", "set14")]
    assert len(found) == 1
    assert set(found[0].judged) == {"haarpsi", "mdsi"}
