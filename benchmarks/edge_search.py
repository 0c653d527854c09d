#!/usr/bin/env python
"""The search for the edge family's shapes: train each a little, time it on the engines, keep the Pareto front.

    python benchmarks/edge_search.py train --data $SUBPIXEL_DATA/train/T91 ...   # resumable, into runs/edge-search/
    python benchmarks/edge_search.py time                                        # on a quiet machine
    python benchmarks/edge_search.py show                                        # docs/edge-search.md and its plot

Quality: PSNR on Set14 x3 (Set5 is left for the figures). Time: 640x360 to 1920x1080, uint8 in and out, interleaved,
median of all rounds. Beside them the nets of the house with their own weights, and FSRCNN with its published figure.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
import onnxruntime as ort
import torch
from matplotlib.figure import Figure
from safetensors.torch import load_file
from torch import nn

from subpixel.cli.console import Output
from subpixel.engines import openvino
from subpixel.engines.base import Request
from subpixel.export.graph import Reader, as_u8
from subpixel.export.onnx import export_float
from subpixel.export.targets import converted
from subpixel.models.architecture import Architecture
from subpixel.models.cli import source_of
from subpixel.models.edge import Shape, edge_net
from subpixel.models.edge_fast import lines_net
from subpixel.models.evalsets import read_set
from subpixel.models.recipe import Recipe
from subpixel.models.registry import trained
from subpixel.models.training import Trainer, psnr_of, run
from subpixel.tune import cpu_model

SCALE, SET = 3, "set14"
FRAME = (360, 640)
BLOCKS = ((8, 4), (16, 3), (16, 4), (16, 5), (32, 4))  # on 2 x 2 pixels a position
BESIDE = ((16, 3), (16, 14))  # the plane beside the last features
HANDED_ON = ((8, 1), (8, 2), (8, 4), (16, 1), (16, 2), (16, 3), (16, 4), (16, 5), (16, 8), (32, 3))
LINES = ((16, 4), (16, 6), (16, 8))


@dataclass(frozen=True)
class Lines:
    """So many channels and layers along one axis."""

    channels: int
    layers: int


SHAPES: tuple[Shape | Lines, ...] = (
    *(Shape(*sizes) for sizes in BLOCKS),
    *(Shape(*sizes, block=1) for sizes in BESIDE),
    *(Shape(*sizes, block=1, handed_on=True) for sizes in HANDED_ON),
    *(Lines(*sizes) for sizes in LINES),
)
HOUSE = ("edge-fast-x3", "edge-x3", "edge-best-x3", "espcn-x3", "srcnn-x3", "vdsr-x3")
ROUNDS, RUNS = 8, 3
MOST_SECONDS, LEAST_RUNS = 4.0, 3  # of one net on one engine: VDSR takes seconds a run
RECIPE = Recipe(
    steps=2000, batch=8, patch_px=48, lr=2e-3, precision="fp32", criterion="charbonnier", refresh=20, resized=(0.8, 0.6)
)
ROOT = Path(__file__).parents[1]
RUNS_FOLDER, RECORD = ROOT / "runs" / "edge-search", ROOT / "docs" / "edge-search.json"


@dataclass(frozen=True)
class Found:
    """One net. ``parameters``: of the folded net; ``ms``: by engine; ``source``: whose PSNR it is."""

    name: str
    parameters: int
    psnr_db: float
    source: str
    ms: dict[str, float]


class Fsrcnn(nn.Module):
    """FSRCNN(d, s, m), for its time only. Dong et al., ECCV 2016: PReLU, a 9 x 9 deconvolution at the end."""

    def __init__(self, scale: int, features: int, shrunk: int, mappings: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(1, features, 5, padding=2), nn.PReLU(features)]
        if shrunk != features:
            layers += [nn.Conv2d(features, shrunk, 1), nn.PReLU(shrunk)]
        for _ in range(mappings):
            layers += [nn.Conv2d(shrunk, shrunk, 3, padding=1), nn.PReLU(shrunk)]
        if shrunk != features:
            layers += [nn.Conv2d(shrunk, features, 1), nn.PReLU(features)]
        self.layers = nn.Sequential(*layers)
        self.enlarge = nn.ConvTranspose2d(features, 1, 9, scale, padding=4, output_padding=scale - 1)

    def forward(self, luma: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.enlarge(self.layers(luma))
        return result


# Set14 x3 as the paper's tables have it: FSRCNN trained on General-100 too, FSRCNN-s on the 91 images.
PUBLISHED = {"FSRCNN": (Fsrcnn(SCALE, 56, 12, 4), 29.43), "FSRCNN-s": (Fsrcnn(SCALE, 32, 5, 1), 29.08)}


def label(shape: Shape | Lines) -> str:
    """``16x3``; ``16x3 on 2x2`` for positions of several pixels, ``16x3 beside`` where the plane isn't handed on.

    ``16x4 lines``: convolutions along one axis.
    """
    if isinstance(shape, Lines):
        return f"{shape.channels}x{shape.layers} lines"
    form = "" if shape.handed_on else " beside" if shape.block == 1 else f" on {shape.block}x{shape.block}"
    return f"{shape.channels}x{shape.layers}{form}"


def architecture_of(shape: Shape | Lines) -> Architecture:
    """An edge net of the shape."""
    if isinstance(shape, Lines):
        return lines_net(f"edge-{label(shape).replace(' ', '-')}", shape.channels, shape.layers)
    return edge_net(f"edge-{label(shape).replace(' ', '-')}", shape)


@click.group()
def search() -> None:
    """Look for shapes of the edge family."""


@search.command()
@click.option("--data", type=Path, multiple=True, required=True, help="Folder of training images; repeatable.")
@click.option("--shape", "wanted", multiple=True, help="Only these, as '16x3 on 2x2' [all].")
def train(data: tuple[Path, ...], wanted: tuple[str, ...]) -> None:
    """Train every shape for some minutes; an interrupted run goes on."""
    pairs = [(image.lr, image.hr) for image in read_set(SET, SCALE)]
    for shape in SHAPES:
        if wanted and label(shape) not in wanted:
            continue
        kind, folder = architecture_of(shape), RUNS_FOLDER / label(shape)
        trainer = Trainer(kind, SCALE, RECIPE, source_of(kind, data, SCALE, RECIPE, Output(False, True)), folder)
        trainer.resume()
        for state in run(trainer, lambda net: psnr_of(net, pairs, SCALE), RECIPE.steps // 4):
            if state.step == RECIPE.steps:
                print(f"{label(shape)}: {state.points[-1][3]:.3f} dB on {SET} after {state.seconds:.0f} s", flush=True)


@search.command("time")
def measure() -> None:
    """Time what was trained, and the others, on ONNX Runtime and OpenVINO."""
    nets = list(candidates())
    times = timings({name: export_float(net.eval(), kind.spec(SCALE)) for name, net, kind, _, _ in nets})
    found = [
        Found(name, sum(p.numel() for p in net.parameters()), db, source, times[name])
        for name, net, _, db, source in nets
    ]
    machine = {
        "cpu": cpu_model(), "cores": os.cpu_count(), "onnxruntime": ort.__version__, "openvino": openvino.VERSION,
        "python": platform.python_version(),
    }  # fmt: skip
    record = {"machine": machine, "frame": FRAME, "set": SET, "nets": [asdict(one) for one in found]}
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
    print("\n".join(table(found)))


def candidates() -> Iterator[tuple[str, nn.Module, Architecture, float, str]]:
    """Name, net, contract, PSNR and whose figure that is."""
    pairs = [(image.lr, image.hr) for image in read_set(SET, SCALE)]
    for shape in SHAPES:
        kind, weights = architecture_of(shape), RUNS_FOLDER / label(shape) / "weights.safetensors"
        if weights.is_file():
            net = trained_net(kind, weights)
            yield label(shape), net, kind, psnr_of(net, pairs, SCALE), f"{RECIPE.steps} steps"
    for name in HOUSE:
        model = trained(name)
        net = model.module()
        yield name, net, model.architecture, psnr_of(net, pairs, SCALE), "its committed weights"
    for name, (net, db) in PUBLISHED.items():
        yield name, net, trained("espcn-x3").architecture, db, "published"


def trained_net(kind: Architecture, weights: Path) -> nn.Module:
    """The folded net with its weights."""
    net = kind.build(SCALE)
    net.load_state_dict(load_file(weights))
    return net.eval()


def timings(graphs: dict[str, bytes]) -> dict[str, dict[str, float]]:
    """Median ms a frame, by net and engine; all nets in turn, so that a disturbance meets all of them.

    Each engine is given its own form of the `u8` graph, as in a bundle.
    """
    frame = np.random.default_rng(0).integers(16, 236, (1, 1, *FRAME), dtype=np.uint8)
    runs = {
        (name, engine): opened(as_u8(graph, engine), frame)
        for engine, opened in ENGINES.items()
        for name, graph in graphs.items()
    }
    times: dict[tuple[str, str], list[float]] = {key: [] for key in runs}
    for go in runs.values():
        go()
    for _ in range(ROUNDS):
        for key, go in runs.items():
            for _ in range(RUNS):
                if len(times[key]) < LEAST_RUNS or sum(times[key]) < 1000 * MOST_SECONDS:
                    started = time.perf_counter()
                    go()
                    times[key].append(1000 * (time.perf_counter() - started))
    return {name: {engine: float(np.median(times[name, engine])) for engine in ENGINES} for name in graphs}


def by_onnxruntime(graph: bytes, frame: np.ndarray) -> Callable[[], Any]:
    """A run of ONNX Runtime with its own choice of threads, which don't spin into the next net's time."""
    options = ort.SessionOptions()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    return lambda: session.run(None, {"lr": frame})


def by_openvino(graph: bytes, frame: np.ndarray) -> Callable[[], Any]:
    """A run of OpenVINO in fp32, built for the frame's size as our engine builds it."""
    spec = trained("espcn-x3").architecture.spec(SCALE)  # its contract is every net's here
    variant = converted("openvino", "fp32", "u8", spec, {"net.onnx": graph}, "onnx").variant
    engine = openvino.OpenVinoEngine((graph, b""), variant, spec, Request(precision="fp32", frame_size=FRAME))
    return lambda: engine.run({"lr": frame})


