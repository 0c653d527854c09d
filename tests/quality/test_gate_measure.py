"""What the measures say of functions whose faults are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from subpixel.cpu import instruction_sets, machine
from subpixel.errors import BadInputError, NotFoundError
from subpixel.gate_images import SIZES, folder_frames, gate_frames, parity_frames, read_luma
from subpixel.quality import gate_measure as gates
from subpixel.quality.flicker import FRAMES, flicker, noisy_clip, temporal_energy
from subpixel.quality.gate_measure import Figure, Frame, Plane
from subpixel.quality.gates import Verdict


def same(plane: Plane) -> Plane:
    return plane


def frame(name: str = "f", value: float = 0.5) -> Frame:
    plane = np.full((20, 30), value, np.float32)
    return Frame(name, plane, plane.astype(np.float64) + 0.01)


def test_parity_names_the_worst_frame() -> None:
    def off(plane: Plane) -> Plane:
        return plane + np.float32(3e-4) * (plane > 0.6)

    verdict = gates.parity(gates.max_abs(off, same, [frame("dark", 0.2), frame("light", 0.9)], False), False)
    assert not verdict
    assert verdict.worst == "light"
    assert verdict.figure == pytest.approx(3e-4, rel=1e-3)


def test_parity_in_levels_counts_what_eight_bit_show() -> None:
    def off(plane: Plane) -> Plane:
        return plane + np.float32(0.9 / 255)

    levels = gates.parity(gates.max_abs(off, same, [Frame("f", np.full((9, 9), 10 / 255, np.float32))], True), True)
    assert levels
    assert levels.figure == 1
    assert not gates.parity([Figure("f", 2.0)], True)


@pytest.mark.parametrize("worst", [np.nan, np.inf])
def test_what_is_not_finite_is_the_worst_and_fails(worst: float) -> None:
    verdict = gates.parity([Figure("good", 0.0), Figure("bad", worst), Figure("fine", 1e-6)], False)
    assert verdict.worst == "bad"
    assert not verdict
    assert gates.smallest([Figure("good", 60.0), Figure("bad", np.nan)]).name == "bad"


def test_half_precision_needs_fifty_db_on_every_frame() -> None:
    assert gates.half_precision([Figure("a", 50.0), Figure("b", 58.0)], "bf16")
    failing = gates.half_precision([Figure("a", 49.9), Figure("b", 58.0)], "fp16")
    assert not failing
    assert (failing.gate, failing.worst) == ("parity in fp16", "a")


def test_loss_is_the_mean_and_names_the_frame_that_lost_most() -> None:
    verdict = gates.int8_loss([Figure("a", 0.02), Figure("b", 0.16)], "some set")
    assert verdict
    assert verdict.figure == pytest.approx(0.09)
    assert verdict.worst == "mean of some set, worst b 0.160"
    assert not gates.int8_loss([Figure("a", 0.05), Figure("b", 0.16)], "some set")


def test_bias_keeps_its_sign_in_words_and_is_judged_by_its_size() -> None:
    def darker(plane: Plane) -> Plane:
        return plane - np.float32(0.6 / 255)

    verdict = gates.int8_bias(gates.bias_levels(darker, same, [frame()]))
    assert not verdict
    assert verdict.figure == pytest.approx(0.6, abs=1e-3)
    assert "-0.600" in verdict.worst


def test_flat_patches_leave_out_what_the_edge_can_reach() -> None:
    def dark_border(plane: Plane) -> Plane:
        result = plane.repeat(2, 0).repeat(2, 1)
        result[:6] = 0
        return result

    def doubled(plane: Plane) -> Plane:
        return plane.repeat(2, 0).repeat(2, 1)

    assert gates.int8_flat(gates.flat_levels(dark_border, doubled, 2, radius_px=3))
    assert not gates.int8_flat(gates.flat_levels(dark_border, doubled, 2, radius_px=2))


def test_flicker_is_one_for_the_same_and_grows_with_new_noise() -> None:
    still = gate_frames(3)[0]
    assert flicker(same, same, still).figure == pytest.approx(1.0)
    random = np.random.default_rng(1)

    def noisy(plane: Plane) -> Plane:
        return plane + random.normal(0, 1 / 255, plane.shape).astype(np.float32)

    gain = flicker(noisy, same, still)
    assert not gain
    assert 1.15 < gain.figure < 1.35, "a level of noise beside two of the still's: a quarter more"


def test_a_smoother_variant_does_not_fail_flicker() -> None:
    def calm(plane: Plane) -> Plane:
        return np.round(plane.mean(), 3) + 0 * plane

    assert flicker(calm, same, gate_frames(3)[0])


def test_the_noisy_clip_is_the_same_every_time_and_in_whole_levels() -> None:
    still = gate_frames(2)[1].lr[:32, :32]
    first, second = noisy_clip(still), noisy_clip(still)
    assert len(first) == FRAMES
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    levels = np.stack(first) * 255
    assert np.allclose(levels, np.rint(levels), atol=1e-3)
    assert 5 < temporal_energy(same, first) < 11, "twice two levels squared, and rounding"


def test_the_gate_set_is_attributed_and_degraded_by_the_scale() -> None:
    for scale in (2, 3, 4):
        frames = gate_frames(scale)
        assert len(frames) == 4
        assert all(f.hr is not None and f.lr.shape == (480 // scale, 720 // scale) for f in frames)
        levels = frames[0].lr * 255
        assert np.allclose(levels, np.rint(levels), atol=1e-3), "8-bit LR"


def test_parity_sizes_are_odd_wide_and_tall() -> None:
    assert len(SIZES) >= 4
    assert any(height % 2 and width % 2 for height, width in SIZES)
    assert any(width == 2 * height for height, width in SIZES)
    assert any(height == 2 * width for height, width in SIZES)
    frames = parity_frames(3, (100, 200), eight_bit=True)
    assert {f.name.partition(" ")[2] for f in frames} == {"noise", "picture"}
    assert all(f.lr.shape[0] > 100 and f.lr.shape[1] > 200 for f in frames), "a fixed size fits in"


def test_a_folder_gives_its_images_and_grey_is_luma_already(tmp_path: Path) -> None:
    from PIL import Image

    grey = np.full((12, 15), 77, np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(np.full((12, 15, 3), 255, np.uint8)).save(tmp_path / "white.png")
    (tmp_path / "notes.txt").write_text("not an image")
    assert [f.name for f in folder_frames(tmp_path, 3)] == ["grey", "white"]
    assert np.allclose(read_luma(tmp_path / "grey.png"), 77 / 255)
    assert np.allclose(read_luma(tmp_path / "white.png"), 235 / 255)


def test_an_empty_folder_and_a_broken_image_are_told(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no images there"):
        folder_frames(tmp_path, 3)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    with pytest.raises(BadInputError, match="broken.png"):
        folder_frames(tmp_path, 3)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("flags\t\t: fpu avx2 sse avx512_vnni\n", ("avx2", "avx512_vnni")),
        ("Features\t: fp asimd asimddp\n", ("asimd", "asimddp")),
        ("model name : nothing else\n", ()),
    ],
)
def test_instruction_sets_are_read_from_the_system(tmp_path: Path, text: str, found: tuple[str, ...]) -> None:
    file = tmp_path / "cpuinfo"
    file.write_text(text)
    assert instruction_sets(file) == found
    assert instruction_sets(tmp_path / "absent") == ()
    assert machine()


def test_verdicts_read_as_sentences() -> None:
    assert str(Verdict("int8 loss", 0.25, 0.1, "dB", "baby")) == "int8 loss: 0.25 dB (<= 0.1; baby) FAILED"
