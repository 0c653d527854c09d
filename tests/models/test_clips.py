"""Training windows: true motion, the same for the same seed, nothing across a cut, no originals of the samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

torch = pytest.importorskip("torch", reason="the source gives tensors")

from subpixel.errors import BadInputError  # noqa: E402
from subpixel.models.camera import Camera, frame_at, lr_window, random_camera  # noqa: E402
from subpixel.models.clips import ClipSource, clip_source, load_clips  # noqa: E402
from subpixel.models.footage import area_reduced, clip_files, clip_windows  # noqa: E402
from subpixel.quality.resize import downscale  # noqa: E402

Plane = NDArray[np.float32]


def picture(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Blobs: something to see, and smooth enough to be resampled."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (height // 8, width // 8), dtype=np.uint8))
    return np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def stills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stills")
    for seed in range(2):
        Image.fromarray(picture(64, 80, seed)).save(folder / f"{seed}.png")
    return folder


@pytest.fixture(scope="module")
def footage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two scenes of ten frames, each moving by two pixels a frame, lossless."""
    folder = tmp_path_factory.mktemp("footage")
    for name in ("two_scenes.mkv", "mdn_flower_2.mkv"):
        write_clip(folder / name)
    return folder


def write_clip(path: Path) -> None:
    av = pytest.importorskip("av", reason="clips are read by PyAV")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 160, 128, "yuv420p"
        for scene in (11, 12):
            wide = picture(128, 192, scene)
            for step in range(10):
                planes = np.full((192, 160), 128, np.uint8)
                planes[:128] = wide[:, 2 * step : 2 * step + 160]
                container.mux(stream.encode(av.VideoFrame.from_ndarray(planes, "yuv420p")))
        container.mux(stream.encode(None))


def camera(shift_px: tuple[float, float], turn: float = 0.0, zoom: float = 0.0) -> Camera:
    return Camera(shift_px, turn, zoom, np.zeros((2, 4, 5)))


def keys(x: float) -> float:
    """The cubic kernel of torch's sampler, a = -0.75."""
    x = abs(x)
    if x <= 1:
        return 1.25 * x**3 - 2.25 * x**2 + 1
    return -0.75 * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def seen_slowly(still: Plane, shown: Camera, time: float, row: int, column: int) -> float:
    """One pixel of the frame at ``time``: its place on the still by the camera's motion, then sixteen pixels' sum."""
    height, width = still.shape
    down, right = row - (height - 1) / 2, column - (width - 1) / 2
    size, angle = (1 + shown.zoom) ** time, shown.turn * time
    y = size * (np.sin(angle) * right + np.cos(angle) * down) + shown.shift_px[0] * time + (height - 1) / 2
    x = size * (np.cos(angle) * right - np.sin(angle) * down) + shown.shift_px[1] * time + (width - 1) / 2
    total = 0.0
    for near_row in range(int(np.floor(y)) - 1, int(np.floor(y)) + 3):
        for near_column in range(int(np.floor(x)) - 1, int(np.floor(x)) + 3):
            total += keys(y - near_row) * keys(x - near_column) * float(still[near_row, near_column])
    return total


@pytest.mark.parametrize("time", [-1.0, 1.0, 2.0])
def test_a_frame_shows_what_the_camera_sees(time: float) -> None:
    still = picture(48, 56, 3).astype(np.float32) / 255
    shown = camera((0.7, -1.3), turn=0.03, zoom=0.02)
    found = frame_at(still, shown, time)
    for row, column in ((12, 15), (24, 27), (33, 40), (20, 38)):
        assert found[row, column] == pytest.approx(seen_slowly(still, shown, time, row, column), abs=1e-4)


def test_a_pan_by_whole_pixels_moves_the_still() -> None:
    still = picture(48, 56, 4).astype(np.float32) / 255
    found = frame_at(still, camera((2.0, -3.0)), 1.0)
    np.testing.assert_allclose(found[4:40, 8:50], still[6:42, 5:47], atol=1e-5)


def test_cameras_move_by_parts_of_an_lr_pixel() -> None:
    random = np.random.default_rng(0)
    speeds = np.array([np.hypot(*random_camera(random, 4).shift_px) / 4 for _ in range(400)])
    assert 0.3 < np.median(speeds) < 1.2
    assert speeds.max() <= 3.0
    assert 0.02 < (speeds == 0).mean() < 0.2


