"""Frames from the pool are like any other, and none is given twice while anybody knows it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from av.filter import Graph
from av.video.frame import VideoFrame

from subpixel.media import UpscaleOptions, upscale_file
from subpixel.media.frame_pool import MOST_FRAMES, FramePool
from subpixel.media.pixels import like, plane_of


def given(name: str = "yuv420p") -> VideoFrame:
    frame = VideoFrame(64, 36, name)
    frame.pts, frame.time_base, frame.duration = 7, Fraction(1, 25), 2
    return frame


def address(frame: VideoFrame) -> int:
    return int(plane_of(frame, 0).ctypes.data)


@pytest.mark.parametrize("name", ["yuv420p", "gray", "yuv420p10le", "yuv444p", "gbrp"])
@pytest.mark.parametrize("size", [(192, 108), (190, 108), (192, 106), (191, 107)])
def test_a_frame_has_the_format_size_time_and_planes_of_a_plain_one(name: str, size: tuple[int, int]) -> None:
    fresh, plain = FramePool(*size).like(given(name)), like(given(name), *size)
    assert (fresh.format.name, fresh.width, fresh.height) == (name, *size)
    assert (fresh.pts, fresh.time_base, fresh.duration) == (7, Fraction(1, 25), 2)
    for index in range(len(plain.planes)):
        plane = plane_of(fresh, index)
        plane[:] = index + 1
        assert plane.shape == plane_of(plain, index).shape
    assert [int(plane_of(fresh, at).min()) for at in range(len(plain.planes))] == list(range(1, len(plain.planes) + 1))


def test_memory_is_used_again_when_nobody_knows_the_frame() -> None:
    pool = FramePool(192, 108)
    frame = pool.like(given())
    first = address(frame)
    del frame
    assert address(pool.like(given())) == first


def test_what_a_view_shows_is_not_given_to_another_frame() -> None:
    pool = FramePool(192, 108)
    view = plane_of(pool.like(given()), 1)  # the frame itself is gone
    view[:] = 77
    others = [pool.like(given()) for _ in range(3)]
    for other in others:
        for index in range(3):
            plane_of(other, index)[:] = 5
    assert (view == 77).all()


def test_what_ffmpeg_still_holds_is_not_given_to_another_frame() -> None:
    pool, graph = FramePool(192, 108), Graph()
    source = graph.add("buffer", "video_size=192x108:pix_fmt=yuv420p:time_base=1/25")
    graph.link_nodes(source, graph.add("reverse"), graph.add("buffersink")).configure()  # holds all until the end
    for at in range(9):
        frame = pool.like(given())
        frame.pts = at
        for index in range(3):
            plane_of(frame, index)[:] = 10 * at + index
        graph.vpush(frame)
        del frame
    graph.vpush(None)
    values = [[int(plane_of(out, at).mean()) for at in range(3)] for out in (graph.vpull() for _ in range(9))]
    assert values == [[10 * at + index for index in range(3)] for at in reversed(range(9))]


def test_where_ffmpeg_keeps_frames_the_pool_keeps_none() -> None:
    pool, keeper = FramePool(192, 108), Graph()
    source = keeper.add("buffer", "video_size=192x108:pix_fmt=yuv420p:time_base=1/25")
    keeper.link_nodes(source, keeper.add("reverse"), keeper.add("buffersink")).configure()
    for _ in range(2):
        keeper.vpush(pool.like(given()))
    assert pool._are_kept and not pool._given


def test_frames_that_somebody_keeps_are_not_waited_for() -> None:
    pool = FramePool(192, 108)
    frames = [pool.like(given()) for _ in range(3 * MOST_FRAMES)]
    assert len({address(frame) for frame in frames}) == len(frames) and len(pool._given) == MOST_FRAMES


@pytest.mark.parametrize(
    ("encoder", "options"),
    [
        ("libx264", {"qp": "0"}),  # x264 that loses something doesn't always lose the same
        ("libx265", {"x265-params": "lossless=1:log-level=error"}),
        ("ffv1", {}),
        ("mjpeg", {"strict": "unofficial", "qmin": "2", "qmax": "2"}),  # in threads of its own
        ("mpeg4", {}),
    ],
)
def test_encoders_get_the_pictures_that_they_would_get_without_it(
    samples: Path,
    tmp_path: Path,
    frames_of: Callable[[Path], list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    encoder: str,
    options: dict[str, str],
) -> None:
    wish = UpscaleOptions(
        model="bicubic-x2", encoder=encoder, encoder_options=tuple(options.items()), duration_seconds=Fraction(1),
        reuse=False, tune=False, threads=3,
    )  # fmt: skip
    upscale_file(samples / "bunny_424x240.mp4", tmp_path / "pooled.mkv", wish)
    monkeypatch.setattr(FramePool, "like", lambda pool, frame: like(frame, pool.width, pool.height))
    upscale_file(samples / "bunny_424x240.mp4", tmp_path / "plain.mkv", wish)
    pooled, plain = frames_of(tmp_path / "pooled.mkv"), frames_of(tmp_path / "plain.mkv")
    assert len(pooled) == len(plain) > 20
    for one, other in zip(pooled, plain, strict=True):
        assert all(np.array_equal(plane_of(one, at), plane_of(other, at)) for at in range(3))
