"""Reducing by a kernel against plain loops; drawn, bicubic and given kernels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="the models need torch")

from subpixel.errors import BadInputError, NotFoundError
from subpixel.models import blur_kernels
from subpixel.models.blur_kernels import Gaussian, Kernel, Plane
from subpixel.models.reduction import Reduction, shrunk
from subpixel.quality.resize import downscale

RANDOM = np.random.default_rng(4)


def slow(image: Plane, kernel: Kernel, scale: int) -> Plane:
    """Every LR pixel by itself; a place outside is looked up in the mirror."""
    rows, columns = image.shape[0] // scale * scale, image.shape[1] // scale * scale
    result = np.zeros((rows // scale, columns // scale))
    for i, j in np.ndindex(result.shape):
        for u, v in np.ndindex(kernel.shape):
            y = round((i + 0.5) * scale - 0.5 + u - (kernel.shape[0] - 1) / 2)
            x = round((j + 0.5) * scale - 0.5 + v - (kernel.shape[1] - 1) / 2)
            while not 0 <= y < rows:
                y = -1 - y if y < 0 else 2 * rows - 1 - y
            while not 0 <= x < columns:
                x = -1 - x if x < 0 else 2 * columns - 1 - x
            result[i, j] += kernel[u, v] * image[y, x]
    return result


@pytest.mark.parametrize(
    ("scale", "sides"), [(1, (3, 5)), (2, (2, 6)), (2, (12, 8)), (3, (7, 1)), (3, (13, 9)), (4, (10, 4))]
)
def test_reducing_is_what_plain_loops_give(scale: int, sides: tuple[int, int]) -> None:
    image, kernel = RANDOM.random((17, 14)), RANDOM.random(sides)
    kernel /= kernel.sum()
    assert np.allclose(blur_kernels.reduced(image, kernel, scale), slow(image, kernel, scale), atol=1e-13)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("shape", [(24, 36), (37, 29), (5, 60)])
def test_the_bicubic_kernel_reduces_as_bicubic_does(scale: int, shape: tuple[int, int]) -> None:
    image = RANDOM.random(shape)
    made = blur_kernels.reduced(image, blur_kernels.bicubic_kernel(scale), scale)
    assert np.abs(made - downscale(image, scale)).max() < 1e-13


def test_the_drawing_is_the_committed_one() -> None:
    """Fixed before any training: another generator or seed would be another experiment."""
    drawn = blur_kernels.drawn_gaussians(2)
    assert len(drawn) == 8
    first, last = drawn[0], drawn[-1]
    assert (first.along, first.across, first.angle) == pytest.approx((0.647952, 2.249030, 1.873262), abs=1e-6)
    assert (last.along, last.across, last.angle) == pytest.approx((0.289748, 0.876365, 2.757351), abs=1e-6)


@pytest.mark.parametrize("scale", [2, 3])
def test_a_gaussian_has_its_covariance(scale: int) -> None:
    drawn = Gaussian(3.0, 1.2, 0.7)
    kernel = drawn.kernel(scale)
    assert {side % 2 for side in kernel.shape} == {scale % 2}
    assert np.allclose(blur_kernels.covariance_of(kernel), drawn.covariance, atol=0.02)


def test_a_kernel_of_the_other_parity_keeps_its_middle_and_nearly_its_width() -> None:
    odd = Gaussian(2.0, 1.0, 0.3).kernel(3)
    moved = blur_kernels.fitted(odd * 7, 2)
    assert [side % 2 for side in moved.shape] == [0, 0]
    assert moved.sum() == pytest.approx(1)
    middle = (moved * np.arange(moved.shape[0])[:, None]).sum()
    assert middle == pytest.approx((moved.shape[0] - 1) / 2, abs=1e-9)
    assert np.allclose(blur_kernels.covariance_of(moved), blur_kernels.covariance_of(odd), atol=1e-9)


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (np.ones(4), "needed a plane"),
        (np.full((3, 3), np.nan), "finite"),
        (np.ones((200, 3)), "at most 101"),
        (np.zeros((4, 4)), "sum is above 0"),
    ],
)
def test_a_kernel_that_is_none_is_refused(kernel: Kernel, words: str) -> None:
    with pytest.raises(BadInputError, match=words):
        blur_kernels.fitted(kernel, 2)


def test_kernel_files(tmp_path: Path) -> None:
    np.save(tmp_path / "k.npy", np.ones((2, 2)))
    assert blur_kernels.read_kernel(tmp_path / "k.npy", 2).tolist() == [[0.25, 0.25], [0.25, 0.25]]
    with pytest.raises(NotFoundError, match="bicubic or estimate"):
        blur_kernels.read_kernel(tmp_path / "none.npy", 2)
    (tmp_path / "text.npy").write_text("not an array")
    with pytest.raises(BadInputError, match="isn't a kernel"):
        blur_kernels.read_kernel(tmp_path / "text.npy", 2)


def test_symmetries_of_kernels() -> None:
    assert blur_kernels.symmetries(blur_kernels.bicubic_kernel(2)) == tuple(range(8))
    assert blur_kernels.symmetries(Gaussian(3.0, 1.0, 0.4).kernel(2)) == (0, 6), "half a turn"
    assert blur_kernels.symmetries(Gaussian(3.0, 1.0, 0.0).kernel(2)) == (0, 2, 4, 6)
    assert blur_kernels.symmetries(np.arange(16.0).reshape(4, 4)) == (0,)


def test_a_shrunk_kernel_blurs_less_in_proportion() -> None:
    kernel = Gaussian(3.0, 1.5, 0.5).kernel(2)
    small = shrunk(kernel, 0.75)
    assert [side % 2 for side in small.shape] == [1, 1]
    assert small.sum() == pytest.approx(1)
    expected = blur_kernels.covariance_of(kernel) * 0.75**2
    assert np.allclose(blur_kernels.covariance_of(small), expected, atol=0.2)


@pytest.mark.parametrize("kernel", [None, Gaussian(2.0, 1.0, 0.4).kernel(2)], ids=["bicubic", "gaussian"])
@pytest.mark.parametrize("factor", [1.3, 2.0])
def test_pairs_keep_the_size_and_flat_pictures(kernel: Kernel | None, factor: float) -> None:
    reduction = Reduction(2, factor, kernel)
    given, wanted = reduction.pair(np.full((31, 44), 0.4))
    assert given.shape == wanted.shape
    assert reduction.son(np.full((31, 44), 0.4)).shape == (int(31 // factor) if factor == 2 else 24, round(44 / factor))
    assert np.allclose(given, 0.4, atol=1e-12)
