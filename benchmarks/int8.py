#!/usr/bin/env python
"""What int8 costs and saves: every shipped net that has it, on every engine that runs here, against that engine's fp32.

    python benchmarks/int8.py measure     # three minutes on a quiet machine; writes docs/int8.json and the page
    python benchmarks/int8.py show        # docs/int8.md again from the record

Quality: PSNR of Y on whole Set5 and Set14 by the field's protocol, LR rounded to 8 bit as video has it. Time: 640x360,
uint8 in and out, one thread, fp32 and int8 in turn, the median of all runs. *Taken*: what tuning chooses when it is
given that engine alone, from an empty cache.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from racing.machine import line, machine

import subpixel
from subpixel.bundle import Bundle
from subpixel.catalogue import find
from subpixel.evidence import evidence_of
from subpixel.models.evalsets import as_u8, read_set
from subpixel.models.registry import trained_names
from subpixel.quality.metrics import psnr_db
from subpixel.spec import Variant

ENGINES = {"onnxruntime": "onnx", "openvino": "openvino", "litert": "litert"}
SETS = ("set5", "set14")
FRAME = (360, 640)
LEAST_RUNS, SECONDS = 5, 2.0
LIMIT_DB = 0.05
RECORD = Path(__file__).parents[1] / "docs" / "int8.json"


@dataclass(frozen=True)
class Pair:
    """A net on an engine. ``psnr_db``: by set, fp32 and int8; ``ms``: likewise; ``taken``: the variant tuning chose."""

    net: str
    engine: str
    psnr_db: dict[str, tuple[float, float]]
    ms: tuple[float, float]
    failed: str
    taken: str

    @property
    def lost_db(self) -> dict[str, float]:
        """What int8 loses, by set."""
        return {name: before - after for name, (before, after) in self.psnr_db.items()}


@click.group()
def int8() -> None:
    """Measure int8 against fp32."""


@int8.command()
@click.option("--net", "wanted", multiple=True, help="Only these, as edge-x3 [all that have int8].")
def measure(wanted: tuple[str, ...]) -> None:
    """Measure every net on every engine."""
    pairs = []
    with tempfile.TemporaryDirectory() as cache:
        os.environ["SUBPIXEL_CACHE"] = cache
        for net, engine in cases(wanted):
            pairs.append(measured(net, engine))
            print(row(pairs[-1]), flush=True)
    earlier = json.loads(RECORD.read_text()) if wanted and RECORD.is_file() else {}
    RECORD.write_text(json.dumps(joined(machine(), pairs, earlier), indent=1) + "\n")
    written()


def joined(here: dict[str, Any], pairs: list[Pair], earlier: dict[str, Any]) -> dict[str, Any]:
    """The record; of an earlier one from the same machine what was not measured now stays."""
    fresh = {(pair.net, pair.engine) for pair in pairs}
    kept = earlier["pairs"] if earlier.get("machine") == here else []
    all_pairs = [one for one in kept if (one["net"], one["engine"]) not in fresh] + [asdict(pair) for pair in pairs]
    return {"machine": here, "pairs": sorted(all_pairs, key=lambda one: one["net"])}


def cases(wanted: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Every net and engine with an int8 variant for it."""
    for net in wanted or trained_names():
        bundle = find(net)
        yield from ((net, engine) for engine in ENGINES if variant_of(bundle, engine, "int8"))


def variant_of(bundle: Bundle, engine: str, precision: str) -> Variant | None:
    """The bundle's variant with 8-bit input and output for the engine; ``None`` where it has none."""
    return next(
        (v for v in bundle.manifest.variants
         if v.target == ENGINES[engine] and v.precision == precision and v.kind == "u8"), None
    )  # fmt: skip


