"""Lanczos, NEDI and back-projection against slow references in plain loops, and by what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from subpixel.classical.backprojection import BackProjection, back_project
from subpixel.classical.lanczos import Lanczos
from subpixel.classical.methods import METHODS, method
from subpixel.classical.nedi import MARGIN_PX, RIDGE, Nedi, doubled, edge_directed
from subpixel.classical.resampling import CUBIC, LANCZOS3, LINEAR, Kernel, Row, enlarged, resample, taps
from subpixel.errors import NotFoundError
from subpixel.quality.metrics import psnr_db
from subpixel.quality.resize import downscale, upscale

Plane = NDArray[np.float32]
ODD_SHAPES = [(1, 1), (1, 6), (5, 1), (2, 2), (3, 7)]


def noise(*shape: int) -> Plane:
    return np.random.default_rng(shape).random(shape, dtype=np.float32)


def pixel(plane: Plane, row: int, column: int) -> float:
    """With the border mirrored, the edge pixel repeated."""
    for length in plane.shape:
        assert length > 0
    row, column = (index % (2 * n) for index, n in zip((row, column), plane.shape, strict=True))
    height, width = plane.shape
    return float(plane[min(row, 2 * height - 1 - row), min(column, 2 * width - 1 - column)])


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_lanczos_is_the_weighted_sum_of_six_by_six_pixels(scale: int) -> None:
    plane = noise(5, 4)
    result = Lanczos(scale)(plane[None])
    for row in range(5 * scale):
        for column in range(4 * scale):
            y, x = (row + 0.5) / scale - 0.5, (column + 0.5) / scale - 0.5
            total = weight = 0.0
            for i in range(int(np.floor(y)) - 2, int(np.floor(y)) + 4):
                for j in range(int(np.floor(x)) - 2, int(np.floor(x)) + 4):
                    w = float(np.sinc(y - i) * np.sinc((y - i) / 3) * np.sinc(x - j) * np.sinc((x - j) / 3))
                    total, weight = total + w * pixel(plane, i, j), weight + w
            assert abs(result[row, column] - total / weight) < 1e-5


@pytest.mark.parametrize("kernel", [LINEAR, CUBIC, LANCZOS3], ids=["linear", "cubic", "lanczos3"])
@pytest.mark.parametrize("row", [enlarged(9, 3), Row(6, 0.25, 1.5), Row(40, -1.0, 0.3)])
def test_weights_sum_to_one_wherever_the_samples_lie(kernel: Kernel, row: Row) -> None:
    index, weight = taps(9, row, kernel)
    assert np.allclose(weight.sum(axis=1), 1)
    assert index.min() >= 0
    assert index.max() < 9


def test_resampling_by_the_cubic_kernel_is_the_fields_bicubic() -> None:
    plane = noise(8, 11)
    found = resample(plane, enlarged(8, 3), enlarged(11, 3), CUBIC)
    assert np.abs(found - upscale(plane, 3)).max() < 1e-6


def weights_by_lagrange(known: Plane, window: list[tuple[int, int]], offsets: list[tuple[int, int]]) -> Plane:
    """The four weights that explain the window's pixels best, of sum one, drawn to a quarter each by the ridge."""
    system, right = np.zeros((5, 5)), np.zeros(5)
    system[:4, :4] += RIDGE * np.eye(4)
    right[:4] += RIDGE / 4
    for row, column in window:
        around = np.array([pixel(known, row + dy, column + dx) for dy, dx in offsets])
        system[:4, :4] += np.outer(around, around)
        right[:4] += around * pixel(known, row, column)
    system[:4, 4] = system[4, :4] = right[4] = 1
    result: Plane = np.linalg.solve(system, right)[:4]
    return result


