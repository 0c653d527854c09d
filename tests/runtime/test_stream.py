"""``Model.stream``: frames by their deadline, and what takes turns."""

from __future__ import annotations

import numpy as np
import pytest

import subpixel
from subpixel.errors import BadInputError
from subpixel.spec import Array
from subpixel.stream import Stream, Way, bicubic


class Clock:
    """Seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.load = 1.0

    def __call__(self) -> float:
        return self.now

    def way(self, ms: float, value: int) -> Way:
        def enlarge(frame: Array) -> Array:
            self.now += self.load * ms / 1000
            return np.full((2 * frame.shape[0], 2 * frame.shape[1]), value, np.uint8)

        return enlarge


def shown(stream: Stream, clock: Clock, frames: int, fps: int = 30) -> list[int | None]:
    """The first pixel of each frame given, frames coming at a pace; one before them is for timing."""
    if stream.kept is None:
        stream.push(np.zeros((4, 6), np.uint8))
    first, found = clock.now, list[int | None]()
    for number in range(frames):
        arrival = first + number / fps
        clock.now = max(clock.now, arrival)
        result = stream.push(np.zeros((4, 6), np.uint8), arrival)
        found.append(None if result is None else int(result[0, 0]))
    return found


def test_the_best_way_is_taken_and_given_up_under_load_and_taken_again() -> None:
    clock = Clock()
    stream = Stream([("bicubic", clock.way(1, 0)), ("fast", clock.way(6, 1)), ("best", clock.way(20, 2))], 30, clock)
    assert set(shown(stream, clock, 60)) == {2}
    clock.load = 3.0
    assert set(shown(stream, clock, 60)[5:]) == {1}
    clock.load = 1.0
    assert set(shown(stream, clock, 90)[60:]) == {2}
    kept = stream.kept
    assert kept is not None
    assert kept.dropped == 0
    assert kept.in_time > 0.98


def test_a_way_slower_than_the_model_itself_is_no_rung() -> None:
    clock = Clock()
    stream = Stream([("bicubic", clock.way(1, 0)), ("slow", clock.way(30, 1)), ("best", clock.way(9, 2))], 30, clock)
    assert set(shown(stream, clock, 10)) == {2}
    assert stream.kept is not None
    assert [name for name, _ in stream.kept.shares] == ["bicubic", "best"]


@pytest.mark.parametrize("shape", ((18, 24), (18, 24, 3)))
@pytest.mark.parametrize("dtype", (np.uint8, np.float32))
def test_a_real_model_with_time_enough_gives_what_it_always_gives(shape: tuple[int, ...], dtype: type) -> None:
    random = np.random.default_rng(1)
    frame = random.integers(0, 256, shape).astype(np.uint8) if dtype is np.uint8 else random.random(shape, np.float32)
    with subpixel.open("espcn-x2", engine="onnxruntime", precision="fp32") as model:
        stream = model.stream(fps=1)
        np.testing.assert_array_equal(stream.push(frame), model.upscale(frame))
        plain = bicubic(2)(frame)
        assert plain.shape == (36, 48, *shape[2:])
        assert plain.dtype == dtype


def test_rungs_are_of_one_factor_and_one_frame_and_streams_of_one_shape() -> None:
    with subpixel.open("bicubic-x2") as two, subpixel.open("bicubic-x3") as three, subpixel.open("fusion-x2") as window:
        for model, rungs in ((two, [three]), (two, [window]), (window, [])):
            with pytest.raises(BadInputError, match="of one frame and factor"):
                model.stream(30, rungs)
        with pytest.raises(BadInputError, match="more than none"):
            two.stream(0)
        stream = two.stream(1)
        assert stream.kept is None
        stream.push(np.zeros((4, 6), np.uint8))
        with pytest.raises(BadInputError, match="open another stream"):
            stream.push(np.zeros((6, 4), np.uint8))
