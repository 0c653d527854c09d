"""Fusion of frames: detail comes back from shifts, wrong frames do no harm, its parts are what they say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from subpixel.classical import fusion
from subpixel.classical.estimators import ESTIMATORS
from subpixel.classical.fusion import confidence, detail
from subpixel.classical.imaging import Blur, Samples
from subpixel.classical.methods import method
from subpixel.classical.motion import grid
from subpixel.quality.metrics import psnr_db
from subpixel.quality.resize import downscale, upscale

Plane = NDArray[np.float32]
Scenes = Callable[[float, int], Callable[..., Plane]]
Require = Callable[[str], None]
SHIFTS = [(-1.7, 0.9), (0.8, -1.3), (0.0, 0.0), (1.4, 1.6), (-0.6, 2.3)]  # of the fine grid


def frames_of(show: Callable[..., Plane], scale: int, height: int = 40, width: int = 48) -> tuple[Plane, Plane]:
    """Five 8-bit frames of a scene that moves, and what the third one was reduced from."""
    y, x = np.mgrid[0 : height * scale, 0 : width * scale].astype(float)
    fine = [show(x - 1.5 * dx, y - 1.5 * dy) for dx, dy in SHIFTS]
    frames = [np.rint(downscale(plane, scale) * 255) / 255 for plane in fine]
    return np.stack(frames).astype(np.float32), fine[2]


@pytest.mark.parametrize("name", ["fusion", "fusion-block", "fusion-diamond", "fusion-flow"])
def test_detail_comes_back_from_frames_that_moved(name: str, scene: Scenes, require: Require) -> None:
    if name == "fusion-flow":
        require("cv2")
    frames, truth = frames_of(scene(5.5, 1), 3)
    fused, alone = method(name).build(3)(frames), method("nedi").build(3)(frames[2:3])
    assert psnr_db(fused, truth, 9) > psnr_db(upscale(frames[2], 3), truth, 9) + 3
    assert psnr_db(fused, truth, 9) > psnr_db(alone, truth, 9) + 1


@pytest.mark.parametrize("scale", [2, 4])
def test_it_gains_at_the_other_scales_too(scale: int, scene: Scenes) -> None:
    frames, truth = frames_of(scene(2.0 * scale, 2), scale)
    fused, alone = method("fusion").build(scale)(frames), method("nedi").build(scale)(frames[2:3])
    assert psnr_db(fused, truth, 9) > psnr_db(alone, truth, 9) + 0.5


def test_frames_of_another_scene_do_no_harm(scene: Scenes) -> None:
    frames, truth = frames_of(scene(6, 3), 3)
    strangers, _ = frames_of(scene(6, 4), 3)
    frames[[0, 1, 3, 4]] = strangers[[0, 1, 3, 4]]
    fused, alone = method("fusion").build(3)(frames), method("nedi").build(3)(frames[2:3])
    assert psnr_db(fused, truth, 9) > psnr_db(alone, truth, 9) - 0.3


def test_five_times_the_same_frame_is_that_frame_enlarged(scene: Scenes) -> None:
    frames, _ = frames_of(scene(6, 5), 3)
    still = np.repeat(frames[2:3], 5, axis=0)
    difference = method("fusion").build(3)(still) - method("nedi").build(3)(still[:1])
    assert np.abs(difference).mean() < 0.004
    assert np.abs(difference).max() < 0.04


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (2, 2), (3, 5)])
def test_tiny_frames_are_fused(shape: tuple[int, int]) -> None:
    frames = np.random.default_rng(0).random((5, *shape), dtype=np.float32)
    for name in set(ESTIMATORS) - {"flow"}:
        fused = fusion.Fusion(3, ESTIMATORS[name]())(frames)
        assert fused.shape == (3 * shape[0], 3 * shape[1])
        assert np.isfinite(fused).all()


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("shift", [0, 1])
def test_the_blur_read_at_the_frames_pixels_is_the_bicubic_reduction(scale: int, shift: int, scene: Scenes) -> None:
    """Of a frame at rest, and of one that moved a pixel of the fine grid."""
    y, x = np.mgrid[0 : 20 * scale, 0 : 22 * scale].astype(float)
    show = scene(2.0 * scale, 1)
    places = (grid(20, 22).reshape(-1, 2) + 0.5) * scale - 0.5 + shift
    read = Samples(places.astype(np.float32), (20 * scale, 22 * scale)).read(Blur(scale)(show(x, y)))
    wanted = downscale(show(x + shift, y + shift), scale)
    error = np.abs(read.reshape(20, 22) - wanted)[3:-3, 3:-3]
    assert error.max() < 0.015
    assert error.mean() < 0.05 * np.abs(wanted - 0.5).mean()


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_blur_is_its_own_adjoint(scale: int) -> None:
    one, other = np.random.default_rng(2).random((2, 19, 70))
    assert np.isclose(np.vdot(Blur(scale)(one), other), np.vdot(one, Blur(scale)(other)))


def test_spreading_is_the_adjoint_of_reading() -> None:
    random = np.random.default_rng(3)
    samples = Samples(random.uniform(-1, 9, (40, 2)).astype(np.float32), (7, 8))
    plane, values = random.random((7, 8)), random.random(40)
    assert np.isclose(np.vdot(samples.read(plane), values), np.vdot(plane, samples.spread(values)), rtol=1e-5)


def test_detail_is_the_solution_of_the_least_squares_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    """The blur and the bilinear reading as matrices filled in by loops, and the normal equations solved whole."""
    monkeypatch.setattr(fusion, "ROUNDS", 1)
    monkeypatch.setattr(fusion, "STEPS", 200)
    random = np.random.default_rng(4)
    places = random.uniform(0, 5, (30, 2)).astype(np.float32)
    values, weights = random.normal(0, 0.1, 30).astype(np.float32), random.random(30, dtype=np.float32)
    read = np.zeros((30, 36))
    for sample, (x, y) in enumerate(places):
        for row in range(6):
            for column in range(6):
                read[sample, 6 * row + column] = max(1 - abs(x - column), 0) * max(1 - abs(y - row), 0)
    model = read @ np.kron(blur_matrix(6), blur_matrix(6))
    normal = model.T @ (weights[:, None] * model) + fusion.RIDGE * np.eye(36)
    wanted = np.linalg.solve(normal, model.T @ (weights * values)).reshape(6, 6)
    found = detail(Blur(2), Samples(places, (6, 6)), values, weights)
    assert np.abs(found - wanted).max() < 0.01 * np.abs(wanted).max()


def blur_matrix(length: int) -> NDArray[np.float64]:
    """The blur of x2 along one axis, the border mirrored."""
    matrix, taps = np.zeros((length, length)), Blur(2).taps()
    for row in range(length):
        for place, tap in enumerate(taps):
            column = (row + place - len(taps) // 2) % (2 * length)
            matrix[row, min(column, 2 * length - 1 - column)] += tap
    return matrix


def test_confidence_is_one_where_frames_agree_and_falls_with_the_difference() -> None:
    difference = np.zeros((9, 30), np.float32)
    difference[:, 15:] = 0.02
    difference[:, 25:] = 0.2
    found = confidence(difference)[4]
    assert found[5] == 1
    assert np.isclose(found[20], 0.25, atol=1e-4)
    assert found[29] < 0.001
