"""The public functions: reading frames, an open model, progress; and the parts that need no file."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import subpixel
from subpixel.errors import BadInputError, NotFoundError
from subpixel.media import UpscaleOptions, read_frames, upscale_file
from subpixel.media.channel import Channel, Stopped
from subpixel.media.luma import LumaCode, put_rgb_luma, rgb_luma
from subpixel.media.pixels import plane_of
from subpixel.quality.colour import luma


def test_frames_are_read_as_rgb_and_enlarged_one_by_one(clip_of: Callable[..., Path]) -> None:
    with subpixel.open("bicubic-x2") as model:
        frames = list(model.upscale_video(read_frames(clip_of())))
    assert len(frames) == 12
    assert all(frame.shape == (128, 192, 3) and frame.dtype == np.uint8 for frame in frames)


@pytest.mark.parametrize("colours", [(1, 1, 1, 1), (6, 1, 6, 6), (6, 2, 6, 6), (1, 2, 1, 1), (9, 1, 9, 1)])
def test_frames_are_read_by_their_own_matrix_and_range(
    colours: tuple[int, int, int, int], clip_of: Callable[..., Path], frames_of: Callable[[Path], list[Any]]
) -> None:
    source = clip_of(colours=colours, pixel_format="yuv444p")
    found = next(read_frames(source)).astype(float)
    wanted = np.clip(exact_rgb(frames_of(source)[0], *colours[:2]), 0, 255)
    assert np.abs(found - wanted).max() < 2
    assert np.abs((found - wanted).mean(axis=(0, 1))).max() < 0.2


def exact_rgb(frame: Any, matrix: int, range: int) -> Any:
    """ITU-R BT.601, 709 and 2020, by their definitions, on a scale of 255."""
    red, blue = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}[matrix]
    offset, swing, chroma_swing = (0, 255, 255) if range == 2 else (16, 219, 224)
    y = (plane_of(frame, 0).astype(float) - offset) / swing
    cb, cr = ((plane_of(frame, index).astype(float) - 128) / chroma_swing for index in (1, 2))
    r, b = y + 2 * (1 - red) * cr, y + 2 * (1 - blue) * cb
    return 255 * np.stack([r, (y - red * r - blue * b) / (1 - red - blue), b], axis=2)


def test_reading_what_is_no_video_fails_in_words(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        next(read_frames(tmp_path / "nothing.mp4"))
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(BadInputError, match="not a media file"):
        next(read_frames(tmp_path / "text.mp4"))


def test_an_open_model_is_used_and_stays_open(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    calls: list[tuple[int, int | None]] = []
    source = clip_of()
    with subpixel.open("bicubic-x2") as model:
        for number in range(2):
            target, options = tmp_path / f"large{number}.mp4", UpscaleOptions(encoder="mpeg4")
            upscale_file(source, target, options, model=model, progress=lambda done, all: calls.append((done, all)))
    assert calls == [(n, 12) for n in range(1, 13)] * 2
    assert (tmp_path / "large0.mp4").read_bytes() == (tmp_path / "large1.mp4").read_bytes()


def test_an_error_in_the_callers_progress_stops_everything(clip_of: Callable[..., Path], tmp_path: Path) -> None:
    source = clip_of(times=tuple(512 * n for n in range(60)))
    threads = threading.active_count()

    def give_up(done: int, expected: int | None) -> None:
        if done == 5:
            raise ZeroDivisionError("enough")

    with pytest.raises(ZeroDivisionError):
        upscale_file(source, tmp_path / "large.mp4", UpscaleOptions(model="bicubic-x2"), progress=give_up)
    assert list(tmp_path.iterdir()) == [source]
    assert threading.active_count() == threads


@pytest.mark.parametrize(("bits", "full"), [(8, False), (8, True), (10, False), (10, True), (12, False), (16, True)])
def test_luma_comes_back_as_it_went(bits: int, full: bool) -> None:
    code = LumaCode(bits, full)
    stored = np.arange(1 << bits).astype(np.uint8 if bits == 8 else np.uint16).reshape(16, -1)
    assert np.array_equal(code.from_model(code.to_model(stored)), stored)


def test_black_and_white_are_where_the_model_has_them() -> None:
    """Studio swing / 255, whatever the depth and range."""
    for code, black, white in (
        (LumaCode(8, True), 0, 255),
        (LumaCode(10, False), 64, 940),
        (LumaCode(10, True), 0, 1023),
    ):
        ends = code.to_model(np.array([[black, white]], np.uint16 if code.bits > 8 else np.uint8))
        assert np.allclose(ends * 255, [[16, 235]], atol=1e-4)


def test_rgb_luma_is_the_fields_and_moving_it_keeps_the_colour_differences() -> None:
    from av.video.frame import VideoFrame

    noise = np.random.default_rng(0)
    frame = VideoFrame(32, 16, "gbrp")
    for index in range(3):
        plane_of(frame, index)[:] = noise.integers(60, 200, (16, 32))
    rgb = np.stack([plane_of(frame, index) for index in (2, 0, 1)], axis=2)
    assert np.abs(rgb_luma(frame, 8) - luma(rgb)).max() < 1e-6
    put_rgb_luma(frame, rgb_luma(frame, 8) + np.float32(10 / 255), 8)
    moved = np.stack([plane_of(frame, index) for index in (2, 0, 1)], axis=2).astype(int)
    assert np.unique(moved - rgb).tolist() == [12]
    assert np.abs(luma(moved.astype(np.uint8)) - luma(rgb) - 10 / 255).max() < 0.5 / 255


def test_a_channel_holds_back_the_faster_side_and_lets_one_heavy_item_through() -> None:
    channel: Channel[int] = Channel(room=10)
    channel.put(0, 1000)
    done: list[int] = []

    def fill() -> None:
        for number in range(1, 5):
            channel.put(number, 6)
            done.append(number)
        channel.end()

    thread = threading.Thread(target=fill)
    thread.start()
    assert done == []
    assert list(channel) == [0, 1, 2, 3, 4]
    thread.join()


def test_what_is_not_made_yet_waits_for_room_too() -> None:
    channel: Channel[int] = Channel(room=10)
    channel.put(0, 6)
    ready = threading.Event()

    def make() -> None:
        channel.wait_for_room(6)
        ready.set()

    thread = threading.Thread(target=make)
    thread.start()
    assert not ready.wait(0.1)
    assert next(iter(channel)) == 0
    assert ready.wait(10)
    thread.join()


def test_a_stopped_channel_wakes_both_sides() -> None:
    channel: Channel[int] = Channel(room=1)
    channel.put(0, 1)
    faults: list[Any] = []

    def fill() -> None:
        try:
            channel.put(1, 1)
        except Stopped as fault:
            faults.append(fault)

    thread = threading.Thread(target=fill)
    thread.start()
    channel.stop()
    thread.join(10)
    assert len(faults) == 1
    with pytest.raises(Stopped):
        next(iter(channel))
