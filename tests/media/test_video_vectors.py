"""Motion vectors of real coded clips: what they say, when they are asked for, and that pixels decide."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import PictureType, VideoFrame

import subpixel
from subpixel.media import UpscaleOptions, VideoReport, upscale_file
from subpixel.media.deinterlace import Deinterlacer
from subpixel.media.enlarge import Prepared, Preparer
from subpixel.media.pixels import plane_of
from subpixel.media.probe import open_input, probe
from subpixel.media.reader import Reader
from subpixel.media.vectors import Vectors
from subpixel.reuse import Reusing

LOSSLESS = UpscaleOptions(
    model="espcn-x2", encoder="ffv1", precision="fp32", engine="onnxruntime", tune=False, reuse_tolerance=0, threads=1
)
HEIGHT, WIDTH, FRAMES = 320, 480, 12
LEFT, RIGHT = (4, 0), (-6, 0)  # how much further down and right the pages' pixels were a frame ago
HALF = WIDTH // 2
BOTH = {LEFT, RIGHT}
X264 = "libx264"
EXACT = {"qp": "0", "x264-params": "bframes=0"}
LOSSY = {"crf": "23", "preset": "veryfast"}
PYRAMID = {"qp": "18", "x264-params": "bframes=3:b-adapt=0:b-pyramid=normal:keyint=100:scenecut=0"}
FLAT_B = {"crf": "20", "x264-params": "bframes=2:b-adapt=0:b-pyramid=none:scenecut=0"}


def page(seed: int) -> Any:
    """Letters of several greys on white, so that a coder finds where they went."""
    rng = np.random.default_rng(seed)
    sheet = np.full((480, WIDTH), 235, np.uint8)
    for top in range(0, 480, 12):
        for left in range(2, WIDTH - 8, 9):
            sheet[top : top + rng.integers(3, 10), left : left + rng.integers(2, 8)] = rng.integers(16, 200)
    return sheet


def panes() -> Iterator[Any]:
    """Two pages beside each other, one scrolling up and one down."""
    one, other = page(1), page(2)
    for at in range(FRAMES):
        shown = np.full((HEIGHT, WIDTH), 128, np.uint8)
        for sheet, (down, _), left in ((one, LEFT, 0), (other, RIGHT, HALF)):
            top = 100 + at * down
            shown[:, left : left + HALF] = sheet[top : top + HEIGHT, :HALF]
        yield shown


@pytest.fixture(scope="module")
def coded(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The panes through an encoder."""
    folder = tmp_path_factory.mktemp("coded")

    def made(codec: str = X264, options: dict[str, str] = EXACT, pixel_format: str = "yuv420p") -> Path:
        path = folder / f"{codec}{abs(hash((*options.items(), pixel_format)))}.mkv"
        with av.open(str(path), "w") as container:
            stream: Any = container.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt, stream.options = WIDTH, HEIGHT, pixel_format, options
            for shown in panes():
                frame = VideoFrame(WIDTH, HEIGHT, pixel_format)
                for index in range(3):
                    plane_of(frame, index)[:] = 128 if index else shown
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return made


def prepared(path: Path, vectors: bool = True) -> list[Prepared]:
    """What the enlarger is given.

    By one decoder's thread: of several one may tell a frame's vectors while another is still at it, which costs a hint.
    """
    info = probe(path).video
    preparer = Preparer(info.tags, info.siting.name, (2 * WIDTH, 2 * HEIGHT), True, vectors)
    with open_input(path) as container:
        items = Reader(container, info, frozenset(), threads=1, vectors=vectors).items()
        return [preparer(item) for item in items if isinstance(item, VideoFrame)]


@pytest.mark.parametrize(
    ("codec", "options", "pixel_format"),
    [
        (X264, EXACT, "yuv420p"),
        (X264, EXACT, "yuvj420p"),
        (X264, LOSSY, "yuv420p"),
        ("mpeg4", {"qmin": "2", "qmax": "2"}, "yuv420p"),
        ("mpeg2video", {"qmin": "2", "qmax": "2"}, "yuv420p"),
    ],
)
def test_what_most_blocks_moved_by_are_the_shifts_that_reuse_looks_for(
    coded: Callable[..., Path], codec: str, options: dict[str, str], pixel_format: str
) -> None:
    frames = prepared(coded(codec, options, pixel_format))
    hints = [frame.hints() for frame in frames]
    assert hints[0] == ()  # there is nothing before it
    assert sum(set(each[:2]) == BOTH for each in hints[1:]) >= FRAMES - 4
    for number, frame in enumerate(frames[1:], 1):
        if codec == X264 and options == EXACT:
            new, old = plane_of(frame.lr, 0), plane_of(frames[number - 1].lr, 0)
            assert np.array_equal(new[:-8, :HALF], old[4:-4, :HALF])
            assert np.array_equal(new[6:, HALF:], old[:-6, HALF:])


@pytest.mark.parametrize("options", [PYRAMID, FLAT_B])
def test_vectors_over_several_frames_and_from_later_ones_are_counted_by_the_frame(
    coded: Callable[..., Path], options: dict[str, str]
) -> None:
    frames = prepared(coded(options=options))
    kinds = [int(frame.lr.pict_type) for frame in frames]
    assert kinds.count(PictureType.B) >= FRAMES // 2
    found = [set(frame.hints()) for frame in frames[1:]]
    assert all(each & BOTH for each in found) and sum(each >= BOTH for each in found) >= len(found) // 3


