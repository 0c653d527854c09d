"""Windows of frames: order, repetition at the ends and at cuts, and when each one is ready."""

from __future__ import annotations

import numpy as np
import pytest

from subpixel.spec import ModelSpec, StateSpec
from subpixel.windows import Clips, Windows


def all_windows(text: str, window: int, lookahead: int, cuts: str = "") -> list[tuple[str, str, bool]]:
    """Frames are letters; a clip starts with each letter of ``cuts``."""
    windows: Windows[str] = Windows(window, lookahead)
    found = [w for letter in text for w in windows.push(letter, letter in cuts)] + windows.flush()
    return [("".join(w.frames), w.centre, w.starts_clip) for w in found]


def test_the_ends_are_repeated() -> None:
    assert all_windows("abcd", 3, 1) == [
        ("aab", "a", True), ("abc", "b", False), ("bcd", "c", False), ("cdd", "d", False),
    ]  # fmt: skip
    assert [w[0] for w in all_windows("abc", 2, 0)] == ["aa", "ab", "bc"]
    assert [w[0] for w in all_windows("abc", 2, 1)] == ["ab", "bc", "cc"]
    assert [w[0] for w in all_windows("abcd", 5, 2)] == ["aaabc", "aabcd", "abcdd", "bcddd"]
    assert [w[0] for w in all_windows("abcd", 4, 3)] == ["abcd", "bcdd", "cddd", "dddd"]


def test_a_clip_of_one_frame_is_that_frame_alone() -> None:
    assert all_windows("a", 5, 2) == [("aaaaa", "a", True)]


def test_nothing_is_mixed_across_a_cut() -> None:
    assert all_windows("abcxyz", 3, 1, cuts="x") == [
        ("aab", "a", True), ("abc", "b", False), ("bcc", "c", False),
        ("xxy", "x", True), ("xyz", "y", False), ("yzz", "z", False),
    ]  # fmt: skip


def test_every_frame_may_be_a_clip() -> None:
    assert [w[0] for w in all_windows("abc", 3, 1, cuts="abc")] == ["aaa", "bbb", "ccc"]
    assert all(starts for _, _, starts in all_windows("abc", 3, 1, cuts="abc"))


@pytest.mark.parametrize(("window", "lookahead"), [(1, 0), (3, 1), (5, 2), (4, 3), (2, 0)])
def test_a_window_is_ready_as_soon_as_its_last_frame_is_there(window: int, lookahead: int) -> None:
    windows: Windows[int] = Windows(window, lookahead)
    for number in range(10):
        ready = windows.push(number)
        assert [w.centre for w in ready] == ([number - lookahead] if number >= lookahead else [])
        assert all(w.frames[window - 1 - lookahead] == w.centre for w in ready)


def test_only_the_frames_still_needed_are_kept() -> None:
    windows: Windows[int] = Windows(5, 2)
    for number in range(1000):
        windows.push(number)
    assert len(windows._kept) <= 5


def luma(seed: int, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    return (
        np.random.default_rng(seed)
        .integers(16, 236, (shape[0] // 8, shape[1] // 8), np.uint8)
        .repeat(8, 0)
        .repeat(8, 1)
    )


def test_clips_start_at_cuts_and_where_the_form_changes() -> None:
    model = ModelSpec("toy", "1", 2, "recurrent", "y", None, states=(StateSpec("h", 1),))
    clips: Clips[int] = Clips(model)
    scenes = [luma(1), luma(1), luma(2), luma(2), luma(2, (40, 64)), luma(2, (40, 64)).astype(np.float32) / 255]
    found = [w for number, plane in enumerate(scenes) for w in clips.push(number, plane)]
    assert [w.centre for w in found] == [0, 1, 2, 3, 4, 5]
    assert [w.starts_clip for w in found] == [True, False, True, False, True, True]
    assert clips.cuts == [2]
    assert clips.starts == 4
