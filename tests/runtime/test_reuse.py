"""Nothing computed twice: the results are those of whole frames, and less is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import subpixel
from subpixel.errors import BadInputError
from subpixel.reuse import Reusing, can_reuse
from subpixel.spec import Array

SECONDS_A_CALL, SECONDS_A_PIXEL = 1e-4, 1e-6
Model = subpixel.Model


class Meter:
    """A clock that goes by what the model is given, so that decisions don't hang on what else the machine does."""

    def __init__(self, model: Model, patch: pytest.MonkeyPatch) -> None:
        self.seconds, run = 0.0, model.upscale_planes

        def counted(planes: Any) -> Any:
            self.seconds += SECONDS_A_CALL + planes.size * SECONDS_A_PIXEL
            return run(planes)

        patch.setattr(model, "upscale_planes", counted)

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(scope="module", params=["onnxruntime", "openvino", "edge by onnxruntime", "edge by openvino"])
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    """ESPCN, and a net that works on cells of 2 x 2 pixels."""
    engine = request.param.split()[-1]
    request.getfixturevalue("require")(engine)
    if request.param == engine:
        with subpixel.open("espcn-x3", engine=engine, precision="fp32") as opened:
            yield opened
        return
    nets = request.getfixturevalue("edge_nets")
    variant = "onnx-fp32-u8"
    with subpixel.open(nets.edge_bundle(nets.learnt_net()), engine=engine, variant=variant, precision="fp32") as opened:
        yield opened


@pytest.fixture
def reusing(model: Model, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Reusing]:
    meter = Meter(model, monkeypatch)
    return lambda tolerance=0.0, motion=True: Reusing(model, tolerance, motion, meter)


def noise(height: int, width: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).integers(16, 236, (height, width), dtype=np.uint8)


def screen(count: int, height: int = 150, width: int = 220) -> Iterator[Array]:
    """A window that fills with text, and a pointer that moves."""
    desk, text = noise(height, width), noise(height, width, 2)
    for at in range(count):
        desk[40:52, 30 : 34 + 4 * at] = text[40:52, 30 : 34 + 4 * at]
        shown = desk.copy()
        shown[100 - at : 110 - at, 150 + at : 158 + at] = 235
        yield shown


def scrolling(count: int) -> Iterator[Array]:
    page = noise(300, 180)
    return (page[3 * at : 3 * at + 120] for at in range(count))


def clip(path: Path, count: int) -> list[Array]:
    """Luma of its first frames."""
    with av.open(str(path)) as container:
        frames = [frame for frame, _ in zip(container.decode(video=0), range(count), strict=False)]
    planes = [np.frombuffer(f.planes[0], np.uint8).reshape(-1, f.planes[0].line_size) for f in frames]  # type: ignore[call-overload]
    return [plane[: f.height, : f.width] for plane, f in zip(planes, frames, strict=True)]


def worst(model: Model, reusing: Reusing, frames: Any) -> int:
    """The largest difference from whole frames, in levels."""
    pairs = ((reusing.upscale_luma(frame).astype(int), model.upscale_luma(frame).astype(int)) for frame in frames)
    return max(int(np.abs(one - other).max()) for one, other in pairs)


def test_a_screen_is_mostly_reused_and_equals_whole_frames(model: Model, reusing: Callable[..., Reusing]) -> None:
    kept = reusing()
    assert worst(model, kept, screen(12)) <= 1
    assert kept.reused.share > 0.5 and kept.reused.frames == 12


