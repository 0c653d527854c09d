"""Models of several frames and with states: order, repetition, cuts, sizes, tiles; by nets whose result is known."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import subpixel
from subpixel.bundle import Bundle
from subpixel.errors import BadInputError

Frame = NDArray[np.uint8]


def clip(count: int, seed: int = 0, shape: tuple[int, int] = (24, 32)) -> list[Frame]:
    """Frames of one scene, each with its own level."""
    blocks = np.random.default_rng(seed).integers(60, 180, (shape[0] // 8, shape[1] // 8), np.uint8)
    scene = blocks.repeat(8, axis=0).repeat(8, axis=1)
    return [scene + np.uint8(number) for number in range(count)]


def larger(frame: NDArray[Any]) -> NDArray[Any]:
    return frame.repeat(2, axis=0).repeat(2, axis=1)


def played(bundle: Bundle, frames: list[Any], engine: str = "onnxruntime") -> list[Any]:
    with subpixel.open(bundle, engine=engine) as model:
        return list(model.upscale_video(frames))


@pytest.mark.parametrize(("at", "expected"), [(0, [0, 0, 1, 2]), (1, [0, 1, 2, 3]), (2, [1, 2, 3, 3])])
def test_each_frame_is_given_its_neighbours_and_the_ends_are_repeated(
    at: int, expected: list[int], toy_nets: Any
) -> None:
    frames = clip(4)
    results = played(toy_nets.picks(at), frames)
    assert [np.array_equal(r, larger(frames[n])) for r, n in zip(results, expected, strict=True)] == [True] * 4


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_windows_stop_at_a_scene_cut(engine: str, require: Any, toy_nets: Any) -> None:
    require(engine)
    frames = clip(3, seed=1) + clip(3, seed=2)
    for at, expected in ((0, [0, 0, 1, 3, 3, 4]), (2, [1, 2, 2, 4, 5, 5])):
        results = played(toy_nets.picks(at), frames, engine)
        assert [np.array_equal(r, larger(frames[n])) for r, n in zip(results, expected, strict=True)] == [True] * 6


def test_the_first_result_comes_after_as_many_frames_as_the_model_looks_ahead(toy_nets: Any) -> None:
    frames, asked = clip(6), []

    def source() -> Iterator[Frame]:
        for number, frame in enumerate(frames):
            asked.append(number)
            yield frame

    with subpixel.open(toy_nets.picks(2, window=5, lookahead=2), engine="onnxruntime") as model:
        results = model.upscale_video(source())
        assert np.array_equal(next(results), larger(frames[0]))
        assert asked == [0, 1, 2]
        assert len(list(results)) == 5


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_state_goes_from_frame_to_frame_and_starts_anew_at_a_cut(
    engine: str, dtype: type[Any], require: Any, toy_nets: Any
) -> None:
    require(engine)
    levels = clip(5, seed=1) + clip(4, seed=2)
    frames = levels if dtype is np.uint8 else [f.astype(np.float32) / np.float32(255) for f in levels]
    results = played(toy_nets.running_sum(), frames, engine)
    for start, stop in ((0, 5), (5, 9)):
        for number in range(start, stop):
            total = sum(frame.astype(float) for frame in levels[start : number + 1]) / 16
            found = results[number].astype(float) * (1 if dtype is np.uint8 else 255)
            assert np.abs(found - larger(np.asarray(total))).max() <= (0.51 if dtype is np.uint8 else 1e-3)


def test_a_clip_started_again_gives_the_same(toy_nets: Any) -> None:
    frames = clip(5)
    with subpixel.open(toy_nets.running_sum(window=2, lookahead=1), engine="onnxruntime") as model:
        first = list(model.upscale_video(frames))
        model.upscale(frames[3])
        assert np.array_equal(list(model.upscale_video(frames)), first)


def test_a_change_of_size_or_type_starts_a_clip(toy_nets: Any) -> None:
    small, large = clip(3, seed=3), clip(3, seed=3, shape=(32, 40))
    with subpixel.open(toy_nets.running_sum(), engine="onnxruntime") as model:
        mixed = list(model.upscale_video([*small, *large, *small]))
        assert np.array_equal(mixed[3:6], list(model.upscale_video(large)))
        assert np.array_equal(mixed[6:], mixed[:3])
    real = [frame.astype(np.float32) / np.float32(255) for frame in small]
    changed = played(toy_nets.picks(0), [*small, *real])
    assert [r.dtype for r in changed] == [np.uint8] * 3 + [np.float32] * 3
    assert np.allclose(changed[3], larger(real[0]), atol=1e-6)


def test_an_image_is_a_clip_that_stands_still(toy_nets: Any) -> None:
    frame = clip(1)[0]
    for bundle, expected in ((toy_nets.picks(0), larger(frame)), (toy_nets.picks(2), larger(frame))):
        with subpixel.open(bundle, engine="onnxruntime") as model:
            assert np.array_equal(model.upscale(frame), expected)
    with subpixel.open(toy_nets.running_sum(), engine="onnxruntime") as model:
        once = model.upscale(frame)
        assert np.array_equal(model.upscale(frame), once)
        assert np.abs(once - larger(frame / 16)).max() <= 0.51


def test_colour_frames_keep_their_own_colours(toy_nets: Any) -> None:
    """Luma of the last frame of the window, chroma of the frame that is enlarged."""
    noise = np.random.default_rng(5)
    greys = [np.repeat(frame[..., None], 3, axis=2) for frame in clip(3)]
    tints = [noise.integers(0, 30, 3, np.uint8) for _ in greys]
    frames = [grey + tint for grey, tint in zip(greys, tints, strict=True)]
    from subpixel.quality.ycbcr import ycbcr_from_rgb

    results = played(toy_nets.picks(2), frames)
    for number, result in enumerate(results):
        found, own = ycbcr_from_rgb(result), ycbcr_from_rgb(frames[number])
        ahead = ycbcr_from_rgb(frames[min(number + 1, 2)])
        assert np.abs(found[..., 1:] - larger(own[..., 1:])).max() < 0.02
        assert np.abs(found[..., 0] - larger(ahead[..., 0])).max() < 0.005


def test_a_window_model_of_known_reach_runs_in_tiles(toy_nets: Any) -> None:
    frames = clip(4, shape=(48, 64))
    with subpixel.open(toy_nets.picks(2), engine="onnxruntime") as model:
        whole = list(model.upscale_video(frames))
        model.tile_px = 20
        assert np.array_equal(list(model.upscale_video(frames)), whole)


def test_a_recurrent_model_is_never_tiled(toy_nets: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even when it says how far a pixel reaches: its state comes from farther with every frame."""
    bundle = toy_nets.running_sum()
    bundle = Bundle(replace(bundle.manifest, model=replace(bundle.spec, radius_px=1)), bundle.files)
    frames = clip(2)
    monkeypatch.setattr("subpixel.tiles.WHOLE_LIMIT_PX", frames[0].size)
    with subpixel.open(bundle, engine="onnxruntime") as model:
        model.tile_px = 16
        assert len(list(model.upscale_video(frames))) == 2
        with pytest.raises(BadInputError, match="can't work in tiles"):
            model.upscale(clip(1, shape=(32, 40))[0])


def test_another_number_of_planes_is_refused(toy_nets: Any) -> None:
    with (
        subpixel.open(toy_nets.picks(1), engine="onnxruntime") as model,
        pytest.raises(BadInputError, match=r"needed \[3, H, W\]"),
    ):
        model.upscale_planes(np.zeros((1, 8, 8), np.uint8))


def test_no_frames_give_no_results(toy_nets: Any) -> None:
    assert played(toy_nets.picks(1), []) == []
