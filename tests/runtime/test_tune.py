"""Measuring: within its budget, fair to every candidate, remembered, and never a reason to fail."""

from __future__ import annotations

import sys
import types
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import subpixel
from subpixel import tune
from subpixel.bundle import Bundle
from subpixel.cache import cache_folder
from subpixel.catalogue import bicubic_bundle
from subpixel.choice import Candidate, Wish, abreast, candidates
from subpixel.engines.base import Receipt, Request
from subpixel.engines.table import EngineRow
from subpixel.errors import BadInputError, EngineError
from subpixel.evidence import Evidence, with_evidence
from subpixel.quality.gates import Verdict
from subpixel.spec import Arrays, ModelSpec, Variant

SIZE = (36, 64)
MODULE = "engines_of_the_tune_tests"


@dataclass
class Clock:
    """Time that passes only when an engine says so."""

    seconds: float = 100.0
    opened: list[str] = field(default_factory=list)
    sizes: list[tuple[int, int]] = field(default_factory=list)

    def perf_counter(self) -> float:
        return self.seconds


class TimedEngine:
    """An engine that takes a stated time to open and to run."""

    def __init__(self, clock: Clock, name: str, open_s: float, run_s: float, variant: Variant, spec: ModelSpec) -> None:
        clock.seconds += open_s
        clock.opened.append(name)
        self.clock, self.run_s, self.variant, self.spec = clock, run_s, variant, spec
        self.receipt = Receipt(name, name, "1", name, "cpu", variant.precision, 1, open_s)

    def run(self, inputs: Arrays, outputs: Arrays | None = None) -> Arrays:
        self.clock.seconds += self.run_s
        self.clock.sizes.append(inputs["lr"].shape[2:])
        return {"sr": np.zeros((1, 1, 1, 1), np.uint8)}

    def reset(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Clock]:
    """Stated time, and an empty cache."""
    time = Clock()
    monkeypatch.setenv("SUBPIXEL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(tune, "time", time)
    monkeypatch.setitem(sys.modules, MODULE, types.ModuleType(MODULE))
    yield time


def timed(clock: Clock, name: str, run_s: float, open_s: float = 0.01, fails: bool = False) -> Candidate:
    """A candidate of an engine called ``name``."""

    def factory(blobs: tuple[bytes, ...], variant: Variant, spec: ModelSpec, request: Request) -> TimedEngine:
        if fails:
            clock.opened.append(name)
            raise EngineError("it does not open")
        return TimedEngine(clock, name, open_s, run_s, variant, spec)

    setattr(sys.modules[MODULE], name, factory)
    bundle = bicubic_bundle(3)
    row = EngineRow(name, ("procedure",), (), "", MODULE, name)
    return Candidate(row, bundle, bundle.manifest.variant("procedure-fp32-u8"), Request())


def names(found: list[Candidate]) -> list[str]:
    return [candidate.row.name for candidate in found]


def test_the_fastest_comes_first(clock: Clock) -> None:
    found = [timed(clock, "middling", 0.02), timed(clock, "slow", 0.05), timed(clock, "fast", 0.01)]
    assert names(tune.best_first(found, Wish(), SIZE, tune=True)) == ["fast", "middling", "slow"]


def test_a_slow_candidate_leaves_time_for_the_others(clock: Clock) -> None:
    found = [timed(clock, "sluggish", 0.9), timed(clock, "fast", 0.01), timed(clock, "middling", 0.02)]
    assert set(tune.measure(found, SIZE)) == {"sluggish/procedure-fp32-u8", "fast/procedure-fp32-u8",
                                              "middling/procedure-fp32-u8"}  # fmt: skip


def test_who_was_disturbed_the_first_time_is_visited_again(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    found, visits = [timed(clock, "disturbed", 0.01), timed(clock, "calm", 0.02)], Counter[str]()
    first, later = {"disturbed": 50.0, "calm": 20.0}, {"disturbed": 10.0, "calm": 20.0}

    def timing(candidate: Candidate, *_: Any) -> tune.Timing:
        name = candidate.row.name
        visits[name] += 1
        return tune.Timing((first if visits[name] == 1 else later)[name], "")

    monkeypatch.setattr(tune, "timing", timing)
    assert names(tune.best_first(found, Wish(), SIZE, tune=True)) == ["disturbed", "calm"]
    assert set(visits.values()) == {1 + tune.VISITS}


def test_measuring_stops_when_the_budget_is_spent(clock: Clock) -> None:
    started = clock.seconds
    found = [timed(clock, f"sluggish{n}", run_s=1.0, open_s=0.5) for n in range(9)]
    figures = tune.measure(found, SIZE)
    assert 1 <= len(figures) < 9
    assert {f"{name}/procedure-fp32-u8" for name in clock.opened} == set(figures)
    assert clock.seconds - started <= tune.BUDGET_SECONDS + 1.5  # what had begun is finished: one opening, one run


def test_at_least_one_is_measured_however_slow(clock: Clock) -> None:
    figures = tune.measure([timed(clock, "glacial", 60.0), timed(clock, "other", 0.01)], SIZE)
    assert list(figures) == ["glacial/procedure-fp32-u8"]


def test_one_that_fails_to_open_is_left_out_and_tried_last(clock: Clock) -> None:
    found = [timed(clock, "broken", 0.001, fails=True), timed(clock, "sound", 0.02)]
    assert names(tune.best_first(found, Wish(), SIZE, tune=True)) == ["sound", "broken"]


def test_a_measured_choice_is_remembered_and_not_measured_again(clock: Clock) -> None:
    found = [timed(clock, "one", 0.03), timed(clock, "two", 0.01)]
    tune.best_first(found, Wish(threads=3), SIZE, tune=True)
    clock.opened.clear()
    for again in (True, False):
        assert names(tune.best_first(found, Wish(threads=3), SIZE, tune=again)) == ["two", "one"]
    assert clock.opened == []


@pytest.mark.parametrize(
    ("wish", "size"),
    [(Wish(threads=2), SIZE), (Wish(device="gpu"), SIZE), (Wish(precision="fp32"), SIZE), (Wish(), (72, 128))],
    ids=["threads", "device", "precision", "frame-size"],
)
def test_a_choice_is_remembered_for_its_own_conditions_only(clock: Clock, wish: Wish, size: tuple[int, int]) -> None:
    found = [timed(clock, "three", 0.03), timed(clock, "four", 0.01)]
    tune.best_first(found, Wish(), SIZE, tune=True)
    assert tune.remembered(found, Wish(), SIZE) is not None
    assert tune.remembered(found, wish, size) is None


def test_another_file_or_another_candidate_is_measured_anew(clock: Clock) -> None:
    found = [timed(clock, "five", 0.03), timed(clock, "six", 0.01)]
    tune.best_first(found, Wish(), SIZE, tune=True)
    record = replace(found[0].variant.file, sha256="1" * 64)
    changed = replace(found[0], variant=replace(found[0].variant, files=(record,)))
    assert tune.remembered([changed, found[1]], Wish(), SIZE) is None
    assert tune.remembered([*found, timed(clock, "seven", 0.02)], Wish(), SIZE) is None


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"median_ms": 3}', b'{"median_ms": {"a": "fast"}}',
     b'{"median_ms": {"eight/procedure-fp32-u8": NaN}}', b'{"median_ms": {}}', b"[" * 100_000],
)  # fmt: skip
def test_a_damaged_cache_is_as_good_as_none(clock: Clock, text: bytes) -> None:
    found = [timed(clock, "eight", 0.03), timed(clock, "nine", 0.01)]
    tune.best_first(found, Wish(), SIZE, tune=True)
    (file,) = (cache_folder() / "tuned").iterdir()
    good = file.read_bytes()
    file.write_bytes(text)
    assert tune.remembered(found, Wish(), SIZE) is None
    assert names(tune.best_first(found, Wish(), SIZE, tune=False)) == ["eight", "nine"]
    assert names(tune.best_first(found, Wish(), SIZE, tune=True)) == ["nine", "eight"]
    assert file.read_bytes() == good


