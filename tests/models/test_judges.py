"""The judges against their papers' equations, written out here, and against another library's values."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="the judges work on torch tensors")

from subpixel.errors import MissingPackageError  # noqa: E402
from subpixel.gate_images import GATE_SET, read_luma  # noqa: E402
from subpixel.models import judges  # noqa: E402
from subpixel.models.judges import HAARPSI, JUDGES, MDSI  # noqa: E402
from subpixel.quality.resize import downscale, upscale  # noqa: E402

Plane = NDArray[np.float64]

# HaarPSI of piqa 1.3.2 (another author's code), `HaarPSI(chromatic=False)` of the planes below
PIQA_HAARPSI = {"gate_fig": 0.747298, "gate_picos": 0.654045, "gate_seeding": 0.735960, "gate_stream": 0.683220}


@pytest.fixture(autouse=True)
def piq_is_here(require: Callable[[str], None]) -> None:
    require("piq")


def piece(name: str) -> Plane:
    whole = read_luma(GATE_SET / f"{name}_720x480.webp")
    return np.asarray(np.rint(whole[100:228, 200:360] * 255) / 255)


def blurred(truth: Plane, scale: int = 4) -> Plane:
    return np.asarray(upscale(downscale(truth, scale), scale).clip(0, 1), dtype=np.float32).astype(np.float64)


def slide(plane: Plane, kernel: Plane) -> Plane:
    """Correlation, zeros beyond the border; an even kernel has its extra row and column behind the middle."""
    rows, columns = kernel.shape
    padded = np.pad(plane, (((rows - 1) // 2, rows // 2), ((columns - 1) // 2, columns // 2)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape)
    return np.asarray(np.einsum("yxij,ij->yx", windows, kernel))


def likeness(first: Plane, second: Plane, constant: float) -> Plane:
    return np.asarray((2 * first * second + constant) / (first**2 + second**2 + constant))


def mdsi_by_hand(distorted: Plane, truth: Plane) -> float:
    """Nafchi et al. 2016, equations 3 to 11, of grey RGB images small enough not to be reduced first."""
    prewitt = np.array([[1.0, 0, -1]] * 3) / 3
    grey = {"r": truth * 255, "d": distorted * 255}
    bright = {key: 0.9999 * plane for key, plane in grey.items()}
    bright["f"] = (bright["r"] + bright["d"]) / 2
    steep = {key: np.hypot(slide(plane, prewitt), slide(plane, prewitt.T)) for key, plane in bright.items()}
    gradients = likeness(steep["r"], steep["d"], 140)
    gradients += likeness(steep["d"], steep["f"], 55) - likeness(steep["r"], steep["f"], 55)
    colours = [[factor * plane for plane in grey.values()] for factor in (0.30 + 0.04 - 0.35, 0.34 - 0.6 + 0.17)]
    product = sum(2 * reference * other for reference, other in colours) + 550
    squares = sum(reference**2 + other**2 for reference, other in colours) + 550
    combined = (0.6 * gradients + 0.4 * product / squares).astype(complex) ** 0.25
    return float(np.abs(combined - combined.mean()).mean() ** 0.25)


def halved(plane: Plane) -> Plane:
    """What the measure looks at: means of two by two."""
    rows, columns = plane.shape
    return np.asarray(plane.reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3)) * 255)


def haarpsi_by_hand(first: Plane, second: Plane) -> float:
    """Reisenhofer et al. 2018, equations 9 to 12, of grey images."""
    planes = halved(first), halved(second)
    top = bottom = 0.0
    for across in (False, True):
        sizes = [[np.abs(slide(p, haar(level, across))) for level in (1, 2, 3)] for p in planes]
        near = np.mean([likeness(a, b, 30.0) for a, b in zip(sizes[0][:2], sizes[1][:2], strict=True)], axis=0)
        weight = np.maximum(sizes[0][2], sizes[1][2])
        top += float(np.sum(weight / (1 + np.exp(-4.2 * near))))
        bottom += float(np.sum(weight))
    mean = top / bottom
    return float((np.log(mean / (1 - mean)) / 4.2) ** 2)


def haar(level: int, across: bool) -> Plane:
    kernel = np.full((2**level, 2**level), 2.0**-level)
    kernel[: 2 ** (level - 1)] *= -1
    return kernel.T if across else kernel


@pytest.mark.parametrize("name", PIQA_HAARPSI)
def test_haarpsi_is_another_librarys_and_that_of_the_equations(name: str) -> None:
    truth = piece(name)
    assert HAARPSI(blurred(truth), truth, 0) == pytest.approx(PIQA_HAARPSI[name], abs=1e-5)
    assert HAARPSI(blurred(truth), truth, 0) == pytest.approx(haarpsi_by_hand(blurred(truth), truth), abs=1e-5)


@pytest.mark.parametrize("name", PIQA_HAARPSI)
def test_mdsi_is_that_of_the_equations(name: str) -> None:
    truth = piece(name)
    assert MDSI(blurred(truth), truth, 0) == pytest.approx(mdsi_by_hand(blurred(truth), truth), abs=1e-5)


@pytest.mark.parametrize("judge", JUDGES, ids=lambda judge: judge.name)
def test_a_judge_prefers_what_lost_less_and_leaves_out_the_border(judge: judges.Judge) -> None:
    truth = piece("gate_fig")
    little, much = (judge(blurred(truth, scale), truth, 4) for scale in (2, 4))
    assert (little > much) == judge.higher_is_better
    spoilt = blurred(truth, 2)
    spoilt[:4], spoilt[:, -4:] = 0, 1
    assert judge(spoilt, truth, 4) == pytest.approx(little, abs=1e-6)


def test_judging_leaves_no_half_loaded_library_behind() -> None:
    look = "print([name for name in sys.modules if name.partition('.')[0] == 'piq'])"
    code = f"import sys; from subpixel.models.judges import measure; measure('mdsi'); {look}"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(judges, "find_spec", lambda name: None)
    monkeypatch.setattr(judges, "_LOADED", {})
    with pytest.raises(MissingPackageError, match=r"subpixel\[judges\]"):
        judges.measure("haarpsi")
