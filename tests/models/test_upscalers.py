"""What is measured takes colours, windows and states as its contract says, and clips are judged in time."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="the evaluator is part of the training extra")

import subpixel  # noqa: E402
from subpixel.models.bicubic import BicubicEnlarge  # noqa: E402
from subpixel.models.evalsets import EvalClip, EvalImage, degraded  # noqa: E402
from subpixel.models.evaluation import Bicubic, Measures, exact_results, score_clip, score_set  # noqa: E402
from subpixel.models.upscalers import BundleUpscaler, TorchUpscaler  # noqa: E402
from subpixel.quality.colour import luma  # noqa: E402
from subpixel.spec import ModelSpec, StateSpec  # noqa: E402

Plane = NDArray[np.float64]
EXACT = Measures(eight_bit=False)


def spec(family: str, **more: object) -> ModelSpec:
    fields = {"colour": "y", "radius_px": None} | more
    return ModelSpec("test-x2", "1", 2, family, **fields)  # type: ignore[arg-type]


def picture(seed: int = 0) -> Plane:
    coarse = np.random.default_rng(seed).integers(30, 220, (6, 7, 3)).astype(np.float64) / 255
    return np.asarray(np.rint(coarse.repeat(8, axis=0).repeat(8, axis=1) * 255) / 255)


def clip(frames: int = 5) -> EvalClip:
    return EvalClip("c", tuple(degraded(f"c {at:03d}", luma(picture(at)), 2) for at in range(frames)))


def test_the_y_of_an_rgb_net_is_measured() -> None:
    rgb = picture()
    still = EvalClip("p", (degraded("p", luma(rgb), 2, rgb),))
    net = TorchUpscaler(BicubicEnlarge(2), spec("image", colour="rgb"))
    (ours,), (plain,) = (score_clip(u, still, 2) for u in (net, Bicubic(2)))
    assert ours.psnr_db == pytest.approx(plain.psnr_db, abs=0.1)
    assert ours.psnr_u8_db == pytest.approx(plain.psnr_u8_db, abs=0.1)


def test_a_grey_file_is_its_own_y_for_an_rgb_net_too() -> None:
    grey = picture()[..., 0]
    still = EvalClip("p", (degraded("p", grey, 2, grey),))
    net = TorchUpscaler(BicubicEnlarge(2), spec("image", colour="rgb"))
    (ours,), (plain,) = (score_clip(u, still, 2) for u in (net, Bicubic(2)))
    assert ours.psnr_db == pytest.approx(plain.psnr_db, abs=1e-3)


def test_an_rgb_net_on_a_set_read_without_colour_is_refused() -> None:
    net = TorchUpscaler(BicubicEnlarge(2), spec("image", colour="rgb"))
    with pytest.raises(ValueError, match="without RGB"):
        score_clip(net, clip(1), 2)


class Pick(torch.nn.Module):  # type: ignore[misc]
    """Bicubic of one frame of the window."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at, self.enlarge = at, BicubicEnlarge(2)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        return self.enlarge(window[:, self.at : self.at + 1])


@pytest.mark.parametrize(("window", "lookahead"), [(3, 1), (3, 0), (5, 2), (2, 1)])
def test_a_window_is_centred_by_its_lookahead_and_repeats_the_ends(window: int, lookahead: int) -> None:
    frames = [image.lr.astype(np.float32) for image in clip(4).frames]
    contract = spec("video", window=window, lookahead=lookahead)
    for at in range(window):
        seen = list(TorchUpscaler(Pick(at), contract).exact(frames))
        for index, result in enumerate(seen):
            expected = frames[min(max(index + lookahead - window + 1 + at, 0), 3)]
            (wanted,) = Bicubic(2).exact([expected])
            np.testing.assert_allclose(result, wanted, atol=1e-5)


class Count(torch.nn.Module):  # type: ignore[misc]
    """Adds a tenth for every frame seen before."""

    def forward(self, lr: torch.Tensor, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        large = seen[:, :1].repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        return large, seen + 0.1


def test_states_go_from_frame_to_frame_and_start_as_zeros() -> None:
    net = TorchUpscaler(Count(), spec("recurrent", states=(StateSpec("seen", 3),)))
    frames = [np.zeros((4, 6), np.float32)] * 3
    for _ in range(2):  # the second clip starts afresh
        levels = [float(result.mean()) for result in net.exact(frames)]
        assert levels == pytest.approx([0, 0.1, 0.2])
        assert next(iter(net.exact(frames))).shape == (8, 12)


def test_a_bundle_gives_what_its_net_gives() -> None:
    with subpixel.open("bicubic-x2", tune=False) as model:
        ours = score_clip(BundleUpscaler(model), clip(2), 2)
    for score, plain in zip(ours, score_clip(Bicubic(2), clip(2), 2), strict=True):
        assert score.psnr_db == pytest.approx(plain.psnr_db, abs=0.01)
        assert score.temporal_levels == pytest.approx(plain.temporal_levels, abs=0.1)


class Shifted:
    """The original, a level brighter in every second frame."""

    colour = "y"

    def __init__(self, frames: tuple[EvalImage, ...]) -> None:
        self.frames = frames

    def exact(self, frames: list[Plane]) -> list[Plane]:
        return [image.hr + (at % 2) / 255 for at, image in enumerate(self.frames)]


def test_flicker_of_one_level_is_one_level_in_time_and_a_still_has_no_time() -> None:
    film = clip(4)
    scores = score_clip(Shifted(film.frames), film, 2, EXACT)  # type: ignore[arg-type]
    assert scores[0].temporal_levels is None
    assert [s.temporal_levels for s in scores[1:]] == pytest.approx([1, 1, 1])
    (row,) = score_set({"shifted": Shifted(film.frames)}, "c", 2, [film], EXACT)  # type: ignore[dict-item]
    assert row.mean.temporal_levels == pytest.approx(1)
    still = clip(1)
    (alone,) = score_set({"bicubic": Bicubic(2)}, "c", 2, [still], EXACT)
    assert alone.mean.temporal_levels is None
    assert alone.mean.psnr_u8_db is None


def test_results_are_on_the_levels_of_8_bit() -> None:
    results = exact_results(Bicubic(2), clip(1))
    assert results is not None
    levels = next(results) * 255
    np.testing.assert_allclose(levels, np.rint(levels), atol=1e-9)