@pytest.mark.parametrize("scale", [3, 4])
def test_each_frame_of_a_window_is_reduced_by_itself(scale: int) -> None:
    still = picture(48, 60, 5).astype(np.float32) / 255
    window = lr_window(still, scale, (-1.0, 0.0, 1.0), np.random.default_rng(8))
    assert window.shape == (3, 48 // scale, 60 // scale)
    np.testing.assert_allclose(window[1], downscale(still, scale), atol=1e-6)
    random = np.random.default_rng(8)
    moving = random_camera(random, scale)
    times = [time * (1 + 0.2 * random.normal()) for time in (-1.0, 0.0, 1.0)]
    for at in (0, 2):
        np.testing.assert_allclose(window[at], downscale(frame_at(still, moving, times[at]), scale), atol=1e-6)


def source(folder: Path, seed: int = 7, lookahead: int = 1, length: int = 3) -> ClipSource:
    return clip_source([folder], 4, 8, seed, length, lookahead)


def test_batches_come_again_for_the_same_seed_only(stills: Path) -> None:
    first, again, other = (source(stills, seed).batch(6) for seed in (7, 7, 8))
    assert first[0].shape == (6, 3, 8, 8)
    assert first[1].shape == (6, 1, 32, 32)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0], other[0])


def test_a_source_goes_on_where_another_stopped(stills: Path) -> None:
    going, fresh = source(stills), source(stills)
    going.batch(5)
    fresh.random.bit_generator.state = going.random.bit_generator.state
    assert all(torch.equal(a, b) for a, b in zip(going.batch(4), fresh.batch(4), strict=True))


@pytest.mark.parametrize(("length", "lookahead"), [(3, 1), (5, 1), (2, 0)])
def test_the_hr_patch_is_of_the_frame_before_the_lookahead(stills: Path, length: int, lookahead: int) -> None:
    given = source(stills, lookahead=lookahead, length=length)
    lr, hr = given.batch(8)
    reduced = np.stack([downscale(patch[0].numpy().astype(np.float64), 4) for patch in hr])
    errors = [np.abs(lr[:, at].numpy() - reduced)[:, 2:-2, 2:-2].max() for at in range(length)]
    assert np.argmin(errors) == length - 1 - lookahead
    assert errors[length - 1 - lookahead] < 1e-5
    assert min(error for at, error in enumerate(errors) if at != length - 1 - lookahead) > 1e-3


def test_windows_across_a_cut_are_refused(footage: Path) -> None:
    windows = clip_windows(footage / "two_scenes.mkv", 3)
    assert len(windows) >= 6
    scenes = [area_reduced(picture(128, 192, scene), 2) for scene in (11, 12)]
    for window in windows:
        assert window.shape == (3, 64, 80)
        owners = [[min_distance(frame, scene) < 1e-3 for scene in scenes] for frame in window]
        assert owners in ([[True, False]] * 3, [[False, True]] * 3)


def min_distance(frame: Plane, scene: Plane) -> float:
    """From a frame to the scene it may be a part of; the pan is one reduced pixel a frame."""
    return min(float(np.abs(frame - scene[:, step : step + 80]).mean()) for step in range(10))


def test_originals_of_the_samples_are_left_out(footage: Path) -> None:
    assert [file.name for file in clip_files(footage)] == ["two_scenes.mkv"]


def test_real_windows_keep_their_own_frames(footage: Path) -> None:
    clips = load_clips(footage, 4, 8, 3, 1)
    windows = clip_windows(footage / "two_scenes.mkv", 3)
    assert len(clips) == len(windows)
    for clip, window in zip(clips, windows, strict=True):
        assert clip.lr is not None
        np.testing.assert_array_equal(clip.hr, window[1])
        np.testing.assert_allclose(clip.lr[2], downscale(window[2], 4), atol=1e-6)


def test_a_folder_without_anything_large_enough_is_refused(stills: Path) -> None:
    with pytest.raises(BadInputError, match="128x128"):
        clip_source([stills], 4, 32, 1)