def nedi_by_loops(plane: Plane, row: int, column: int) -> tuple[float, float, float]:
    """The new pixels below and right of ``(row, column)``, right of it, and below it."""
    corners = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    sides = [(-1, 0), (0, -1), (0, 1), (1, 0)]

    def amid(i: int, j: int) -> float:
        window = [(i + dy, j + dx) for dy in range(-1, 3) for dx in range(-1, 3)]
        four = [pixel(plane, i + dy, j + dx) for dy in (0, 1) for dx in (0, 1)]
        return float(weights_by_lagrange(plane, window, corners) @ four)

    across = [amid(row - 1, column), pixel(plane, row, column), pixel(plane, row, column + 1), amid(row, column)]
    down = [pixel(plane, row, column), amid(row, column - 1), amid(row, column), pixel(plane, row + 1, column)]
    beside = [(row + dy, column + dx) for dy in range(-1, 2) for dx in range(-1, 3)]
    below = [(row + dy, column + dx) for dy in range(-1, 3) for dx in range(-1, 2)]
    return (
        amid(row, column),
        float(weights_by_lagrange(plane, beside, sides) @ across),
        float(weights_by_lagrange(plane, below, sides) @ down),
    )


def test_nedi_gives_what_solving_each_pixels_own_system_gives() -> None:
    plane = noise(6, 7)
    fine = doubled(np.pad(plane, MARGIN_PX, mode="symmetric"))
    for row in range(6):
        for column in range(7):
            amid, across, down = nedi_by_loops(plane, row, column)
            top, left = 2 * (row + MARGIN_PX), 2 * (column + MARGIN_PX)
            assert fine[top, left] == plane[row, column]
            found = fine[top + 1, left + 1], fine[top, left + 1], fine[top + 1, left]
            assert np.abs(np.subtract(found, (amid, across, down))).max() < 1e-4


def test_nedi_follows_an_edge_that_bicubic_breaks_into_steps() -> None:
    y, x = np.mgrid[0:96, 0:96]
    hr = np.clip((y - 0.6 * x - 20) / 2, 0, 1).astype(np.float32)
    lr = downscale(hr, 2)
    assert psnr_db(Nedi(2)(lr[None]), hr, 4) > psnr_db(BackProjection(2)(lr[None]), hr, 4) + 3
    assert psnr_db(edge_directed(lr, 2), hr, 4) > psnr_db(upscale(lr, 2), hr, 4) + 0.5


@pytest.mark.parametrize("make", [BackProjection, Nedi])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_reducing_the_result_gives_the_frame_back(make: type[Nedi], scale: int) -> None:
    lr = downscale(noise(30 * scale, 24 * scale), scale)
    before = np.abs(downscale(upscale(lr, scale), scale) - lr).max()
    after = np.abs(downscale(make(scale)(lr[None]), scale) - lr).max()
    assert after < 0.005
    assert after < before / 10


def test_a_pass_of_back_projection_is_the_papers_update() -> None:
    lr, estimate = noise(6, 5), noise(12, 10)
    updated = estimate + upscale(lr - downscale(estimate, 2), 2)
    assert np.array_equal(back_project(estimate, lr, 2, 1), updated)


@pytest.mark.parametrize("name", ["lanczos", "nedi", "backprojection"])
@pytest.mark.parametrize("shape", ODD_SHAPES)
def test_tiny_frames_are_enlarged_and_flat_ones_stay_flat(name: str, shape: tuple[int, int]) -> None:
    for scale in (2, 3, 4):
        flat = method(name).build(scale)(np.full((1, *shape), 0.3, np.float32))
        assert flat.shape == (shape[0] * scale, shape[1] * scale)
        assert flat.dtype == np.float32
        assert np.abs(flat - 0.3).max() < 1e-5


@pytest.mark.parametrize("row", [row for row in METHODS if row.radius_px], ids=lambda row: row.name)
def test_a_pixel_reaches_no_farther_than_the_table_says(row: object) -> None:
    assert isinstance(row, type(METHODS[0])) and row.radius_px is not None
    for scale in (2, 3):
        frame = noise(64, 60)
        other = frame.copy()
        other[30, 31] = 1 - other[30, 31]
        enlarge = row.build(scale)
        rows, columns = np.nonzero(np.abs(enlarge(frame[None]) - enlarge(other[None])) > 1e-6)
        reach = max(np.abs((rows + 0.5) / scale - 30.5).max(), np.abs((columns + 0.5) / scale - 31.5).max())
        assert 1 < reach <= row.radius_px + 0.5


@pytest.mark.parametrize("scale", [1, 5, 17])
def test_a_scale_that_a_method_does_not_have_is_refused(scale: int) -> None:
    with pytest.raises(NotFoundError, match=f"2 to 4.*{scale}"):
        method("nedi").build(scale)