def test_a_cache_that_can_not_be_written_is_no_error(
    clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a-file").write_text("in the way of the folder")
    monkeypatch.setenv("SUBPIXEL_CACHE", str(tmp_path / "a-file"))
    found = [timed(clock, "ten", 0.03), timed(clock, "eleven", 0.01)]
    assert names(tune.best_first(found, Wish(), SIZE, tune=True)) == ["eleven", "ten"]


def test_the_same_arithmetic_is_measured_once_for_each_engine(clock: Clock) -> None:
    u8 = timed(clock, "twelve", 0.01)
    plain = replace(u8, variant=u8.bundle.manifest.variant("procedure-fp32"))
    assert tune.distinct([plain, u8]) == [u8]


@pytest.mark.parametrize(("own", "faster", "taken"), [("bf16", "fp32", "fp32"), ("bf16", "bf16", "auto"),
                                                      ("fp32", "fp32", "auto")])  # fmt: skip
def test_an_engine_that_can_choose_its_arithmetic_is_measured_in_both(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, own: str, faster: str, taken: str
) -> None:
    """Its own choice of bf16 may be slower than fp32; where its own choice is fp32 that is measured once."""
    candidate = timed(clock, "fourteen", 0.01)
    row = replace(candidate.row, precisions=("fp32",))
    measured: list[str] = []

    def timing(candidate: Candidate, *_: Any) -> tune.Timing:
        ran = own if candidate.request.precision == "auto" else candidate.request.precision
        measured.append(ran)
        return tune.Timing(1.0 if ran == faster else 2.0, ran)

    monkeypatch.setattr(tune, "timing", timing)
    found = [replace(candidate, row=row), timed(clock, "fifteen", 0.01)]
    best = tune.best_first(found, Wish(), SIZE, tune=True)[0]
    assert (best.row.name, best.request.precision) == ("fourteen", taken)
    first = ["fp32", own] if own == "fp32" else [own, "fp32", own]
    assert measured[: len(first)] == first
    assert len(measured) == len(first) * (1 + tune.VISITS)


def with_equal_int8(bundle: Bundle) -> Bundle:
    """The bundle's 8-bit variant a second time under the name of an int8 variant that passed."""
    variant = replace(bundle.manifest.variant("onnx-fp32-u8"), id="onnx-int8-u8", precision="int8")
    passed = Verdict("loss", 0.01, 0.1, "dB", "tests")
    return with_evidence(
        bundle.plus(variant, {}), Evidence(variant.id, variant.file.sha256, (passed,), engine="onnxruntime")
    )


def test_int8_that_passed_is_taken_once_it_was_the_fastest(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = with_equal_int8(tiny_bundle)

    def measured(candidate: Candidate, *_: Any) -> tune.Timing:
        return tune.Timing(1.0 if candidate.variant.precision == "int8" else 2.0, candidate.variant.precision)

    monkeypatch.setattr(tune, "timing", measured)
    options: dict[str, Any] = {"engine": "onnxruntime", "threads": 1, "frame_size": (24, 24)}
    with subpixel.open(bundle, **options) as model:
        assert model.receipt.precision == "fp32"
    with subpixel.open(bundle, tune=True, **options) as model:
        assert model.receipt.precision == "int8"
    with subpixel.open(bundle, **options) as model:
        assert model.receipt.variant == "onnx-int8-u8"


@pytest.mark.parametrize(
    ("frame", "multiple", "given"),
    [((30, 50), 1, (30, 50)), ((30, 50), 8, (32, 56)), ((4320, 7680), 1, (34, 7680))],
    ids=["as-it-is", "rounded-up", "a-band-of-8K"],
)
def test_a_candidate_is_measured_at_a_size_it_will_be_given(
    clock: Clock, frame: tuple[int, int], multiple: int, given: tuple[int, int]
) -> None:
    candidate = timed(clock, "thirteen", 0.01)
    manifest = candidate.bundle.manifest
    picky = replace(manifest, model=replace(manifest.model, size_multiple=multiple))
    tune.measure([replace(candidate, bundle=Bundle(picky, candidate.bundle.files))], frame)
    assert set(clock.sizes) == {given}


def test_real_engines_are_measured_and_one_is_taken(tiny_bundle: Bundle) -> None:
    with subpixel.open(tiny_bundle, tune=True, threads=1, frame_size=(24, 40)) as model:
        found = candidates(tiny_bundle, Wish(threads=1, frame_size=(24, 40)))
        figures = tune.remembered(found, Wish(threads=1), (24, 40))
        assert figures is not None
        fastest = min(figures, key=lambda name: figures[name]).removesuffix(" in fp32")
        assert fastest == f"{model.receipt.engine}/{model.receipt.variant}"


def wide(clock: Clock, name: str, run_s: float) -> Candidate:
    """A candidate whose engine may be asked for runs side by side."""
    candidate = timed(clock, name, run_s)
    return replace(candidate, row=replace(candidate.row, side_by_side=True), request=Request(threads=2))


def timings_by(names: dict[str, float]) -> Any:
    """Stands in for the clock: milliseconds by label."""

    def timing(candidate: Candidate, *_: Any) -> tune.Timing:
        return tune.Timing(names[tune.label(candidate)], candidate.variant.precision)

    return timing


def test_runs_side_by_side_are_taken_where_they_are_faster(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [wide(clock, "sixteen", 0.01), wide(clock, "seventeen", 0.01)]
    label = "{}/procedure-fp32-u8{}".format
    figures = {label("sixteen", ""): 4.0, label("sixteen", ", 2 streams"): 3.0,
               label("seventeen", ""): 2.0, label("seventeen", ", 2 streams"): 2.5}  # fmt: skip
    monkeypatch.setattr(tune, "timing", timings_by(figures))
    ranked = tune.best_first(found, Wish(threads=2, streams=0), SIZE, tune=True)
    assert [(c.row.name, c.request.streams) for c in ranked] == [
        ("seventeen", 1), ("seventeen", 2), ("sixteen", 2), ("sixteen", 1)
    ]  # fmt: skip
    assert ranked[0].reason == (
        "seventeen/procedure-fp32-u8: 2.0 ms a frame as measured here; next sixteen/procedure-fp32-u8, 2 streams: 3.0"
    )


def test_runs_side_by_side_are_taken_too_where_they_are_a_little_slower_alone(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    label = "twenty/procedure-fp32-u8{}".format
    for one, streams in ((1.8, 2), (1.7, 1)):
        figures = {label(""): one, label(", 2 streams"): 2.0}
        monkeypatch.setattr(tune, "timing", timings_by(figures))
        monkeypatch.setattr(tune, "remembered", lambda *_: None)
        ranked = tune.best_first([wide(clock, "twenty", 0.01)], Wish(threads=2, streams=0), SIZE, tune=True)
        assert ranked[0].request.streams == streams


def test_runs_side_by_side_that_could_not_be_measured_come_last(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tune, "remembered", lambda *_: {"twentyone/procedure-fp32-u8": 40.0})
    ranked = tune.best_first([wide(clock, "twentyone", 0.01)], Wish(threads=2, streams=0), SIZE, tune=True)
    assert [c.request.streams for c in ranked] == [1, 2]


def test_a_caller_that_says_how_many_frames_it_has_under_way_is_not_given_another_number(clock: Clock) -> None:
    found = [wide(clock, "eighteen", 0.01), wide(clock, "nineteen", 0.02)]
    ranked = tune.best_first(found, Wish(threads=2, streams=1), SIZE, tune=True)
    assert [c.request.streams for c in ranked] == [1, 1]


@pytest.mark.parametrize("tuned", [True, False])
def test_frames_that_go_in_bands_are_not_run_side_by_side(clock: Clock, tuned: bool) -> None:
    candidate = wide(clock, "twentytwo", 0.01)
    tileable = replace(candidate.bundle.manifest, model=replace(candidate.bundle.spec, radius_px=2))
    found = [replace(candidate, bundle=Bundle(tileable, candidate.bundle.files))]
    ranked = tune.best_first(found, Wish(threads=2, streams=0), (720, 1280), tune=tuned)
    assert [c.request.streams for c in ranked] == [1]


def test_without_measuring_streams_are_as_many_as_cores_that_are_few(clock: Clock) -> None:
    for threads, streams in ((1, 1), (2, 2), (3, 3), (64, 4)):
        candidate = replace(wide(clock, "twenty", 0.01), request=Request(threads=threads))
        (taken,) = tune.best_first([candidate], Wish(threads=threads, streams=0), SIZE, tune=False)
        assert taken.request.streams == streams


@pytest.mark.parametrize("why", ["one-at-a-time", "an-accelerator", "several-frames"])
def test_what_can_not_run_side_by_side_does_not(clock: Clock, why: str) -> None:
    candidate = wide(clock, "twenty-one", 0.01)
    if why == "one-at-a-time":
        candidate = replace(candidate, row=replace(candidate.row, side_by_side=False))
    elif why == "an-accelerator":
        candidate = replace(candidate, request=Request(device="gpu"))
    else:
        manifest = candidate.bundle.manifest
        windowed = replace(manifest, model=replace(manifest.model, family="video", window=3))
        candidate = replace(candidate, bundle=Bundle(windowed, candidate.bundle.files))
    assert abreast(candidate) == candidate


def test_a_real_engine_is_measured_with_runs_side_by_side(tiny_bundle: Bundle) -> None:
    with subpixel.open(
        tiny_bundle, engine="onnxruntime", tune=True, threads=2, streams=0, frame_size=(24, 40)
    ) as model:
        wish = Wish(engine="onnxruntime", threads=2, frame_size=(24, 40), streams=0)
        figures = tune.remembered(candidates(tiny_bundle, wish), wish, (24, 40))
        assert figures is not None and any(name.endswith("2 streams") for name in figures)
        assert model.receipt.streams in (1, 2) and model.receipt.threads == 2
        assert model.reason.startswith(min(figures, key=lambda name: figures[name]))


def test_a_number_of_streams_below_zero_is_refused() -> None:
    with pytest.raises(BadInputError, match="streams"):
        subpixel.open("bicubic-x2", streams=-1)
