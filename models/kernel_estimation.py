"""The blur kernel of an image, estimated from its power spectrum.

An image's spectrum falls with frequency as nearly all do; what a Gaussian kernel of covariance S takes away besides is
exp(-4 pi^2 f' S f), strongest along its long axis. The logarithm of the spectrum is therefore nearly linear in S, and
S a linear reading of it: low frequencies say what the picture itself is like in each direction, high ones what is
missing. The weights of that reading are fitted once, by ridge regression, to photographs reduced by known kernels
(``fit``, below; none of the evaluation sets among them). Compare the parametric blind methods that the paper cites;
Michaeli and Irani's patch recurrence needs no fitting, and minutes an image.

Held-out figures are in the file of weights and in ``docs/adapt.md``. Only Gaussian kernels can come out.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from subpixel.errors import BadInputError
from subpixel.models.architecture import WEIGHTS
from subpixel.models.blur_kernels import Gaussian, Kernel, Plane, gaussian_kernel, reduced
from subpixel.models.evalsets import data_folder
from subpixel.models.patches import image_files, read_training_luma, turn

FILE = WEIGHTS / "kernel-estimate.npz"
WINDOW = 16
LARGEST_PX = 512  # a crop of the middle says enough
FLAT_SHARE = 0.3  # of the windows, the least busy: they hold noise
FLOOR = 1e-7
SMALLEST_VARIANCE, LARGEST_VARIANCE = 0.01, 1.25  # in LR pixels squared
RIDGE = 0.01  # of the number of samples
FIT_SCALE, FIT_SEED, FIT_CROP_PX, FIT_KERNELS, HELD_OUT = 2, 7, 256, 8, 50


@dataclass(frozen=True)
class Reading:
    """``[features]`` mean and spread, ``[features + 1, 3]`` weights; ``error``: median, of held-out variances, in LR
    pixels squared."""

    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    weights: NDArray[np.float64]
    error: float

    def covariance(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """``[[xx, xy], [xy, yy]]`` in LR pixels squared, not yet made positive."""
        xx, xy, yy = np.append((features - self.mean) / self.spread, 1.0) @ self.weights
        return np.array([[xx, xy], [xy, yy]])


def spectrum(lr: Plane) -> NDArray[np.float64]:
    """``[16, 16]``: the mean power of overlapping windows of ``lr`` ``[h, w]``, the flattest ones left out."""
    frame = np.lib.stride_tricks.sliding_window_view(lr, (WINDOW, WINDOW))[:: WINDOW // 2, :: WINDOW // 2]
    windows = frame.reshape(-1, WINDOW, WINDOW)
    taper = np.hanning(WINDOW + 2)[1:-1]
    windows = (windows - windows.mean((1, 2), keepdims=True)) * np.outer(taper, taper)
    power = np.abs(np.fft.fft2(windows)) ** 2
    energy = power.sum((1, 2))
    result: NDArray[np.float64] = power[energy >= np.quantile(energy, FLAT_SHARE)].mean(0)
    return result


def features_of(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half the logarithm of a spectrum, without its mean value: 143 numbers."""
    result: NDArray[np.float64] = np.log(power + FLOOR)[:, : WINDOW // 2 + 1].ravel()[1:]
    return result


@cache
def reading() -> Reading:
    """The committed weights."""
    with np.load(FILE, allow_pickle=False) as kept:
        return Reading(kept["mean"], kept["spread"], kept["weights"], float(kept["error"]))


def estimated_covariance(images: Sequence[Plane], chosen: Reading | None = None) -> NDArray[np.float64]:
    """The blur common to planes ``[h, w]`` (frames of one clip), in LR pixels squared. Raises ``BadInputError``."""
    for image in images:
        if min(image.shape) < 2 * WINDOW:
            height, width = image.shape
            raise BadInputError(f"a kernel can't be estimated from {width}x{height} pixels; name one with --kernel")
    taken = chosen or reading()
    return positive(np.mean([_covariance(centre(image, LARGEST_PX), taken) for image in images], axis=0))


def _covariance(lr: Plane, taken: Reading) -> NDArray[np.float64]:
    """The mean over the image and its mirror images, so that no direction is preferred."""
    signs = ((1, 1), (-1, 1))
    power = spectrum(lr)
    found = []
    for sign, _ in signs:
        seen = power if sign > 0 else np.roll(power[:, ::-1], 1, axis=1)
        for transposed in (False, True):
            covariance = taken.covariance(features_of(seen.T if transposed else seen))
            covariance = covariance[::-1, ::-1] if transposed else covariance
            found.append(covariance * np.array([[1, sign], [sign, 1]]))
    result: NDArray[np.float64] = np.mean(found, axis=0)
    return result


def positive(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Variances brought into what can be told apart."""
    values, axes = np.linalg.eigh(covariance)
    result: NDArray[np.float64] = (axes * np.clip(values, SMALLEST_VARIANCE, LARGEST_VARIANCE)) @ axes.T
    return result


def estimated_kernel(images: Sequence[Plane], scale: int) -> Kernel:
    """A Gaussian kernel for ``scale``. Raises ``BadInputError`` for images too small."""
    return gaussian_kernel(estimated_covariance(images) * scale**2, scale)


def centre(plane: Plane, most: int) -> Plane:
    """The middle of a plane, at most ``most`` a side."""
    height, width = (min(side, most) for side in plane.shape)
    top, left = (plane.shape[0] - height) // 2, (plane.shape[1] - width) // 2
    return plane[top : top + height, left : left + width]


def fit(planes: Sequence[Plane], held_out: int = HELD_OUT, kernels: int = FIT_KERNELS) -> Reading:
    """Fit to HR planes; the first ``held_out`` of them, after a shuffle, only measure the error."""
    random = np.random.default_rng(FIT_SEED)
    order = random.permutation(len(planes))
    learnt = list(_samples([planes[at] for at in order[held_out:]], kernels, random))
    given, wanted = np.array([g for g, _ in learnt]), np.array([w for _, w in learnt])
    mean, spread = given.mean(0), given.std(0)
    rows = np.c_[(given - mean) / spread, np.ones(len(given))]
    ridge = RIDGE * len(rows) * np.eye(rows.shape[1])
    ridge[-1, -1] = 0
    made = Reading(mean, spread, np.linalg.solve(rows.T @ rows + ridge, rows.T @ wanted), np.nan)
    tested = _samples([planes[at] for at in order[:held_out]], kernels, random)
    errors = [np.abs(made.covariance(g)[[0, 0, 1], [0, 1, 1]] - w)[[0, 2]] for g, w in tested]
    return Reading(made.mean, made.spread, made.weights, float(np.median(errors)))


def _samples(
    planes: Sequence[Plane], kernels: int, random: np.random.Generator
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Features, and ``xx, xy, yy`` of the kernel in LR pixels squared; variances uniform in [0, s^2] HR pixels."""
    area = FIT_SCALE**2
    for plane in planes:
        for _ in range(kernels):
            along, across, angle = random.uniform(size=3)
            drawn = Gaussian(float(along) * area, float(across) * area, float(angle) * np.pi)
            father = np.asarray(turn(centre(plane, FIT_CROP_PX), int(random.integers(8))))
            lr = reduced(father, drawn.kernel(FIT_SCALE), FIT_SCALE)
            yield features_of(spectrum(lr)), drawn.covariance[[0, 0, 1], [0, 1, 1]] / area


def main(out: Path) -> None:
    """``python -m subpixel.models.kernel_estimation``: fit again, to ``train/{T91,BSD200,photos}``."""
    roots = [data_folder() / "train" / name for name in ("T91", "BSD200", "photos")]
    planes = [read_training_luma(file) for file in image_files(roots)]
    made = fit([plane for plane in planes if min(plane.shape) >= FIT_CROP_PX // 2])
    np.savez(out, mean=made.mean, spread=made.spread, weights=made.weights, error=made.error)
    print(f"held-out median error of a variance: {made.error:.4f} LR pixels squared")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("models/weights") / FILE.name)
