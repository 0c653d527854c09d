"""``subpixel adapt``, as a user types it: a small picture, a few steps, a bundle that is better than bicubic."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import subpixel
from subpixel import bundle as bundles
from subpixel.cli.main import cli
from subpixel.errors import BadInputError, NotFoundError, OutputError
from subpixel.evidence import evidence_of
from subpixel.export.rebuild import rebuilt
from subpixel.gate_images import GATE_SET
from subpixel.models.adaptation import STATE, Adaptation, Wish
from subpixel.models.blur_kernels import Gaussian, reduced
from subpixel.models.own_frames import own_planes, spread_over
from subpixel.quality.metrics import psnr_db
from subpixel.quality.resize import upscale

BLUR = Gaussian(2.4, 1.2, 0.5)
STEPS = 60


def run(*arguments: str) -> object:
    """The exit code, as `main` takes it; our errors come through."""
    return cli.main(list(arguments), standalone_mode=False)


@pytest.fixture(scope="module")
def hr() -> np.ndarray:
    """RGB [0, 1], a piece of a real picture."""
    with Image.open(GATE_SET / "gate_stream_720x480.webp") as image:
        return np.asarray(image.convert("RGB"), np.float64)[100:260, 200:360] / 255


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory, hr: np.ndarray) -> Path:
    """A folder with ``lr.png``, its kernel, and a text."""
    made = tmp_path_factory.mktemp("adapt")
    lr = np.stack([reduced(hr[..., c], BLUR.kernel(2), 2) for c in range(3)], axis=-1)
    Image.fromarray(np.clip(np.rint(lr * 255), 0, 255).astype(np.uint8)).save(made / "lr.png")
    np.save(made / "kernel.npy", BLUR.kernel(2))
    (made / "text.txt").write_text("no picture")
    return made


@pytest.fixture(scope="module")
def folder(photo: Path) -> Path:
    """``photo`` with the bundle made of it, and what the verb said as JSON."""
    asked = ["--kernel", str(photo / "kernel.npy"), "--minutes", "30", "--steps", str(STEPS), "--json"]
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert run("adapt", str(photo / "lr.png"), "-o", str(photo / "lr-x2"), *asked) == 0
    (photo / "result.json").write_text(said.getvalue())
    return photo


def test_the_bundle_beats_bicubic_on_its_picture(folder: Path, hr: np.ndarray) -> None:
    lr = own_planes(folder / "lr.png")[0].astype(np.float32)
    truth = own_luma(hr)
    with subpixel.open(folder / "lr-x2", engine="onnxruntime", tune=False) as model:
        made = model.upscale_luma(lr)
    assert psnr_db(made, truth, 2) > psnr_db(upscale(lr, 2), truth, 2) + 0.5


def own_luma(rgb: np.ndarray) -> np.ndarray:
    from subpixel.quality.colour import luma

    return luma(rgb)


def test_the_bundle_is_an_ordinary_one(folder: Path) -> None:
    made = bundles.load(folder / "lr-x2")
    assert (made.spec.name, made.spec.family, made.spec.scale) == ("zssr-x2", "image", 2)
    assert [variant.id for variant in made.manifest.variants][0] == "onnx-fp32"
    for variant in made.manifest.variants:
        found = evidence_of(made, variant)
        assert found is not None
        assert found.passed
    card = made.files["card.md"].decode()
    assert "lr.png" in card
    assert "kernel.npy" in card
    assert "back-projection" in card


def test_its_net_can_be_built_again_from_the_weights_inside(folder: Path) -> None:
    net = rebuilt(bundles.load(folder / "lr-x2"), folder / "lr-x2" / "weights.safetensors")
    assert sum(p.numel() for p in net.parameters()) == 64 * 9 + 64 + 6 * (64 * 64 * 9 + 64) + 64 * 9 + 1


def test_json_is_one_object_with_the_figures(folder: Path) -> None:
    result = json.loads((folder / "result.json").read_text())
    assert result["passed"] is True
    assert result["adapted"]["psnr_db"] > result["adapted"]["bicubic_psnr_db"]
    assert result["adapted"]["steps"] == STEPS
    xx = result["adapted"]["covariance"][0][0]
    assert xx == pytest.approx(BLUR.covariance[0, 0], abs=0.05)
    assert not (folder / "lr-x2.part").exists(), "the state goes when the bundle is there"


def test_upscale_plays_the_bundle(folder: Path) -> None:
    places = [str(folder / name) for name in ("lr.png", "sr.png", "lr-x2")]
    assert not run("upscale", *places[:2], "--model", places[2], "--no-tune", "--quiet")
    with Image.open(folder / "sr.png") as image:
        assert image.size == (160, 160)


def test_a_clip_is_learnt_from_frames_of_all_its_length(
    here: Path, samples: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clip = next(file for file in sorted(samples.glob("*.mp4")) if "bunny" in file.name or "stream" in file.name)
    assert run("adapt", str(clip), "-o", "clip.spx", "--scale", "3", "--steps", "1", "--json") == 0
    adapted = json.loads(capsys.readouterr().out)["adapted"]
    assert (adapted["frames"], adapted["scale"], adapted["kernel"]) == (12, 3, "estimate")
    assert bundles.load(here / "clip.spx").spec.name == "zssr-x3"


def test_every_scene_gives_a_frame_before_long_ones_give_more() -> None:
    chosen = spread_over(([0, 90, 100], 200), 6)
    assert {45, 95, 150} <= set(chosen)
    assert 5 <= len(chosen) <= 6
    assert spread_over(([0], 1), 12) == [0]
    assert len(spread_over((list(range(0, 500, 10)), 500), 12)) == 12


def test_ctrl_c_keeps_the_state_and_the_same_command_goes_on(photo: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "subpixel",
        "adapt",
        str(photo / "lr.png"),
        "-o",
        "out.spx",
        "--kernel",
        "bicubic",
    ]
    started = subprocess.Popen(
        [*command, "--minutes", "60"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    until = time.monotonic() + 120
    while not (tmp_path / "out.spx.part").is_dir() and time.monotonic() < until:
        time.sleep(0.1)
    os.kill(started.pid, signal.SIGINT)
    said, _ = started.communicate(timeout=120)
    assert started.returncode == 130
    assert "the same command goes on from there" in said
    assert (tmp_path / "out.spx.part" / STATE).is_file()
    done = subprocess.run([*command, "--steps", "1"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "going on from out.spx.part at step" in done.stdout
    assert (tmp_path / "out.spx").is_file()
    assert not (tmp_path / "out.spx.part").exists()


def test_an_interrupted_training_counts_its_steps_on(photo: Path, tmp_path: Path) -> None:
    planes = own_planes(photo / "lr.png")

    def stop(seconds: float, step: int) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Adaptation(planes, Wish(2, "bicubic", 1.0), tmp_path).run(stop)
    again = Adaptation(planes, Wish(2, "bicubic", 9.0, 70), tmp_path)
    assert (again.resumed, again.trainer.progress.step) == (True, 3)
    with pytest.raises(BadInputError, match="another input or with other options"):
        Adaptation(planes, Wish(2, "estimate", 1.0), tmp_path)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (("none.png", "-o", "x.spx"), NotFoundError, "no such file"),
        (("lr.png", "-o", "kernel.npy"), OutputError, "exists"),
        (("lr.png", "-o", "x.spx", "--scale", "5"), BadInputError, "needed one of 2, 3, 4"),
        (("lr.png", "-o", "x.spx", "--minutes", "0"), BadInputError, "more than 0"),
        (("lr.png", "-o", "x.spx", "--minutes", "nan"), BadInputError, "more than 0"),
        (("lr.png", "-o", "x.spx", "--kernel", "none.npy"), NotFoundError, "bicubic or estimate"),
        (("lr.png", "-o", "x.spx", "--kernel", "lr.png"), BadInputError, "isn't a kernel"),
        (("text.txt", "-o", "x.spx"), BadInputError, "text.txt"),
    ],
)
def test_what_cant_be_served_is_told_before_any_training(
    photo: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], kind: type[Exception], words: str
) -> None:
    monkeypatch.chdir(photo)
    with pytest.raises(kind, match=words):
        run("adapt", *arguments)
    assert not (photo / "x.spx").exists()
    assert not (photo / "x.spx.part").exists()


def test_a_tiny_picture_is_refused(here: Path) -> None:
    Image.new("RGB", (12, 40)).save(here / "tiny.png")
    with pytest.raises(BadInputError, match="12x40"):
        run("adapt", "tiny.png", "-o", "x.spx", "--kernel", "bicubic")
