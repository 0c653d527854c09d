"""Motion estimators: known motion is found, the searches do what plain loops do, bad pairs are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from subpixel.classical.block_matching import Blocks, DiamondSearch, ExhaustiveSearch, Matching, length_cost
from subpixel.classical.estimators import ESTIMATORS, estimator
from subpixel.classical.motion import grid, median, sampled, warped
from subpixel.errors import BadInputError

Plane = NDArray[np.float32]
Scenes = Callable[[float, int], Callable[..., Plane]]
Require = Callable[[str], None]
HEIGHT, WIDTH = 72, 88
# Mean error in pixels; a parabola through block costs is less exact, and a walk downhill can end in a hollow.
WITHIN_PX = {"gradient": 0.1, "block": 0.15, "diamond": 0.3, "flow": 0.05}


@pytest.fixture(params=ESTIMATORS)
def name(request: pytest.FixtureRequest, require: Require) -> str:
    if request.param == "flow":
        require("cv2")
    return str(request.param)


def places() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    return x, y


def error_px(found: Plane, truth: Plane | tuple[float, float]) -> float:
    """Mean length of the difference, away from the border where the scene leaves the frame."""
    return float(np.linalg.norm(found - np.asarray(truth), axis=2)[10:-10, 10:-10].mean())


@pytest.mark.parametrize("shift", [(0.0, 0.0), (1.0, 0.0), (0.5, -0.25), (-2.3, 1.6), (4.4, 3.7)])
def test_a_shift_is_found_with_its_sign(name: str, shift: tuple[float, float], scene: Scenes) -> None:
    x, y = places()
    show = scene(6, 1)
    flow = estimator(name)(show(x, y), show(x - shift[0], y - shift[1]))
    assert flow.shape == (HEIGHT, WIDTH, 2)
    assert flow.dtype == np.float32
    assert error_px(flow, shift) < WITHIN_PX[name]


def test_a_turn_and_a_zoom_are_followed_from_place_to_place(name: str, scene: Scenes) -> None:
    x, y = places()
    show = scene(6, 2)
    across, down = x - WIDTH / 2, y - HEIGHT / 2
    truth = np.stack([0.03 * across - 0.02 * down, 0.02 * across + 0.03 * down], axis=2)
    matrix = np.linalg.inv([[1.03, -0.02], [0.02, 1.03]])
    before = np.stack([across, down], axis=2) @ matrix.T
    other = show(before[..., 0] + WIDTH / 2, before[..., 1] + HEIGHT / 2)
    assert error_px(estimator(name)(show(x, y), other), truth) < 2.5 * WITHIN_PX[name]


def test_the_other_frame_warped_by_the_flow_is_the_reference(name: str, scene: Scenes) -> None:
    x, y = places()
    show = scene(8, 3)
    reference, other = show(x, y), show(x - 1.4, y + 0.7)
    back = warped(other, estimator(name)(reference, other))
    assert np.abs(back - reference)[10:-10, 10:-10].mean() < 0.1 * np.abs(other - reference).mean()


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (5, 2), (16, 17)])
def test_small_frames_have_a_flow(name: str, shape: tuple[int, int]) -> None:
    plane = np.random.default_rng(0).random(shape, dtype=np.float32)
    flow = estimator(name)(plane, plane)
    assert flow.shape == (*shape, 2)
    assert np.abs(flow).max() < 0.05


BAD_PAIRS: list[tuple[Any, Any]] = [
    (np.zeros((4, 5), np.float32), np.zeros((5, 4), np.float32)),
    (np.zeros((4, 5, 3), np.float32), np.zeros((4, 5, 3), np.float32)),
    (np.zeros((4, 5), np.uint8), np.zeros((4, 5), np.uint8)),
    (np.zeros((0, 5), np.float32), np.zeros((0, 5), np.float32)),
]


@pytest.mark.parametrize("pair", BAD_PAIRS, ids=["sizes", "colour", "integers", "empty"])
def test_pairs_that_are_no_two_planes_of_one_size_are_refused(name: str, pair: tuple[Any, Any]) -> None:
    with pytest.raises(BadInputError, match="needed two planes"):
        estimator(name)(*pair)


def test_an_unknown_estimator_names_those_there_are() -> None:
    with pytest.raises(BadInputError, match="gradient, block, diamond, flow"):
        estimator("phase")


@pytest.mark.parametrize("wrong", [{"cell_px": 0}, {"overlap_px": 3}, {"overlap_px": -4}, {"range_px": 0}])
def test_blocks_that_do_not_fit_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(BadInputError, match="needed cells"):
        Blocks(**wrong)


def block_cost(reference: Plane, other: Plane, place: tuple[int, int], vector: tuple[int, int], reach: int) -> float:
    """Mean squared difference of the squares around a pixel and around where it went, the border repeated."""
    total = 0.0
    for dy in range(-reach, reach + 1):
        for dx in range(-reach, reach + 1):
            row, column = place[0] + dy, place[1] + dx
            total += (edge(reference, row, column) - edge(other, row + vector[1], column + vector[0])) ** 2
    return total / (2 * reach + 1) ** 2 + float(length_cost(np.array(vector)))


def edge(plane: Plane, row: int, column: int) -> float:
    return float(plane[min(max(row, 0), plane.shape[0] - 1), min(max(column, 0), plane.shape[1] - 1)])


def by_loops(reference: Plane, other: Plane, reach: int, range_px: int) -> Plane:
    """Every displacement of every pixel's block, then the parabola, then the median of the 3x3."""
    side = range(-range_px, range_px + 1)
    flow = np.zeros((*reference.shape, 2))
    for row in range(reference.shape[0]):
        for column in range(reference.shape[1]):
            cost = {(x, y): block_cost(reference, other, (row, column), (x, y), reach) for y in side for x in side}
            x, y = min(cost, key=lambda vector: cost[vector])
            flow[row, column] = x, y
            for axis, ends in enumerate((((x - 1, y), (x + 1, y)), ((x, y - 1), (x, y + 1)))):
                if all(end in cost for end in ends):
                    before, after = (cost[end] for end in ends)
                    flow[row, column, axis] += (before - after) / (2 * (before - 2 * cost[x, y] + after))
    padded = np.pad(flow, ((1, 1), (1, 1), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    result: Plane = np.median(windows, axis=(-2, -1))
    return result


def test_exhaustive_search_gives_what_plain_loops_give(scene: Scenes) -> None:
    x, y = np.mgrid[0:9.0, 0:11.0][::-1]
    show = scene(4, 4)
    reference, other = show(x, y), show(x - 1.3, y + 0.6)
    found = ExhaustiveSearch(Blocks(1, 2, 3))(reference, other)
    assert np.abs(found - by_loops(reference, other, 2, 3)).max() < 1e-3


def test_both_ways_to_a_blocks_cost_are_the_same() -> None:
    random = np.random.default_rng(5)
    reference, other = random.random((2, 22, 30), dtype=np.float32)
    matching = Matching(Blocks(4, 4, 3), reference, other)
    every = np.arange(len(matching.places))
    for vector in ((0, 0), (3, -2), (-1, 3)):
        one_by_one = matching.of(np.tile(vector, (len(every), 1)), every)
        assert np.allclose(matching.everywhere(vector), one_by_one, atol=1e-6)


def test_diamond_search_finds_what_exhaustive_search_finds_where_the_motion_is_smooth(scene: Scenes) -> None:
    x, y = places()
    show = scene(12, 6)
    reference, other = show(x, y), show(x - 3.2 + 0.01 * y, y - 1.7)
    blocks = Blocks(8, 8, 7)
    difference = DiamondSearch(blocks)(reference, other) - ExhaustiveSearch(blocks)(reference, other)
    assert np.median(np.abs(difference)) == 0
    assert np.mean(np.abs(difference) > 0.01) < 0.05


def test_the_median_of_a_flow_is_the_median_of_nine() -> None:
    flow = np.random.default_rng(7).random((6, 5, 2), dtype=np.float32)
    padded = np.pad(flow, ((1, 1), (1, 1), (0, 0)), mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(0, 1))
    assert np.array_equal(median(flow), np.median(windows, axis=(-2, -1)))


def test_sampling_is_bilinear_and_repeats_the_border() -> None:
    plane = np.random.default_rng(8).random((4, 5), dtype=np.float32)
    assert np.array_equal(sampled(plane, grid(4, 5)), plane)
    asked = np.array([[1.25, 2.5], [-3.0, 0.0], [9.0, 9.0]], np.float32)
    wanted = (0.75 * (plane[2, 1] + plane[3, 1]) + 0.25 * (plane[2, 2] + plane[3, 2])) / 2
    assert np.allclose(sampled(plane, asked), [wanted, plane[0, 0], plane[3, 4]])
