"""Calibrated rounding: int8 weights chosen so that a layer's *results* stay, not each weight by itself.

Rounding one weight at a time and letting those that are left make up for its error is Hassibi and Stork's optimal
brain surgeon (1993) as Frantar et al. apply it to quantisation (GPTQ, arXiv:2210.17323, eq. 2 and 3); before it the
weights are refitted by least squares to what the layer really gets as input, after it single weights move to a
neighbouring level as long as the error falls (coordinate descent).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
TOP = 127  # of symmetric int8
RIDGE = 1e-3  # how strongly refitted weights are held to the trained ones
DAMPING = 1e-4
CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8)  # parts of a row's largest weight that become level 127
SWEEPS = 2


class Moments:
    """Sums over many columns: ``x`` ``[K, M]`` what a layer gets, ``y`` ``[O, M]`` what it should give."""

    def __init__(self, inputs: int, outputs: int) -> None:
        self._xx, self._yx = np.zeros((inputs, inputs)), np.zeros((outputs, inputs))
        self._x, self._y, self._yy = np.zeros(inputs), np.zeros(outputs), np.zeros(outputs)
        self._count = 0.0

    def add(self, x: NDArray[np.float32], y: NDArray[np.float32], weight: float = 1.0) -> None:
        """Count these columns ``weight`` times."""
        self._xx += weight * (x @ x.T)
        self._yx += weight * (y @ x.T)
        self._x += weight * x.sum(1)
        self._y += weight * y.sum(1)
        self._yy += weight * np.square(y).sum(1)
        self._count += weight * x.shape[1]

    def centred(self) -> Centred:
        """Means and covariances."""
        x, y = self._x / self._count, self._y / self._count
        return Centred(
            self._xx / self._count - np.outer(x, x),
            self._yx / self._count - np.outer(y, x),
            x,
            y,
            self._yy / self._count - y**2,
        )


@dataclass(frozen=True)
class Centred:
    """Covariances ``xx`` ``[K, K]``, ``yx`` ``[O, K]``, means, variance of ``y``; the bias takes up the means."""

    xx: Matrix
    yx: Matrix
    x: Matrix
    y: Matrix
    yy: Matrix


@dataclass(frozen=True)
class Rounded:
    """``levels`` ``[O, K]`` int8, weight = level * ``scale`` of its row; ``bias`` ``[O]``.

    Every row has a level of 127 or -127, so that any tool that takes the largest weight for its scale finds ours.
    """

    levels: NDArray[np.int8]
    scale: NDArray[np.float32]
    bias: NDArray[np.float32]


def nearest(weights: Matrix, bias: Matrix) -> Rounded:
    """Each weight to its own nearest level."""
    scale = _row_scale(weights, 1.0)
    levels = np.rint(weights / scale[:, None]).astype(np.int8)
    return Rounded(levels, scale.astype(np.float32), bias.astype(np.float32))


def calibrated(weights: Matrix, moments: Centred) -> Rounded:
    """Levels, scales and biases that keep the layer's results on the calibration frames."""
    hessian = moments.xx + DAMPING * _mean_diagonal(moments.xx) * np.eye(len(moments.xx))
    wanted = refitted(weights, moments)
    tries = [_rounded_rows(wanted, hessian, _row_scale(wanted, clip)) for clip in CLIPS]
    errors = np.stack([_errors(levels * scale[:, None], moments) for levels, scale in tries])
    best = np.argmin(errors, axis=0)
    rows = np.arange(len(weights))
    levels = np.stack([levels for levels, _ in tries])[best, rows]
    scale = np.stack([scale for _, scale in tries])[best, rows].astype(np.float32)
    bias = moments.y - (levels * scale[:, None]) @ moments.x
    return Rounded(levels.astype(np.int8), scale, bias.astype(np.float32))


def refitted(weights: Matrix, moments: Centred) -> Matrix:
    """Least squares for what the layer really gets, held to the trained weights where the frames say little."""
    hold = RIDGE * _mean_diagonal(moments.xx)
    left = moments.xx + hold * np.eye(len(moments.xx))
    return np.asarray(np.linalg.solve(left, (moments.yx + hold * weights).T).T, np.float64)


def _mean_diagonal(matrix: Matrix) -> float:
    return float(np.mean(np.diag(matrix))) or 1.0


def _row_scale(weights: Matrix, clip: float) -> Matrix:
    largest = np.abs(weights).max(axis=1)
    return np.where(largest > 0, largest, 1.0) * clip / TOP


def _errors(weights: Matrix, moments: Centred) -> Matrix:
    """Mean squared error of each row's results, the bias being the best one."""
    quadratic = np.einsum("ok,kl,ol->o", weights, moments.xx, weights, optimize=True)
    result: Matrix = quadratic - 2 * np.einsum("ok,ok->o", weights, moments.yx) + moments.yy
    return result


def _rounded_rows(wanted: Matrix, hessian: Matrix, scale: Matrix) -> tuple[Matrix, Matrix]:
    largest = np.argmax(np.abs(wanted), axis=1)
    levels = _greedy(wanted, hessian, scale, largest)
    return _swept(levels, wanted, hessian, scale, largest), scale


def _greedy(wanted: Matrix, hessian: Matrix, scale: Matrix, largest: NDArray[np.intp]) -> Matrix:
    """Columns in order of their weight in the results; the error of each is passed on to those that follow."""
    order = np.argsort(-np.diag(hessian))
    factor = np.linalg.cholesky(np.linalg.inv(hessian[np.ix_(order, order)])).T
    rest, levels = wanted[:, order].copy(), np.zeros_like(wanted)
    for at, column in enumerate(order):
        level = np.clip(np.rint(rest[:, at] / scale), -TOP, TOP)
        level = np.where(largest == column, np.sign(wanted[:, column]) * TOP, level)
        levels[:, column] = level
        error = (rest[:, at] - level * scale) / factor[at, at]
        rest[:, at:] -= np.outer(error, factor[at, at:])
    return levels


def _swept(levels: Matrix, wanted: Matrix, hessian: Matrix, scale: Matrix, largest: NDArray[np.intp]) -> Matrix:
    """Each column to its best level, given the others, a few times over; the pinned ones stay."""
    levels = levels.copy()
    slope = (levels * scale[:, None] - wanted) @ hessian
    for _ in range(SWEEPS):
        for column in range(levels.shape[1]):
            best = levels[:, column] - slope[:, column] / (hessian[column, column] * scale)
            level = np.where(largest == column, levels[:, column], np.clip(np.rint(best), -TOP, TOP))
            slope += np.outer((level - levels[:, column]) * scale, hessian[column])
            levels[:, column] = level
    return levels
