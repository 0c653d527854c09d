"""Models of several frames and with states in files: order, times, ends, cuts, and what the receipt says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

import subpixel
from subpixel.catalogue import bicubic_bundle
from subpixel.media import UpscaleOptions, VideoReport, upscale_file
from subpixel.media.pixels import plane_of
from subpixel.model import Model

LOSSLESS = UpscaleOptions(encoder="ffv1")
TIMES = tuple(512 * n + 64 * (n % 3) for n in range(12))  # uneven


@pytest.fixture
def lossless(clip_of: Callable[..., Path]) -> Callable[..., Path]:
    """Twelve frames of the shipped clip, coded without loss, at uneven times."""

    def make(**wanted: Any) -> Path:
        given = {"name": "in.mkv", "codec": "ffv1", "times": TIMES, "time_base": Fraction(1, 1000), **wanted}
        return clip_of(**given)

    return make


@pytest.fixture
def spliced(samples: Path, tmp_path: Path) -> Path:
    """Five frames of one shipped clip, four of the other, three of the first again; without loss, small."""
    target = tmp_path / "spliced.mkv"
    parts = [("bunny_424x240", 5), ("stream_640x360", 4), ("bunny_424x240", 3)]
    frames = [frame for name, count in parts for frame in first_frames(samples / f"{name}.mp4", count)]
    with av.open(str(target), "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.codec_context.width, stream.codec_context.height, stream.codec_context.pix_fmt = 160, 96, "yuv420p"
        for number, frame in enumerate(frames):
            small = frame.reformat(160, 96, "yuv420p")
            small.pts, small.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(small))
        output.mux(stream.encode(None))
    return target


def first_frames(file: Path, count: int) -> Iterator[VideoFrame]:
    with av.open(str(file)) as container:
        for _, frame in zip(range(count), container.decode(video=0), strict=False):
            yield frame


def opened(bundle: Any, engine: str = "onnxruntime") -> Model:
    return subpixel.open(bundle, engine=engine)


def enlarged(source: Path, bundle: Any, options: UpscaleOptions = LOSSLESS, engine: str = "onnxruntime") -> Any:
    """The report and the new file's path."""
    target = source.with_name("out.mkv")
    with opened(bundle, engine) as model:
        return upscale_file(source, target, options, model=model), target


def larger(plane: Any) -> Any:
    return plane.repeat(2, axis=0).repeat(2, axis=1)


def lumas(frames: list[Any]) -> list[Any]:
    return [plane_of(frame, 0).astype(np.int64) for frame in frames]


@pytest.mark.parametrize(("at", "lookahead"), [(0, 1), (1, 1), (2, 1), (2, 0), (0, 2)])
def test_every_frame_gets_its_own_neighbours_and_keeps_its_time(
    at: int, lookahead: int, lossless: Callable[..., Path], facts_of: Any, frames_of: Any, toy_nets: Any
) -> None:
    source = lossless()
    report, target = enlarged(source, toy_nets.picks(at, 3, lookahead))
    before, after = lumas(frames_of(source)), lumas(frames_of(target))
    shift = at - (2 - lookahead)
    wanted = [before[min(max(n + shift, 0), 11)] for n in range(12)]
    assert [np.array_equal(found, larger(plane)) for found, plane in zip(after, wanted, strict=True)] == [True] * 12
    assert facts_of(target).times == facts_of(source).times
    assert (report.frames_in, report.frames_out) == (12, 12)
    assert (report.window, report.latency_frames, report.scene_cuts, report.state_resets) == (3, lookahead, (), 0)


def test_chroma_stays_with_its_own_frame(lossless: Callable[..., Path], frames_of: Any, toy_nets: Any) -> None:
    source = lossless()
    _, target = enlarged(source, toy_nets.picks(2))
    with opened(bicubic_bundle(2), "bicubic") as model:
        upscale_file(source, source.with_name("bicubic.mkv"), LOSSLESS, model=model)
    pairs = zip(frames_of(target), frames_of(source.with_name("bicubic.mkv")), strict=True)
    for found, wanted in pairs:
        assert all(np.array_equal(plane_of(found, index), plane_of(wanted, index)) for index in (1, 2))


def test_a_cut_between_spliced_clips_is_not_looked_across(spliced: Path, frames_of: Any, toy_nets: Any) -> None:
    before = lumas(frames_of(spliced))
    for at, wanted in ((0, [0, 0, 1, 2, 3, 5, 5, 6, 7, 9, 9, 10]), (2, [1, 2, 3, 4, 4, 6, 7, 8, 8, 10, 11, 11])):
        report, target = enlarged(spliced, toy_nets.picks(at), UpscaleOptions(encoder="ffv1", overwrite=True))
        after = lumas(frames_of(target))
        assert [np.array_equal(a, larger(before[n])) for a, n in zip(after, wanted, strict=True)] == [True] * 12
        assert report.scene_cuts == (5, 9)
        assert "2 scene cuts" in "\n".join(report.lines())


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_states_go_on_within_a_scene_and_start_anew_after_a_cut(
    engine: str, require: Callable[[str], None], spliced: Path, frames_of: Any, toy_nets: Any
) -> None:
    require(engine)
    report, target = enlarged(spliced, toy_nets.running_sum(window=2, lookahead=1), engine=engine)
    before, after = lumas(frames_of(spliced)), lumas(frames_of(target))
    for start, stop in ((0, 5), (5, 9), (9, 12)):
        for number in range(start, stop):
            total = np.sum(before[start : number + 1], axis=0) / 16
            assert np.abs(after[number] - larger(total)).max() <= 0.51
    assert (report.window, report.latency_frames, report.scene_cuts, report.state_resets) == (2, 1, (5, 9), 3)


