"""The evaluator proves itself on bicubic's published figures, and the cards on theirs."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

torch = pytest.importorskip("torch", reason="the evaluator is part of the training extra")

from subpixel.errors import BadInputError, NotFoundError  # noqa: E402
from subpixel.models.architecture import WEIGHTS  # noqa: E402
from subpixel.models.card import card_of, markdown, read_card  # noqa: E402
from subpixel.models.evalsets import EvalClip, clip_lumas, degraded, read_rgb, set_folder  # noqa: E402
from subpixel.models.evaluate_cli import evaluate  # noqa: E402
from subpixel.models.evaluation import Bicubic, Measures, Score, per_clip, score_clip, score_set  # noqa: E402
from subpixel.models.patches import image_files, read_luma  # noqa: E402
from subpixel.models.registry import trained, trained_names  # noqa: E402
from subpixel.models.upscalers import TorchUpscaler  # noqa: E402

PUBLISHED = {
    "set5": {2: 33.66, 3: 30.39, 4: 28.42},
    "set14": {2: 30.24, 3: 27.55, 4: 26.00},
    "b100": {2: 29.56, 3: 27.21, 4: 25.96},
}


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["set5", "set14"])
def test_bicubic_reproduces_its_published_figures(name: str, scale: int, eval_data: Path) -> None:
    (row,) = score_set({"bicubic": Bicubic(scale)}, name, scale)
    assert row.mean.psnr_db == pytest.approx(PUBLISHED[name][scale], abs=0.02)
    assert row.mean.psnr_u8_db == pytest.approx(row.mean.psnr_db, abs=0.05)


def test_bicubic_on_vid4_gives_the_published_figure(eval_data: Path) -> None:
    """Three frames of each clip here; the whole set is `subpixel evaluate bicubic-x4 --set vid4`."""
    clips = []
    for clip in sorted((eval_data / "eval" / "Vid4").glob("*.mkv")):
        frames = islice(clip_lumas(clip), 0, None, 16)
        images = [degraded(f"{clip.stem} {index:03d}", plane, 4) for index, plane in enumerate(frames)]
        clips.append(EvalClip(clip.stem, tuple(images)))
    (row,) = score_set({"bicubic": Bicubic(4)}, "vid4", 4, clips)
    assert len(clips) == 4
    assert row.mean.psnr_u8_db == pytest.approx(23.8, abs=0.1)


def test_frames_of_a_clip_count_as_one_and_images_by_themselves() -> None:
    scores = [Score(n, db, 1.0, db, 1.0) for n, db in (("walk 000", 20.0), ("walk 001", 30.0), ("city 000", 40.0))]
    assert [s.psnr_u8_db for s in per_clip(scores)] == [25.0, 40.0]
    assert len(per_clip([Score("a", 1.0, 1.0, 1.0, 1.0), Score("b", 1.0, 1.0, 1.0, 1.0)])) == 2


@pytest.mark.parametrize("name", trained_names())
def test_committed_weights_reach_their_cards_figure(name: str, eval_data: Path) -> None:
    """Images by themselves where the card has them: one still, the first frames of one clip; else all of Set5."""
    model = trained(name)
    record = card_of(model.architecture, model.scale)
    assert record.weights_sha256 == model.weights_sha256
    set_name = "set5" if model.architecture.spec(model.scale).family == "image" else "vid4"
    figure = record.figure(set_name, model.scale)
    assert figure is not None
    upscaler = TorchUpscaler(model.module(), model.architecture.spec(model.scale))
    if not figure.samples:
        ours = score_set({name: upscaler}, set_name, model.scale)[0].mean
        assert ours.psnr_db == pytest.approx(figure.psnr_db, abs=0.005)
        assert ours.psnr_u8_db == pytest.approx(figure.psnr_u8_db, abs=0.005)
        return
    for score in score_clip(upscaler, smallest(set_name, model.scale), model.scale, Measures(eight_bit=False)):
        if score.name in figure.samples:
            assert score.psnr_db == pytest.approx(figure.samples[score.name], abs=0.005)


def smallest(set_name: str, scale: int) -> EvalClip:
    """Set5's smallest image, or as many frames of a clip as four results may look at."""
    folder = set_folder(set_name)
    if set_name == "vid4":
        planes = islice(clip_lumas(folder / "foliage.mkv"), 6)
        return EvalClip("foliage", tuple(degraded(f"foliage {at:03d}", p, scale) for at, p in enumerate(planes)))
    (file,) = (f for f in image_files([folder]) if f.stem == "butterfly")
    return EvalClip(file.stem, (degraded(file.stem, read_luma(file), scale, read_rgb(file)),))


@pytest.mark.parametrize("name", trained_names())
def test_a_card_is_what_its_record_says(name: str) -> None:
    model = trained(name)
    stem = model.architecture.weights_name(model.scale)
    assert (WEIGHTS / f"{stem}.md").read_text() == markdown(read_card(WEIGHTS / f"{stem}.json"))


def test_the_command_evaluates_a_folder_of_images_and_prints_json(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (40, 44, 3), dtype=np.uint8)).save(tmp_path / "noise.png")
    result = CliRunner().invoke(evaluate, ["bicubic-x2", "--set", str(tmp_path), "--each", "--json"])
    rows = json.loads(result.stdout)
    assert [row["upscaler"].split()[0] for row in rows] == ["bicubic", "bicubic-x2"]
    assert rows[0]["mean"]["psnr_db"] == pytest.approx(rows[1]["mean"]["psnr_db"], abs=1e-3)


def test_int8_has_no_figure_from_unrounded_frames(tmp_path: Path, require: Callable[[str], None]) -> None:
    require("openvino")
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 256, (40, 44), dtype=np.uint8)).save(tmp_path / "noise.png")
    command = ["espcn-x2", "--set", str(tmp_path), "--variant", "openvino-int8-u8", "--precision", "auto", "--json"]
    ours = json.loads(CliRunner().invoke(evaluate, command, catch_exceptions=False).stdout)[1]
    assert "int8" in ours["upscaler"]
    assert ours["mean"]["psnr_db"] is None
    assert ours["mean"]["psnr_u8_db"] > 5


def test_an_unknown_set_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    for arguments in (["bicubic-x2", "--set", "set6"], ["bicubic-x2", "--set", str(tmp_path)]):
        result = CliRunner().invoke(evaluate, arguments)
        assert isinstance(result.exception, BadInputError)
    assert isinstance(CliRunner().invoke(evaluate, ["nothing-x2"]).exception, NotFoundError)