def test_duplicates_cost_nothing(
    model: Model, reusing: Callable[..., Reusing], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, frame = reusing(), noise(60, 80)
    kept.upscale_luma(frame)
    monkeypatch.setattr(model, "upscale_planes", lambda planes: pytest.fail("the model ran"))
    again = [kept.upscale_luma(frame.copy()) for _ in range(5)]
    assert all(result is again[0] for result in again)
    assert kept.reused.duplicates == 5 and kept.reused.share == pytest.approx(5 / 6)


def test_scrolling_pages_and_scene_changes_equal_whole_frames(model: Model, reusing: Callable[..., Reusing]) -> None:
    frames = [*scrolling(4), noise(120, 180, 5), *list(scrolling(6))[3:]]
    assert worst(model, reusing(), frames) <= 1


@pytest.mark.parametrize("name", ["bunny_424x240.mp4", "stream_640x360.mp4"])
def test_camera_and_animation_clips_equal_whole_frames(
    model: Model, reusing: Callable[..., Reusing], samples: Path, name: str
) -> None:
    assert worst(model, reusing(), clip(samples / name, 5)) <= 1


def test_frames_may_change_their_size_and_type(model: Model, reusing: Callable[..., Reusing]) -> None:
    kept, one, other = reusing(), list(screen(3, 61, 83)), list(screen(3, 40, 96))
    assert worst(model, kept, [*one, *other, *one]) <= 1
    floats = [frame.astype(np.float32) / np.float32(255) for frame in one]
    for frame in floats:
        assert np.abs(kept.upscale_luma(frame) - model.upscale_luma(frame)).max() <= 1e-3


@st.composite
def touched(draw: st.DrawFn) -> tuple[int, int, list[tuple[int, int, int, int]]]:
    """A frame's size, and boxes in it that change from frame to frame."""
    height, width = draw(st.integers(1, 150)), draw(st.integers(1, 190))
    boxes = []
    for _ in range(draw(st.integers(1, 3))):
        top, left = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        boxes.append((top, draw(st.integers(top + 1, min(height, top + 30))), left,
                      draw(st.integers(left + 1, min(width, left + 30)))))  # fmt: skip
    return height, width, boxes


@given(touched())
@settings(max_examples=25, deadline=None)
def test_changes_anywhere_equal_whole_frames_at_every_size(
    model: Model, case: tuple[int, int, list[tuple[int, int, int, int]]]
) -> None:
    height, width, boxes = case
    frames = [noise(height, width)]
    for seed, (top, bottom, left, right) in enumerate(boxes):
        frames.append(frames[-1].copy())
        frames[-1][top:bottom, left:right] = noise(bottom - top, right - left, seed + 9)
    with pytest.MonkeyPatch.context() as patch:
        assert worst(model, Reusing(model, clock=Meter(model, patch)), frames) <= 1


def test_within_a_tolerance_the_result_is_that_of_a_plane_no_further_than_it(
    model: Model, reusing: Callable[..., Reusing]
) -> None:
    kept, rng = reusing(8), np.random.default_rng(3)
    for frame in screen(10):
        noisy = np.clip(frame + rng.integers(-1, 2, frame.shape), 0, 255).astype(np.uint8)
        result = kept.upscale_luma(noisy).astype(int)
        assert kept.basis is not None
        assert np.abs(kept.basis.astype(int) - noisy).max() <= 8
        assert np.abs(result - model.upscale_luma(kept.basis.copy())).max() <= 1
    assert kept.reused.share > 0.4


def test_errors_dont_add_up_in_a_slow_fade(model: Model, reusing: Callable[..., Reusing]) -> None:
    """Some pixels rise by a level a frame; a fade of all is no change that a tolerance lets pass."""
    kept, still = reusing(4), noise(64, 64) // 2
    rising = np.zeros(still.shape, np.uint8)
    rising[::6, ::6] = 1
    for step in range(100):
        kept.upscale_luma(still + rising * np.uint8(step))
    assert kept.basis is not None
    assert np.abs(kept.basis.astype(int) - (still.astype(int) + 99 * rising)).max() <= 4
    assert 0.7 < kept.reused.share < 0.9


def moving(shift: tuple[int, int], count: int, flat: bool = False) -> Iterator[Array]:
    """A window in which a page moves by whole pixels, between borders that stand still."""
    page = noise(360, 420, 7)
    if flat:
        page[:, 120:] = page[100:220] = 128
    for at in range(count):
        shown = noise(280, 330)
        down, across = 60 + at * shift[0], 60 + at * shift[1]
        shown[16:262, 20:310] = page[down : down + 246, across : across + 290]
        yield shown


@pytest.mark.parametrize(("shift", "flat"), [((4, 0), False), ((-2, 0), True), ((0, 6), True), ((8, -4), False)])
def test_content_that_moves_by_whole_pixels_is_moved_and_equals_whole_frames(
    model: Model, reusing: Callable[..., Reusing], shift: tuple[int, int], flat: bool
) -> None:
    kept, plain = reusing(), reusing(motion=False)
    frames = list(moving(shift, 5, flat))
    assert worst(model, kept, frames) <= 1
    for frame in frames:
        plain.upscale_luma(frame)
    assert kept.reused.share > plain.reused.share or (flat and kept.reused.share > 0.4)


def panes(shifts: tuple[tuple[int, int], tuple[int, int]], count: int) -> Iterator[Array]:
    """Two windows beside each other, the page in each moving its own way."""
    pages = [noise(400, 320, seed) for seed in (7, 8)]
    for at in range(count):
        starts = [(40 + at * down, 40 + at * across) for down, across in shifts]
        yield np.hstack(
            [page[top : top + 320, left : left + 240] for page, (top, left) in zip(pages, starts, strict=True)]
        )


def test_windows_that_move_in_different_directions_are_both_moved(
    model: Model, reusing: Callable[..., Reusing]
) -> None:
    shifts, kept, plain = ((4, 0), (-6, 0)), reusing(), reusing()
    for frame in panes(shifts, 6):
        one, whole = kept.upscale_luma(frame, lambda: shifts).astype(int), model.upscale_luma(frame)
        assert np.abs(one - whole).max() <= 1
        plain.upscale_luma(frame)
    assert kept.reused.share > plain.reused.share + 0.1


def test_within_a_tolerance_several_moves_give_the_result_of_the_basis(
    model: Model, reusing: Callable[..., Reusing]
) -> None:
    """Blank parts of both pages fit either shift, to the bit or nearly."""
    kept, rng = reusing(8), np.random.default_rng(6)
    for frame in panes(((2, 0), (-2, 4)), 6):
        frame[60:180, 40:] = 128
        noisy = frame + rng.integers(0, 2, frame.shape, dtype=np.uint8) * (rng.random(frame.shape) < 0.5)
        noisy[60:120] = frame[60:120]
        result = kept.upscale_luma(noisy, lambda: [(2, 0), (-2, 4), (2, 2)]).astype(int)
        assert kept.basis is not None
        assert np.abs(kept.basis.astype(int) - noisy).max() <= 8
        assert np.abs(result - model.upscale_luma(kept.basis.copy())).max() <= 1
    assert kept.reused.share > 0.04


PART = st.integers(-400, 400)


@given(st.lists(st.tuples(PART, PART), max_size=4), st.tuples(st.integers(-8, 8), st.integers(-8, 8)))
@settings(max_examples=15, deadline=None)
def test_wrong_hints_never_show(model: Model, wrong: list[tuple[int, int]], right: tuple[int, int]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        kept = Reusing(model, clock=Meter(model, patch))
        for frame in panes((right, (-2, 2)), 3):
            result = kept.upscale_luma(frame, lambda: [*wrong, right]).astype(int)
            assert np.abs(result - model.upscale_luma(frame)).max() <= 1


def test_a_whole_page_that_scrolls_is_reused(model: Model, reusing: Callable[..., Reusing]) -> None:
    page, kept = noise(380, 200), reusing()
    assert worst(model, kept, [page[4 * at : 4 * at + 320] for at in range(8)]) <= 1
    assert kept.reused.share > 0.4


def test_moved_content_within_a_tolerance_is_the_result_of_the_basis(
    model: Model, reusing: Callable[..., Reusing]
) -> None:
    kept, rng = reusing(8), np.random.default_rng(5)
    for frame in [*moving((4, 0), 5, True), *moving((2, -2), 5)]:
        noisy = np.clip(frame + rng.integers(-1, 2, frame.shape), 0, 255).astype(np.uint8)
        result = kept.upscale_luma(noisy).astype(int)
        assert kept.basis is not None
        assert np.abs(kept.basis.astype(int) - noisy).max() <= 8
        assert np.abs(result - model.upscale_luma(kept.basis.copy())).max() <= 1
    assert kept.reused.share > 0.15


@pytest.mark.parametrize("levels", [-1, 65, float("nan")])
def test_a_tolerance_that_is_no_number_of_levels_is_refused(levels: float, model: Model) -> None:
    with pytest.raises(BadInputError, match="levels of 255"):
        Reusing(model, levels)


def test_models_of_several_frames_and_of_colours_are_refused(toy_nets: Any) -> None:
    for bundle in (toy_nets.picks(1), toy_nets.running_sum(), toy_nets.turned_colours()):
        with subpixel.open(bundle, engine="onnxruntime") as opened:
            assert not can_reuse(opened)
            with pytest.raises(BadInputError, match="by themselves"):
                Reusing(opened)