def test_ten_bits_run_through_the_float_kind(lossless: Callable[..., Path], frames_of: Any, toy_nets: Any) -> None:
    source = lossless(pixel_format="yuv420p10le")
    report, target = enlarged(source, toy_nets.picks(2))
    before, after = lumas(frames_of(source)), lumas(frames_of(target))
    assert [np.array_equal(a, larger(before[min(n + 1, 11)])) for n, a in enumerate(after)] == [True] * 12
    assert report.receipt.variant == "onnx-fp32"


def test_full_range_and_rgb_video_are_served(lossless: Callable[..., Path], frames_of: Any, toy_nets: Any) -> None:
    source = lossless(colours=(1, 2, 1, 1))
    _, target = enlarged(source, toy_nets.picks(0))
    before, after = lumas(frames_of(source)), lumas(frames_of(target))
    assert [np.abs(a - larger(before[max(n - 1, 0)])).max() <= 1 for n, a in enumerate(after)] == [True] * 12
    source = lossless(name="rgb.mkv", pixel_format="bgr0", colours=(0, 2, 1, 1))
    report, target = enlarged(source, toy_nets.picks(1), UpscaleOptions(encoder="ffv1", overwrite=True))
    assert report.frames_out == 12


def test_a_comparison_has_the_frame_and_bicubic_of_the_same_time(
    lossless: Callable[..., Path], frames_of: Any, toy_nets: Any
) -> None:
    source = lossless()
    _, target = enlarged(source, toy_nets.picks(1), UpscaleOptions(encoder="ffv1", compare=True))
    before, after = lumas(frames_of(source)), lumas(frames_of(target))
    for small, both in zip(before, after, strict=True):
        half = both.shape[1] // 2
        assert np.array_equal(both[:, half:], larger(small))
        assert np.abs(both[:, :half] - larger(small)).mean() < 6


@pytest.mark.parametrize("count", [1, 2, 3])
def test_clips_shorter_than_the_window_are_served(
    count: int, lossless: Callable[..., Path], frames_of: Any, toy_nets: Any
) -> None:
    source = lossless(times=TIMES[:count])
    report, target = enlarged(source, toy_nets.picks(4, window=5, lookahead=2))
    before, after = lumas(frames_of(source)), lumas(frames_of(target))
    assert [np.array_equal(a, larger(before[min(n + 2, count - 1)])) for n, a in enumerate(after)] == [True] * count
    assert report.frames_out == count


def test_the_preview_ends_with_its_last_frame_repeated(
    lossless: Callable[..., Path], frames_of: Any, toy_nets: Any
) -> None:
    source = lossless(times=tuple(40 * n for n in range(12)))
    _, target = enlarged(source, toy_nets.picks(2), UpscaleOptions(encoder="ffv1", duration_seconds=Fraction(1, 5)))
    before, after = lumas(frames_of(source)), lumas(frames_of(target))
    assert [np.array_equal(a, larger(before[min(n + 1, 4)])) for n, a in enumerate(after)] == [True] * 5


def test_sound_and_pictures_stay_together(clip_of: Callable[..., Path], facts_of: Any, toy_nets: Any) -> None:
    source = clip_of(name="in.mkv", audio=(("flac", "eng", "tone"),), time_base=Fraction(1, 1000))
    _, target = enlarged(source, toy_nets.picks(0, window=5, lookahead=4))
    before, after = facts_of(source), facts_of(target)
    assert after.times == before.times
    assert after.of_kind("audio")[0].packets == before.of_kind("audio")[0].packets


def test_the_command_line_plays_a_bundle_of_its_own(spliced: Path, toy_nets: Any, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from subpixel.bundle import save
    from subpixel.cli.main import cli

    save(toy_nets.running_sum(), tmp_path / "sum-x2.spx")
    arguments = ["upscale", str(spliced), str(tmp_path / "out.mp4"), "--model", str(tmp_path / "sum-x2.spx"), "--json"]
    result = CliRunner().invoke(cli, [*arguments, "--no-tune", "--quiet"])
    assert result.exit_code == 0, result.output
    import json

    told = json.loads(result.stdout)
    assert told["scene_cuts"] == [5, 9]
    assert told["state_resets"] == 3
    assert told["latency_frames"] == 0


def test_an_image_model_looks_for_no_cuts(spliced: Path) -> None:
    report = upscale_file(spliced, spliced.with_name("out.mkv"), UpscaleOptions(model="bicubic-x2", encoder="ffv1"))
    assert isinstance(report, VideoReport)
    assert (report.window, report.latency_frames, report.scene_cuts, report.state_resets) == (1, 0, (), 0)
    assert not any("window" in line for line in report.lines())
