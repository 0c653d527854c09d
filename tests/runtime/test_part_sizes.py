"""Parts are run in few sizes, and none for much more than it needs for long."""

from __future__ import annotations

import numpy as np

from subpixel.part_sizes import NEW_SIZE_COST, PartSizes


def test_a_size_that_is_known_is_taken_and_a_larger_one_only_where_it_holds_the_part() -> None:
    sizes = PartSizes()
    assert sizes.size_for((96, 128)) == (96, 128)
    assert not sizes.ran({(96, 128)})
    assert sizes.ran({(96, 128)})
    assert sizes.size_for((96, 128)) == (96, 128)
    assert sizes.size_for((64, 128)) == (96, 128)
    assert sizes.size_for((128, 64)) == (128, 64)
    assert sizes.size_for((64, 64)) == (64, 64)


def test_the_smallest_of_those_that_hold_it_is_taken() -> None:
    sizes = PartSizes()
    sizes.ran({(360, 640), (96, 192), (192, 128)})
    assert sizes.size_for((160, 128)) == (192, 128)
    assert sizes.size_for((96, 160)) == (96, 192)


def test_a_size_that_comes_often_is_run_as_it_is_after_a_while() -> None:
    sizes = PartSizes()
    sizes.ran({(96, 128)})
    given = []
    for _ in range(4 * NEW_SIZE_COST):
        given.append(sizes.size_for((64, 128)))
        sizes.ran({given[-1]})
    assert given == [(96, 128)] * (2 * NEW_SIZE_COST) + [(64, 128)] * (2 * NEW_SIZE_COST)


def test_of_many_sizes_that_come_now_and_then_few_are_run() -> None:
    random, sizes, ran = np.random.default_rng(0), PartSizes(), set()
    for _ in range(300):
        rows, columns = (32 * int(side) for side in random.integers(2, 11, 2))
        size = sizes.size_for((rows, columns))
        assert size[0] >= rows and size[1] >= columns
        assert size[0] * size[1] <= 1.5 * rows * columns
        ran.add(size)
        sizes.ran({size})
    assert len(ran) < 50  # of 81
