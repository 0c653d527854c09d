"""Cards of every family: what they say follows from net, commands and measurements."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

torch = pytest.importorskip("torch", reason="cards belong to trained nets")

from safetensors.torch import load_file, save_file  # noqa: E402

from subpixel.models.adopt import adopt, joined, read_stage, verdict  # noqa: E402
from subpixel.models.card import Beside, CardRecord, Figure, figures_of, markdown, read_card  # noqa: E402
from subpixel.models.card_words import DATA, LOSSES, data_in_words, folders, listing, words  # noqa: E402
from subpixel.models.evaluation import Score, SetScore  # noqa: E402
from subpixel.models.papers import what_the_paper_says  # noqa: E402
from subpixel.models.patches import PatchSource, image_files, load_pairs  # noqa: E402
from subpixel.models.recipe import Recipe  # noqa: E402
from subpixel.models.registry import ARCHITECTURES, architecture  # noqa: E402
from subpixel.models.training import WEIGHTS_FILE, Progress, Trainer, run  # noqa: E402

COMMAND = "subpixel train NAME --scale 3 --data $SUBPIXEL_DATA/train/T91 --data $SUBPIXEL_DATA/train/BSD200"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    noise = np.random.default_rng(3).integers(0, 256, (60, 72, 3), dtype=np.uint8)
    Image.fromarray(noise).resize((144, 120), Image.Resampling.BICUBIC).save(folder / "noise.png")
    return folder


def trained_stage(name: str, scale: int, pictures: Path, out: Path, stop_at: int = 4) -> None:
    recipe = Recipe(steps=4, batch=1, patch_px=8, precision="fp32")
    source = PatchSource([load_pairs(image_files([pictures]), scale, 8)], scale, 8, 1)
    steps = run(Trainer(architecture(name), scale, recipe, source, out), lambda net: 20.0, every=1)
    for progress in steps:
        if progress.step == stop_at:
            steps.close()


def adopted(arguments: list[str], into: Path) -> str:
    into.mkdir(exist_ok=True)
    return CliRunner().invoke(adopt, [*arguments, "--into", str(into)], catch_exceptions=False).output


def test_one_card_of_shared_weights_has_every_scale(
    pictures: Path, tmp_path: Path, require: Callable[[str], None]
) -> None:
    require("piq")
    trained_stage("vdsr", 3, pictures, tmp_path / "run")
    adopted(
        [
            "vdsr",
            "--scale",
            "3",
            "--run",
            str(tmp_path / "run"),
            "--command",
            COMMAND,
            "--set",
            str(pictures),
            "--quick",
        ],
        tmp_path / "into",
    )
    record = read_card(tmp_path / "into" / "vdsr.json")
    assert [figure.scale for figure in record.figures] == [2, 3, 4]
    assert all(figure.psnr_u8_db is None for figure in record.figures)
    text = (tmp_path / "into" / "vdsr.md").read_text()
    assert text == markdown(record)
    assert f"| {pictures} x4 |" in text
    assert "`subpixel evaluate vdsr-x2 --judges --set" in text
    assert (tmp_path / "into" / "vdsr.curve.png").is_file()


def test_stages_are_joined_and_one_that_was_stopped_says_so(
    pictures: Path, tmp_path: Path, require: Callable[[str], None]
) -> None:
    require("piq")
    trained_stage("espcn", 3, pictures, tmp_path / "a")
    trained_stage("espcn", 3, pictures, tmp_path / "b", stop_at=3)
    arguments = [part for run in ("a", "b") for part in ("--run", str(tmp_path / run), "--command", f"{COMMAND} {run}")]
    adopted(["espcn", "--scale", "3", *arguments, "--set", str(pictures)], tmp_path / "into")
    record = read_card(tmp_path / "into" / "espcn-x3.json")
    assert record.stage_steps == (4, 3)
    assert record.verdict.startswith("Yes: it was taken at step 3 of 4")
    assert record.figures[0].psnr_u8_db is not None
    assert {judge for figure in record.figures for judge in figure.judged} == {"haarpsi", "mdsi"}


def test_stages_that_go_on_from_committed_weights_come_after_its_own(
    pictures: Path, tmp_path: Path, require: Callable[[str], None]
) -> None:
    require("piq")
    for stage in ("a", "b"):
        trained_stage("espcn", 3, pictures, tmp_path / stage)
        arguments = ["--run", str(tmp_path / stage), "--command", f"{COMMAND} {stage}", "--set", str(pictures)]
        onwards = ["--onwards", "--note", "More."] if stage == "b" else ["--note", "First."]
        adopted(["espcn", "--scale", "3", "--quick", *arguments, *onwards], tmp_path / "into")
    record = read_card(tmp_path / "into" / "espcn-x3.json")
    assert record.commands == (f"{COMMAND} a", f"{COMMAND} b")
    assert (record.stage_steps, record.notes) == ((4, 4), ("First.", "More."))
    curve = (tmp_path / "into" / "espcn-x3.curve.csv").read_text().splitlines()
    assert [line.partition(",")[0] for line in curve[1:]] == [str(step) for step in range(1, 9)]


def test_a_command_for_each_run_is_asked_for() -> None:
    result = CliRunner().invoke(adopt, ["espcn", "--scale", "3", "--run", "a", "--run", "b", "--command", "c"])
    assert result.exit_code == 2
    assert "2 --run and 1 --command" in result.output


def test_a_loop_without_a_checkpoint_is_read_from_its_curve(tmp_path: Path) -> None:
    (tmp_path / "curve.csv").write_text("step,seconds,loss,psnr_db\n10,5,1e-3,30.0\n20,11,9e-4,30.5\n")
    stage = read_stage(tmp_path)
    assert (stage.step, stage.seconds, len(stage.points)) == (20, 11.0, 2)
    assert [point[0] for point in joined([stage, stage]).points] == [10, 20, 30, 40]


@pytest.mark.parametrize(("name", "where"), [("espcn", "Set5"), ("vespcn", "Vid4"), ("srpgan", "PSNR doesn't tell")])
def test_a_verdict_names_the_curves_set(name: str, where: str) -> None:
    progress = Progress(step=20, points=[(10, 1.0, 0.1, 30.0), (20, 2.0, 0.1, 30.5)])
    assert where in verdict(progress, 20, architecture(name))


def test_material_is_told_in_words() -> None:
    photos = f"{COMMAND} --data x/photos"
    assert data_in_words(architecture("espcn"), [photos]) == DATA
    assert data_in_words(architecture("enhancenet"), [COMMAND]).startswith("RGB patches are cut at random from T91 and")
    clips = words(architecture("vespcn"), [f"{photos} --data x/video/"])
    assert "T91, BSDS300's training images, twelve photographs and real clips" in clips.data
    assert "camera" in clips.data
    assert "The clips are of open-source projects" in clips.licence
    assert "ImageNet" in words(architecture("enhancenet-pat"), [COMMAND]).licence
    assert folders([COMMAND, photos]) == ["T91", "BSD200", "photos"]
    assert (listing(["a"]), listing(["a", "b", "c"])) == ("a", "a, b and c")


def test_blended_weights_are_the_mean_and_the_card_says_so(
    pictures: Path, tmp_path: Path, require: Callable[[str], None]
) -> None:
    require("piq")
    trained_stage("espcn", 3, pictures, tmp_path / "a")
    other = tmp_path / "other.safetensors"
    save_file({key: torch.zeros_like(value) for key, value in weights_of(tmp_path / "a").items()}, other)
    arguments = ["--run", str(tmp_path / "a"), "--command", COMMAND, "--set", str(pictures), "--quick"]
    adopted(["espcn", "--scale", "3", *arguments, "--blend", str(other)], tmp_path / "into")
    found = load_file(tmp_path / "into" / "espcn-x3.safetensors")
    for key, value in weights_of(tmp_path / "a").items():
        torch.testing.assert_close(found[key], value / 2)
    assert "the mean of the last stage's and of other's" in (tmp_path / "into" / "espcn-x3.md").read_text()


def weights_of(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / WEIGHTS_FILE)


def test_a_stage_with_another_criterion_is_told() -> None:
    said = words(architecture("srcnn"), [COMMAND, f"{COMMAND} --criterion charbonnier"]).loss
    assert said.endswith("Charbonnier's in place of the square")


def test_losses_are_told_of_nets_that_there_are() -> None:
    assert set(LOSSES) <= set(ARCHITECTURES)


def test_the_paper_is_quoted_by_scale() -> None:
    assert what_the_paper_says("espcn", (3,), "set5") == "the paper reports 33.13 dB on Set5"
    assert "31.35 dB (x4) on Set5" in what_the_paper_says("vdsr", (2, 3, 4), "set5")
    assert what_the_paper_says("srpgan", (4,), "set5") == ""


def score(name: str, db: float, judged: float, change: float | None) -> SetScore:
    mean = Score("mean", db, 0.9, db, 0.9, change, {"haarpsi": judged, "mdsi": 1 - judged})
    return SetScore(name, "vid4", 4, mean, (Score("walk 000", db, 0.9, db, 0.9), Score("walk 004", db, 0.9, db, 0.9)))


def test_others_stand_beside_the_net_with_what_was_measured_of_them() -> None:
    rows = [score("bicubic", 23.0, 0.5, 3.0), score("mine-x4", 24.0, 0.6, 2.5), score("espcn-x4", 23.9, 0.55, None)]
    (figure,) = figures_of(rows)
    assert [other.name for other in figure.beside] == ["bicubic", "espcn-x4"]
    assert figure.samples == {"walk 000": 24.0}
    record = CardRecord("mine-x4", ("c",), (1,), 1.0, "m", "0", (), (figure,), "paper", None, "No.")
    text = markdown(record)
    assert "| vid4 | **mine-x4** | 24.00 dB | 0.9000 | 0.6000 | 0.4000 | 2.500 |" in text
    assert "| vid4 | espcn-x4 | 23.90 dB | 0.9000 | 0.5500 | 0.4500 | – |" in text
    assert "lower is steadier" in text


def test_a_plain_card_has_no_second_table() -> None:
    figure = Figure("set5", 30.0, 0.9, 29.9, 0.89, 28.0)
    text = markdown(CardRecord("mine-x4", ("c",), (1,), 1.0, "m", "0", (), (figure,), "paper", 31.0, "No."))
    assert "from unrounded LR |" not in text
    assert "the paper reports 31.00 dB on Set5" in text
    assert Beside("a", 1.0, 0.5).judged == {}


def test_a_card_finds_its_figure_by_set_and_scale() -> None:
    figures = (Figure("set5", 1, 1, 1, 1, 1, scale=2), Figure("set5", 2, 1, 1, 1, 1, scale=3))
    record = CardRecord("vdsr", (), (), 0, "", "", (), figures, "", None, "")
    assert (found := record.figure("set5", 3)) is not None
    assert found.psnr_db == 2
    assert record.figure("set14", 3) is None
