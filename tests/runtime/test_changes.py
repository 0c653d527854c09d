"""Where planes differ, and the rectangles that cover it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subpixel.call_costs import CallCosts
from subpixel.changes import Changes
from subpixel.errors import BadInputError
from subpixel.rectangles import MOST_CUTS, Places, Rectangle, cover
from subpixel.spec import Array

CELL = 16
TYPES = [np.uint8, np.float32]
sides = st.integers(1, 90)


def planes(height: int, width: int, kind: type, seed: int) -> Array:
    levels = np.random.default_rng(seed).integers(0, 256, (height, width))
    result: Array = (levels if kind is np.uint8 else levels / 255).astype(kind)
    return result


@given(sides, sides, st.sampled_from(TYPES), st.integers(0, 9), st.data())
@settings(max_examples=80, deadline=None)
def test_a_changed_pixel_marks_its_cell_and_no_other(
    height: int, width: int, kind: type, count: int, data: st.DataObject
) -> None:
    before = planes(height, width, kind, 1)
    after, expected = before.copy(), np.zeros((-(-height // CELL), -(-width // CELL)), bool)
    for _ in range(count):
        row, column = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
        after[row, column] = 0 if before[row, column] > 0 else 1
        expected[row // CELL, column // CELL] = True
    changes = Changes((height, width), np.dtype(kind), CELL, 0)
    assert np.array_equal(changes.between(after, before), expected)
    assert not changes.between(before, before).any()


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("levels", [1, 3, 40])
def test_a_tolerance_lets_differences_up_to_it_pass_in_both_directions(kind: type, levels: int) -> None:
    unit = 1 if kind is np.uint8 else 1 / 255
    changes = Changes((20, 20), np.dtype(kind), CELL, levels + (0 if kind is np.uint8 else 1e-3))
    still, near, far = (np.full((20, 20), 100 * unit, kind) for _ in range(3))
    near[3, 5] = near[18, 18] = (100 + levels) * unit
    far[3, 5] = far[18, 18] = (100 + levels + 1) * unit
    expected = [[True, False], [False, True]]
    assert not changes.between(still, near).any() and not changes.between(near, still).any()
    assert changes.between(still, far).tolist() == changes.between(far, still).tolist() == expected


@pytest.mark.parametrize("kind", TYPES)
def test_a_cell_that_is_a_little_darker_everywhere_has_changed(kind: type) -> None:
    unit = 1 if kind is np.uint8 else 1 / 255
    changes = Changes((32, 40), np.dtype(kind), CELL, 4)
    still = np.full((32, 40), 100 * unit, kind)
    for share, has_changed in ((0.45, False), (0.55, True)):  # of pixels that differ by a level: 1 of 2 on average
        other = still.copy()
        picked = np.zeros((CELL, CELL), bool)
        picked.flat[: int(share * CELL**2)] = True
        other[:CELL, :CELL][picked] = 99 * unit
        assert changes.between(other, still).tolist() == [[has_changed, False, False], [False, False, False]]


def test_the_ends_of_the_range_are_no_neighbours() -> None:
    black, white = np.zeros((16, 16), np.uint8), np.full((16, 16), 255, np.uint8)
    changes = Changes((16, 16), np.dtype(np.uint8), CELL, 2)
    assert changes.between(black, white).all() and changes.between(white, black).all()


def test_cells_of_other_sizes_than_whole_words_are_refused() -> None:
    with pytest.raises(BadInputError, match="multiple of 8"):
        Changes((16, 16), np.dtype(np.uint8), 12, 0)


def cost(call: float) -> object:
    return lambda rows, columns: np.where(rows * columns > 0, call + (rows + 1.0) * (columns + 1.0), np.inf)


grids = st.tuples(st.integers(1, 20), st.integers(1, 20), st.floats(0, 1), st.integers(0, 1000), st.floats(0, 60))


@given(grids)
@settings(max_examples=150, deadline=None)
def test_rectangles_hold_every_marked_cell_and_dont_overlap(grid: tuple[int, int, float, int, float]) -> None:
    rows, columns, share, seed, call = grid
    cells = np.random.default_rng(seed).random((rows, columns)) < share
    seen = np.zeros(cells.shape, int)
    found = cover(cells, cost(call))  # type: ignore[arg-type]
    for box in found:
        seen[box.slices] += 1
    assert len(found) <= 2**MOST_CUTS and seen.max(initial=0) <= 1
    assert (seen[cells] == 1).all()
    assert bool(found) == bool(cells.any())


def test_far_apart_changes_get_their_own_rectangles_and_close_ones_share() -> None:
    cells = np.zeros((20, 20), bool)
    cells[1, 1] = cells[2, 3] = cells[17, 18] = True

    def by_area(rows: Places, columns: Places) -> Array:
        result: Array = np.where(rows * columns > 0, 6.0 + rows * columns, np.inf)
        return result

    assert set(cover(cells, by_area)) == {Rectangle(1, 3, 1, 4), Rectangle(17, 18, 18, 19)}


def test_a_ring_is_cut_into_its_sides() -> None:
    cells = np.ones((20, 24), bool)
    cells[1:-1, 1:-1] = False

    def by_area(rows: Places, columns: Places) -> Array:
        result: Array = np.where(rows * columns > 0, 3.0 + rows * columns, np.inf)
        return result

    assert sum(box.area for box in cover(cells, by_area)) == cells.sum()


def test_two_rings_are_cut_into_their_sides_where_two_holes_are_expected() -> None:
    cells = np.ones((20, 40), bool)
    cells[1:-1, 1:17] = cells[1:-1, 22:-1] = False

    def by_area(rows: Places, columns: Places) -> Array:
        result: Array = np.where(rows * columns > 0, 3.0 + rows * columns, np.inf)
        return result

    assert sum(box.area for box in cover(cells, by_area, holes=2)) == cells.sum()
    assert sum(box.area for box in cover(cells, by_area)) > 1.5 * cells.sum()


@pytest.mark.parametrize("shift", [(3, -2), (-20, 0), (0, 35), (-24, 33), (500, -500)])
def test_beyond_the_borders_of_a_shifted_reference_all_has_changed(shift: tuple[int, int]) -> None:
    plane = np.zeros((24, 33), np.uint8)
    for tolerance in (0, 4):
        cells = Changes((24, 33), plane.dtype, 8, tolerance).between(plane, plane, shift)
        for row, column in np.ndindex(cells.shape):
            ends = (min(8 * row + 8, 24), min(8 * column + 8, 33))
            starts = (8 * row, 8 * column)
            is_inside = all(
                start + by >= 0 and end + by <= side
                for start, end, by, side in zip(starts, ends, shift, plane.shape, strict=True)
            )
            assert cells[row, column] != is_inside


def test_costs_are_learnt_and_one_disturbed_run_says_little() -> None:
    costs = CallCosts(100_000)
    assert costs.whole_ms == np.inf
    costs.saw_whole(500.0)
    assert costs.whole_ms == 500.0
    for _ in range(10):
        costs.saw_whole(20.0)
        costs.saw_parts(1, 10_000, 0.5 + 10_000 * 4e-4)
        costs.saw_parts(4, 20_000, 4 * 0.5 + 20_000 * 4e-4)
    costs.saw_whole(900.0)
    costs.saw_parts(1, 10_000, 300.0)
    assert costs.whole_ms == 20.0
    assert costs.parts_ms(1, 30_000) == pytest.approx(0.5 + 12, rel=0.1)


@pytest.mark.parametrize("tolerance", [0, 2])
@pytest.mark.parametrize("shape", [(5, 7), (16, 16), (50, 83)])
def test_a_glimpse_never_says_more_than_changed(shape: tuple[int, int], tolerance: float) -> None:
    random = np.random.default_rng(0)
    before = random.integers(0, 256, shape, dtype=np.uint8)
    for most in (0, 1, 3, 200):
        after = np.clip(before + random.integers(0, most + 1, shape), 0, 255).astype(np.uint8)
        changes = Changes(shape, before.dtype, CELL, tolerance)
        assert changes.glimpse(after, before) <= changes.between(after, before).mean()


def test_a_glimpse_sees_what_reaches_across_the_cells() -> None:
    before = np.zeros((48, 64), np.uint8)
    after = before.copy()
    after[:, 16:32] = 9
    assert Changes(before.shape, before.dtype, CELL, 2).glimpse(after, before) == 1 / 4