ENGINES: dict[Reader, Callable[[bytes, np.ndarray], Callable[[], Any]]] = {
    "onnxruntime": by_onnxruntime,
    "openvino": by_openvino,
}


@search.command()
def show() -> None:
    """Write the table and the plot again from the record."""
    record = json.loads(RECORD.read_text())
    found = [Found(**one) for one in record["nets"]]
    machine = ", ".join(f"{key} {value}" for key, value in record["machine"].items())
    head = (
        "# The search for the edge family's shapes",
        "",
        f"Measured by `benchmarks/edge_search.py` on {machine}.",
        "",
        "`16x4`: sixteen channels, four layers before the last, the plane handed on; `beside`: the plane beside the",
        "last features; `on 2x2`: four pixels a position; `lines`: convolutions along one axis, in turns. In brackets:",
        f"the share of ESPCN's time. Compare nets that were trained for {RECIPE.steps} steps with each other; those of",
        "the house are trained to the end.",
        "",
    )
    text = [*head, *table(found), "", "![quality against time](edge-search.webp)", ""]
    RECORD.with_suffix(".md").write_text("\n".join(text))
    draw(found, RECORD.with_suffix(".webp"))


def table(found: list[Found]) -> Iterator[str]:
    """Markdown; the share of ESPCN's time in brackets; a star where nothing is both faster and better."""
    espcn = next(one for one in found if one.name == "espcn-x3")
    yield f"| net | parameters | {SET} x{SCALE}, dB | ONNX Runtime, ms | OpenVINO, ms | figure of | front |"
    yield "|---|---|---|---|---|---|---|"
    for one in sorted(found, key=lambda one: one.ms["openvino"]):
        times = (f"{one.ms[engine]:.1f} ({one.ms[engine] / espcn.ms[engine]:.2f})" for engine in ENGINES)
        star = "★" if one in front(found) else ""
        yield f"| {one.name} | {one.parameters:,} | {one.psnr_db:.2f} | {' | '.join(times)} | {one.source} | {star} |"


def front(found: list[Found]) -> list[Found]:
    """Those that no other beats in both quality and time (OpenVINO's)."""
    return [
        one for one in found
        if not any(o.psnr_db > one.psnr_db and o.ms["openvino"] <= one.ms["openvino"] for o in found)
    ]  # fmt: skip


def draw(found: list[Found], file: Path) -> None:
    """Quality against milliseconds, the front as a line."""
    figure = Figure(figsize=(8, 5))
    axes = figure.add_subplot()
    for one in found:
        axes.plot(one.ms["openvino"], one.psnr_db, "o", color="tab:blue" if "steps" in one.source else "tab:grey")
        axes.annotate(one.name, (one.ms["openvino"], one.psnr_db), textcoords="offset points", xytext=(4, 4), size=8)
    line = sorted(front(found), key=lambda one: one.ms["openvino"])
    axes.plot([one.ms["openvino"] for one in line], [one.psnr_db for one in line], "-", color="tab:orange")
    axes.set_xscale("log")
    axes.set_xlabel("ms a frame, 640x360 to 1920x1080, OpenVINO fp32")
    axes.set_ylabel(f"PSNR on {SET} x{SCALE}, dB")
    figure.tight_layout()
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    search()