def measured(net: str, engine: str) -> Pair:
    """One net on one engine."""
    bundle = find(net)
    variants = [variant_of(bundle, engine, precision) for precision in ("fp32", "int8")]
    assert variants[1] is not None
    evidence = evidence_of(bundle, variants[1])
    failed = ", ".join(v.gate for v in evidence.verdicts if not v) if evidence else "not measured"
    models = [subpixel.open(net, engine=engine, variant=v.id, threads=1) for v in variants if v]
    psnr = {name: quality(models, name) for name in SETS}
    ms = times(models)
    for model in models:
        model.close()
    with subpixel.open(net, engine=engine, threads=1, tune=True, frame_size=FRAME) as tuned:
        return Pair(net, engine, psnr, ms, failed, tuned.receipt.variant)


def quality(models: list[subpixel.Model], name: str) -> tuple[float, float]:
    """Mean PSNR of both on a set, from 8-bit LR."""
    images = list(read_set(name, models[0].scale))
    means = [
        np.mean([psnr_db(model.upscale_luma(as_u8(i.lr)) / 255, i.hr, model.scale) for i in images]) for model in models
    ]
    return float(means[0]), float(means[1])


def times(models: list[subpixel.Model]) -> tuple[float, float]:
    """Median ms a frame of both, in turn."""
    frame = np.random.default_rng(0).integers(16, 236, FRAME, dtype=np.uint8)
    found: list[list[float]] = [[] for _ in models]
    for model in models:
        model.upscale_luma(frame)
    ends = time.perf_counter() + SECONDS
    while len(found[0]) < LEAST_RUNS or time.perf_counter() < ends:
        for model, spent in zip(models, found, strict=True):
            started = time.perf_counter()
            model.upscale_luma(frame)
            spent.append(1000 * (time.perf_counter() - started))
    return float(np.median(found[0])), float(np.median(found[1]))


@int8.command()
def show() -> None:
    """Write the page again from the record."""
    written()


def written() -> None:
    """docs/int8.md."""
    record = json.loads(RECORD.read_text())
    RECORD.with_suffix(".md").write_text("\n".join(page(record)) + "\n")


def page(record: dict[str, Any]) -> Iterator[str]:
    """Markdown."""
    pairs = [Pair(**one) for one in record["pairs"]]
    passed = [pair for pair in pairs if not pair.failed]
    within = sum(pair.lost_db["set5"] <= LIMIT_DB for pair in passed)
    yield "<!-- Written by `benchmarks/int8.py`. Don't edit: the next run writes it again. -->"
    yield "# What int8 costs and saves"
    yield ""
    yield f"On {line(record['machine'])}; one thread."
    yield ""
    yield "PSNR of Y on Set5 and Set14 from LR rounded to 8 bit; *lost* against the same engine's fp32. Milliseconds"
    yield "of a frame, 640x360, uint8 in and out, both in turn. *Gate*: that of `subpixel check`; what failed there is"
    yield "never chosen. *Taken*: what tuning chooses when it may only take that engine."
    yield ""
    yield f"Of {len(pairs)} pairs {len(passed)} pass the gate; of these {within} lose at most {LIMIT_DB} dB on Set5."
    yield ""
    yield "| net | engine | Set5 fp32, dB | lost, Set5 | lost, Set14 | fp32, ms | int8, ms | gate | taken |"
    yield "|---|---|---|---|---|---|---|---|---|"
    yield from (row(pair) for pair in pairs)


def row(pair: Pair) -> str:
    """One line of the table."""
    lost = " | ".join(f"{pair.lost_db[name]:.3f}" for name in SETS)
    gate = f"❌ {pair.failed}" if pair.failed else "✅"
    before, after = pair.ms
    taken = "int8" if "int8" in pair.taken else "fp32"
    return (
        f"| {pair.net} | {pair.engine} | {pair.psnr_db['set5'][0]:.2f} | {lost} | {before:.1f} | {after:.1f} "
        f"({after / before:.2f}) | {gate} | {taken} |"
    )


if __name__ == "__main__":
    int8()
