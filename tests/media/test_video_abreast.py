"""Several frames under way at once: in order, pixels unchanged, errors reach the caller; luma goes where it stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.video.frame import VideoFrame

import subpixel
from subpixel.errors import BadInputError, EngineError
from subpixel.media import UpscaleOptions, upscale_file
from subpixel.media.colour import ColourTags
from subpixel.media.enlarge import LumaEnlarger, Prepared, Preparer, Seen
from subpixel.media.enlarge_abreast import HELPS, LOOK_EVERY, AbreastEnlarger, TurnsEnlarger
from subpixel.media.pixels import bits_of, plane_of
from subpixel.model import Model
from subpixel.reuse import Reused, Reusing

BT709, FULL_RANGE = ColourTags(1, 1, 1, 1), ColourTags(1, 2, 1, 1)
SIZES = [(64, 48), (16, 16), (128, 96), (16, 32)] * 3  # so that later frames are done before earlier ones


@pytest.fixture(scope="module")
def model(tiny_bundle: Any) -> Iterator[Model]:
    with subpixel.open(tiny_bundle, engine="onnxruntime", threads=2, streams=2) as opened:
        yield opened


def prepared_of(index: int) -> Prepared:
    """A seeded frame, and a base of its own threefold size."""
    width, height = SIZES[index]
    frame, rng = VideoFrame(width, height, "yuv420p"), np.random.default_rng(index)
    frame.pts = index
    for place in range(3):
        plane_of(frame, place)[:] = rng.integers(20, 230, plane_of(frame, place).shape)
    return Preparer(BT709, "left", (3 * width, 3 * height), chroma_only=True)(frame)


def pixels_of(frame: VideoFrame) -> list[bytes]:
    return [plane_of(frame, index).tobytes() for index in range(3)]


def test_frames_come_in_order_and_equal_those_made_one_by_one(model: Model) -> None:
    alone = LumaEnlarger(model, "yuv420p", BT709)
    abreast = AbreastEnlarger(LumaEnlarger(model, "yuv420p", BT709), model.receipt.streams)
    found = [frame for index in range(len(SIZES)) for frame in abreast.push(prepared_of(index))]
    found += abreast.flush()
    abreast.close()
    assert [frame.pts for frame in found] == list(range(len(SIZES)))
    for index, frame in enumerate(found):
        (wanted,) = alone.push(prepared_of(index))
        assert pixels_of(frame) == pixels_of(wanted)


def test_no_more_than_its_runs_and_one_wait(model: Model) -> None:
    abreast = AbreastEnlarger(LumaEnlarger(model, "yuv420p", BT709), 2)
    given = [len(abreast.push(prepared_of(index))) for index in range(len(SIZES))]
    assert all(total + 1 - sum(given[: total + 1]) <= 2 for total in range(len(SIZES)))
    abreast.close()


def test_what_a_run_under_way_raises_reaches_the_caller(tiny_bundle: Any) -> None:
    closed = subpixel.open(tiny_bundle, engine="onnxruntime", streams=2)
    abreast = AbreastEnlarger(LumaEnlarger(closed, "yuv420p", BT709), 2)
    closed.close()
    with pytest.raises(EngineError, match="closed"):
        for index in range(4):
            abreast.push(prepared_of(index))
    abreast.close()


def test_a_fault_in_the_middle_of_a_video_leaves_nothing_behind(
    tiny_bundle: Any, clip_of: Callable[..., Path], tmp_path: Path
) -> None:
    source, target = clip_of(), tmp_path / "larger.mp4"
    with subpixel.open(tiny_bundle, engine="onnxruntime", streams=2) as opened:

        def fail(done: int, expected: int | None) -> None:
            if done == 3:
                opened.close()

        with pytest.raises(EngineError, match="closed"):
            upscale_file(source, target, model=opened, progress=fail)
    assert [path.name for path in tmp_path.iterdir()] == [source.name]


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "yuv444p"])
def test_a_video_is_the_same_however_many_frames_are_under_way(
    pixel_format: str,
    tiny_bundle: Any,
    clip_of: Callable[..., Path],
    frames_of: Callable[[Path], list[Any]],
    tmp_path: Path,
) -> None:
    source, results = clip_of(pixel_format=pixel_format), []
    for streams in (1, 3):
        target = tmp_path / f"with-{streams}.mkv"
        with subpixel.open(tiny_bundle, engine="onnxruntime", threads=streams, streams=streams) as opened:
            # what is reused hangs on times, and what libx264 makes of the same frames on memory it never set
            options = UpscaleOptions(threads=1, reuse=False, encoder="ffv1")
            report: Any = upscale_file(source, target, options, model=opened)
        assert (report.frames_out, report.receipt.streams) == (12, streams)
        results.append([(frame.pts, *pixels_of(frame)) for frame in frames_of(target)])
    assert results[0] == results[1]


def test_frames_of_a_comparison_and_of_another_size_are_alike_too(model: Model) -> None:
    for size, compare in (((150, 100), False), ((192, 144), True)):
        frame = prepared_of(0).lr
        plain, inner = (LumaEnlarger(model, "yuv420p", BT709, compare) for _ in range(2))
        found = []
        for maker in (plain, AbreastEnlarger(inner, 2)):
            given = maker.push(Preparer(BT709, "left", size)(frame)) + maker.flush()
            maker.close()
            found.append(pixels_of(given[0]))
        assert found[0] == found[1]


def test_the_model_writes_into_the_frame_that_is_encoded(model: Model) -> None:
    prepared = prepared_of(0)
    target = plane_of(prepared.base, 0)
    (frame,) = LumaEnlarger(model, "yuv420p", BT709).push(prepared)
    assert frame is prepared.base
    assert np.array_equal(target, model.upscale_luma(plane_of(prepared.lr, 0)))


def test_a_place_of_another_size_or_type_is_refused(model: Model) -> None:
    luma = np.zeros((8, 8), np.uint8)
    for out in (np.zeros((24, 25), np.uint8), np.zeros((24, 24), np.float32)):
        with pytest.raises(BadInputError, match="needed"):
            model.upscale_luma(luma, out)  # type: ignore[type-var]


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_a_result_is_written_where_the_caller_says_strided_or_not(model: Model, kind: Any) -> None:
    luma = np.random.default_rng(3).integers(0, 256, (20, 30)).astype(kind) / kind(1 if kind is np.uint8 else 255)
    luma, wide = luma.astype(kind), np.zeros((60, 96), kind)
    wanted = model.upscale_luma(luma)
    assert model.upscale_luma(luma, wide[:, :90]).base is not None
    assert np.array_equal(wide[:, :90], wanted)
    assert not wide[:, 90:].any()


def desk(index: int, changes: bool) -> Prepared:
    """Noise that is new with every frame, or a still desk with a small pointer on it that moves every second frame."""
    frame, rng = VideoFrame(96, 64, "yuv420p"), np.random.default_rng(index if changes else 99)
    frame.pts = index
    for place in range(3):
        plane_of(frame, place)[:] = rng.integers(20, 230, plane_of(frame, place).shape)
    if not changes:
        plane_of(frame, 0)[10:14, 4 + index // 2 : 8 + index // 2] = 16
    return Preparer(BT709, "left", (288, 192), chroma_only=True)(frame)


def turns(model: Model) -> TurnsEnlarger:
    reuse = Reusing(model)
    reusing = LumaEnlarger(reuse, "yuv420p", BT709)
    return TurnsEnlarger(LumaEnlarger(model, "yuv420p", BT709), 2, reusing, reuse.forecast, 0.0)


def played(enlarger: Any, changes: list[bool]) -> list[VideoFrame]:
    found = [frame for index, much in enumerate(changes) for frame in enlarger.push(desk(index, much))]
    found += enlarger.flush()
    enlarger.close()
    return found


def test_the_way_changes_with_what_is_shown_and_no_frame_differs(model: Model) -> None:
    changes = [True] * 8 + [False] * 16 + [True] * 8
    enlarger = turns(model)
    found = played(enlarger, changes)
    wanted = played(LumaEnlarger(model, "yuv420p", BT709), changes)
    assert [frame.pts for frame in found] == list(range(len(changes)))
    for mine, whole in zip(found, wanted, strict=True):
        off = plane_of(mine, 0).astype(int) - plane_of(whole, 0)
        assert np.abs(off).max() <= 1
    reused = enlarger.seen.reused
    assert reused is not None
    assert reused.frames == len(changes)
    assert reused.duplicates >= 7  # every second frame of the still part
    assert 0.3 < reused.share < 0.5


def test_what_always_changes_is_made_side_by_side(model: Model) -> None:
    in_vain, count = ReusingInVain(model, "yuv420p", BT709), LOOK_EVERY + 20
    enlarger = TurnsEnlarger(LumaEnlarger(model, "yuv420p", BT709), 2, in_vain, Reusing(model).forecast, 0.0)
    assert len(played(enlarger, [True] * count)) == count
    assert in_vain.frames == 0
    reused = enlarger.seen.reused
    assert reused == Reused(count, 0, 0.0)


def sprinkled(index: int) -> Prepared:
    """A pixel here and there is another one in every frame: few, but everywhere."""
    frame, rng = VideoFrame(192, 128, "yuv420p"), np.random.default_rng(index)
    frame.pts = index
    for place in range(3):
        plane_of(frame, place)[:] = 100
    for row, column in zip(rng.permutation(8), rng.permutation(12), strict=False):
        plane_of(frame, 0)[16 * row + rng.integers(16), 16 * column + rng.integers(16)] = 200 + index % 7
    return Preparer(BT709, "left", (576, 384), chroma_only=True)(frame)


def test_little_that_changes_everywhere_does_not_change_the_way(model: Model) -> None:
    in_vain, looks, reuse = ReusingInVain(model, "yuv420p", BT709), [], Reusing(model)

    def forecast(luma: Any, before: Any, hints: Any) -> float:
        looks.append(reuse.forecast(luma, before, hints))
        return looks[-1]

    enlarger = TurnsEnlarger(LumaEnlarger(model, "yuv420p", BT709), 2, in_vain, forecast, 0.0)
    found = [frame for index in range(100) for frame in enlarger.push(sprinkled(index))] + enlarger.flush()
    enlarger.close()
    assert len(found) == 100 and in_vain.frames == 0
    assert 0 < len(looks) < 12 and min(looks) > HELPS


def test_the_forecast_is_what_is_computed_then(model: Model) -> None:
    reuse, frames = Reusing(model), [plane_of(desk(index, False).lr, 0).copy() for index in range(4)]
    reuse.upscale_luma(frames[0])
    expected = reuse.forecast(frames[2], frames[0])
    reuse.upscale_luma(frames[2])
    assert 0 < expected < 0.8
    assert reuse.reused.share == pytest.approx(1 - (1 + expected) / 2)
    assert reuse.forecast(frames[2], frames[2]) == 0
    assert reuse.forecast(255 - frames[2], frames[2]) == 1


class ReusingInVain(LumaEnlarger):
    """Counts the frames it is given, and tells that nothing of them was reused."""

    frames = 0

    def frame(self, prepared: Any, luma: Any = None) -> VideoFrame:
        self.frames += 1
        return super().frame(prepared, luma)

    @property
    def seen(self) -> Seen:
        return Seen(reused=Reused(self.frames, 0, 0.0))


def test_where_reuse_does_not_help_though_it_was_expected_to_it_is_tried_less_and_less(model: Model) -> None:
    in_vain = ReusingInVain(model, "yuv420p", BT709)
    enlarger = TurnsEnlarger(LumaEnlarger(model, "yuv420p", BT709), 2, in_vain, lambda *_: 0.0, 0.0)
    assert len(played(enlarger, [False] * 200)) == 200
    assert 0 < in_vain.frames <= 30


def test_one_look_alone_does_not_change_the_way(model: Model) -> None:
    in_vain, looks = ReusingInVain(model, "yuv420p", BT709), list[float]()

    def by_turns(*_: Any) -> float:
        looks.append(len(looks) % 2)
        return looks[-1]

    enlarger = TurnsEnlarger(LumaEnlarger(model, "yuv420p", BT709), 2, in_vain, by_turns, 0.0)
    assert len(played(enlarger, [False] * 60)) == 60
    assert in_vain.frames == 0
    assert looks.count(0) >= 2  # it was said, more than once


SCROLLED = 55


def page(index: int) -> Prepared:
    """A desk whose lower quarter is another one in every frame up to a certain one; then the pointer alone moves."""
    prepared, rng = desk(index, False), np.random.default_rng(min(index, SCROLLED))
    plane_of(prepared.lr, 0)[48:] = rng.integers(20, 230, plane_of(prepared.lr, 0)[48:].shape)
    return prepared


def test_a_rest_ends_where_much_less_changes(model: Model) -> None:
    helping: list[int] = []

    class Helping(LumaEnlarger):
        def frame(self, prepared: Any, luma: Any = None) -> VideoFrame:
            helping.append(prepared.lr.pts)
            return super().frame(prepared, luma)

        @property
        def seen(self) -> Seen:
            return Seen(reused=Reused(len(helping), 0, 1.0))

    def forecast(luma: Any, before: Any, hints: Any) -> float:
        return float((luma[48:] != before[48:]).any())

    reusing = Helping(model, "yuv420p", BT709)
    enlarger = TurnsEnlarger(LumaEnlarger(model, "yuv420p", BT709), 2, reusing, forecast, 0.0)
    assert sum(len(enlarger.push(page(index))) for index in range(90)) + len(enlarger.flush()) == 90
    enlarger.close()
    assert SCROLLED < helping[0] <= SCROLLED + 20
    assert helping == list(range(helping[0], 90))


def test_a_duplicate_between_changing_frames_is_not_computed(model: Model) -> None:
    enlarger = turns(model)
    pairs = [desk(index // 2, True) for index in range(40)]
    found = [frame for prepared in pairs for frame in enlarger.push(prepared)] + enlarger.flush()
    enlarger.close()
    assert all(pixels_of(one) == pixels_of(other) for one, other in zip(found[::2], found[1::2], strict=True))
    reused = enlarger.seen.reused
    assert reused is not None
    assert reused.duplicates >= 15


class CountingEnlarger(LumaEnlarger):
    """Counts how often a frame is brought to what the model takes."""

    conversions = 0

    def lr_luma(self, lr: VideoFrame) -> Any:
        self.conversions += 1
        return super().lr_luma(lr)


@pytest.mark.parametrize(
    ("working", "colours"), [("yuv420p", BT709), ("yuv420p", FULL_RANGE), ("yuv420p10le", BT709), ("gbrp", FULL_RANGE)]
)
def test_luma_is_converted_once_a_frame_and_the_pixels_stay(working: str, colours: ColourTags, model: Model) -> None:
    reuse = Reusing(model)
    luma, reusing = CountingEnlarger(model, working, colours), CountingEnlarger(reuse, working, colours)
    enlarger, alone = TurnsEnlarger(luma, 2, reusing, lambda *_: 0.0, 0.0), LumaEnlarger(model, working, colours)
    frames = [noise(index, working) for index in range(16)]
    preparer = Preparer(colours, "left", (96, 72))
    found = [frame for lr in frames for frame in enlarger.push(preparer(lr))] + enlarger.flush()
    enlarger.close()
    wanted = [alone.frame(preparer(lr)) for lr in frames]
    assert [pixels_of(frame) for frame in found] == [pixels_of(frame) for frame in wanted]
    assert (luma.conversions + reusing.conversions, luma.conversions > 8) == (len(frames), True)


def noise(index: int, working: str) -> VideoFrame:
    """All codes of a format, seeded."""
    frame, rng = VideoFrame(32, 24, working), np.random.default_rng(index)
    frame.pts = index
    for place in range(3):
        plane_of(frame, place)[:] = rng.integers(0, 1 << bits_of(working), plane_of(frame, place).shape)
    return frame
