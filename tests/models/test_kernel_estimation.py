"""Known kernels are found again, from pictures that the estimate was not fitted to."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="the models need torch")

from subpixel.errors import BadInputError
from subpixel.gate_images import GATE_SET, read_luma
from subpixel.models import kernel_estimation
from subpixel.models.blur_kernels import Gaussian, Plane, bicubic_kernel, drawn_gaussians, reduced

MEDIAN_ERROR, LARGEST_ERROR = 0.2, 0.7  # of a variance, HR pixels squared at x2, where variances go up to 4


@pytest.fixture(scope="module")
def pictures() -> list[Plane]:
    return [read_luma(file)[:360, :480] for file in sorted(GATE_SET.glob("*.webp"))]


def error(picture: Plane, kernel: Gaussian, scale: int) -> NDArray[np.float64]:
    lr = reduced(picture, kernel.kernel(scale), scale)
    difference = kernel_estimation.estimated_covariance([lr]) * scale**2 - kernel.covariance
    result: NDArray[np.float64] = np.abs(difference)
    return result


def test_the_drawn_kernels_are_found_again(pictures: list[Plane]) -> None:
    errors = np.array([error(picture, kernel, 2) for picture in pictures for kernel in drawn_gaussians(2)])
    assert np.median(errors[:, [0, 1], [0, 1]]) < MEDIAN_ERROR
    assert errors.max() < LARGEST_ERROR


def test_another_scale_is_the_same_blur_in_lr_pixels(pictures: list[Plane]) -> None:
    errors = [error(picture, drawn_gaussians(3)[1], 3) for picture in pictures]
    assert np.median(errors) < 2 * MEDIAN_ERROR * (3 / 2) ** 2


def test_frames_of_one_clip_are_taken_together(pictures: list[Plane]) -> None:
    reduced_ones = [reduced(picture, drawn_gaussians(2)[6].kernel(2), 2) for picture in pictures]
    alone = [kernel_estimation.estimated_covariance([lr]) for lr in reduced_ones]
    assert np.allclose(kernel_estimation.estimated_covariance(reduced_ones), np.mean(alone, axis=0), atol=1e-12)


def test_a_turned_picture_has_the_turned_kernel(pictures: list[Plane]) -> None:
    lr = reduced(pictures[0], Gaussian(3.5, 0.6, 0.5).kernel(2), 2)[:144, :144]
    (xx, xy), (_, yy) = kernel_estimation.estimated_covariance([lr])
    mirrored = kernel_estimation.estimated_covariance([np.ascontiguousarray(lr[:, ::-1])])
    transposed = kernel_estimation.estimated_covariance([np.ascontiguousarray(lr.T)])
    assert np.allclose(mirrored, [[xx, -xy], [-xy, yy]], atol=1e-9)
    assert np.allclose(transposed, [[yy, xy], [xy, xx]], atol=1e-9)
    assert xx > 2 * yy * 0.8
    assert xy > 0


def test_variances_stay_within_what_can_be_told() -> None:
    found = np.linalg.eigvalsh(kernel_estimation.positive(np.array([[5.0, 0.0], [0.0, -1.0]])))
    assert found.tolist() == pytest.approx([0.01, 1.25])


def test_bicubic_is_taken_for_a_narrow_gaussian(pictures: list[Plane]) -> None:
    lr = reduced(pictures[3], bicubic_kernel(2), 2)
    values = np.linalg.eigvalsh(kernel_estimation.estimated_covariance([lr])) * 4
    assert values.min() > 0.4
    assert values.max() < 1.3


def test_too_few_pixels_are_refused() -> None:
    with pytest.raises(BadInputError, match="31x40"):
        kernel_estimation.estimated_covariance([np.zeros((40, 31))])


def test_fitting_again_learns_from_few_pictures(pictures: list[Plane]) -> None:
    """The committed weights come from the same code and 276 pictures."""
    pieces = [picture[y : y + 128, x : x + 128] for picture in pictures for y in (0, 200) for x in (0, 160, 320)]
    made = kernel_estimation.fit(pieces, held_out=4, kernels=6)
    untaught = 0.25  # what the mean of all variances would be wrong by
    assert kernel_estimation.reading().error < made.error < untaught * 2
    assert kernel_estimation.reading().error < 0.06