def frames_alive() -> int:
    return sum(isinstance(thing, VideoFrame) for thing in gc.get_objects())


def test_frames_go_without_the_garbage_collector_when_their_hints_were_read(coded: Callable[..., Path]) -> None:
    path = coded()
    gc.collect()
    gc.disable()
    try:
        before = frames_alive()
        assert sum(set(frame.hints()) >= BOTH for frame in prepared(path)) >= FRAMES - 4
        assert frames_alive() <= before + 2  # FFmpeg's wrappers may keep one that is decoded into next
    finally:
        gc.enable()


@pytest.fixture(scope="module")
def model() -> Iterator[subpixel.Model]:
    with subpixel.open("espcn-x2", engine="onnxruntime", precision="fp32", tune=False) as opened:
        yield opened


class PixelClock:
    """Seconds by the pixels that the model was given, so that no decision hangs on what else the machine does."""

    def __init__(self, model: subpixel.Model, patch: pytest.MonkeyPatch) -> None:
        self.seconds, run = 0.0, model.upscale_planes

        def counted(planes: Any) -> Any:
            self.seconds += 1e-4 + planes.size * 1e-6
            return run(planes)

        patch.setattr(model, "upscale_planes", counted)

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(("options", "share"), [(EXACT, 0.4), (LOSSY, 0.1), (PYRAMID, 0.01)])
def test_windows_that_profiles_confuse_are_found_by_vectors_and_equal_whole_frames(
    coded: Callable[..., Path],
    model: subpixel.Model,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, str],
    share: float,
) -> None:
    clock = PixelClock(model, monkeypatch)
    told, alone = Reusing(model, clock=clock), Reusing(model, clock=clock)
    for frame in prepared(coded(options=options)):
        luma = plane_of(frame.lr, 0)
        whole = model.upscale_luma(luma).astype(int)
        for way in (told.upscale_luma(luma, frame.hints), alone.upscale_luma(luma)):
            assert np.abs(way.astype(int) - whole).max() <= 1
    assert told.reused.share > alone.reused.share + share


def hints_seen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the model is told from here on, frame by frame."""
    seen, run = [], Reusing.upscale_luma

    def noting(self: Reusing, luma: Any, hints: Any) -> Any:
        seen.append(set(hints()))
        return run(self, luma, hints)

    monkeypatch.setattr(Reusing, "upscale_luma", noting)
    return seen


def made(source: Path, target: Path, **wanted: Any) -> VideoReport:
    report = upscale_file(source, target, replace(LOSSLESS, **wanted))
    assert isinstance(report, VideoReport)
    return report


@pytest.mark.parametrize("options", [EXACT, PYRAMID, FLAT_B])
def test_files_are_enlarged_by_what_their_decoder_tells_and_look_the_same(
    coded: Callable[..., Path],
    frames_of: Callable[[Path], list[Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, str],
) -> None:
    source, seen = coded(options=options), hints_seen(monkeypatch)
    made(source, tmp_path / "told.mkv")
    assert len(seen) == FRAMES and sum(each >= BOTH for each in seen) >= FRAMES // 3
    made(source, tmp_path / "whole.mkv", reuse=False)
    for one, other in zip(frames_of(tmp_path / "told.mkv"), frames_of(tmp_path / "whole.mkv"), strict=True):
        assert np.abs(plane_of(one, 0).astype(int) - plane_of(other, 0)).max() <= 1


@pytest.mark.parametrize("codec", ["ffv1", "libvpx-vp9"])
def test_codecs_without_vectors_are_as_before(
    coded: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str
) -> None:
    seen = hints_seen(monkeypatch)
    report = made(coded(codec, {}), tmp_path / "made.mkv")
    assert seen == [set()] * FRAMES and report.reused is not None and report.frames_out == FRAMES


def test_nobody_asks_for_vectors_where_nothing_is_reused(
    coded: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Vectors, "hints", lambda *frame: pytest.fail("vectors were looked at"))
        made(coded(), tmp_path / "made.mkv", reuse=False)
    assert all(frame.lr.side_data.get("MOTION_VECTORS") is None for frame in prepared(coded(), vectors=False))
    assert any(frame.lr.side_data.get("MOTION_VECTORS") is not None for frame in prepared(coded()))


def test_deinterlaced_frames_get_no_hints_though_the_filter_hands_vectors_on(
    coded: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with av.open(str(coded())) as container:
        stream = container.streams.video[0]
        stream.codec_context.flags2 |= av.codec.context.Flags2.export_mvs
        deinterlacer = Deinterlacer("on", stream.time_base)
        filtered = [out for frame in container.decode(stream) for out in deinterlacer.push(frame)]
    assert any(frame.side_data.get("MOTION_VECTORS") is not None for frame in filtered)
    seen = hints_seen(monkeypatch)
    made(coded(), tmp_path / "made.mkv", deinterlace="on")
    assert seen == [set()] * FRAMES


def test_interlaced_frames_that_are_taken_as_they_are_get_no_hints(
    coded: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their blocks may count from single fields."""
    seen = hints_seen(monkeypatch)
    made(coded(options={"qp": "10", "x264-params": "tff=1:bframes=0"}), tmp_path / "made.mkv", deinterlace="off")
    assert seen == [set()] * FRAMES
