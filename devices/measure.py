"""The measuring process: ``python -m subpixel.devices.measure`` reads one question as JSON, answers in JSON, ends.

A process of its own gives every variant its own cold start and its own peak of memory, and a library that crashes takes
only this process with it.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subpixel.devices.ffmpeg import count_frames, picture
from subpixel.devices.figures import (
    JobFigures,
    JobRequest,
    ProbeFigures,
    ProbeRequest,
    VariantFigures,
    VariantRequest,
)
from subpixel.devices.resources import peak_rss_bytes
from subpixel.engines.table import engine_row
from subpixel.errors import SubpixelError
from subpixel.model import Model
from subpixel.opening import open_model
from subpixel.records import from_json, to_json

LEAST_RUNS = 3


def probe(request: ProbeRequest, started: float) -> ProbeFigures:
    """Load the engine's library and ask it. Raises ``EngineError`` or whatever a broken library raises."""
    found = engine_row(request.engine).probe()
    return ProbeFigures(found.version, found.devices, found.note)


def measure_variant(request: VariantRequest, started: float) -> VariantFigures:
    """Open a variant, run it once, then for ``request.seconds`` (at least three frames). Raises ``EngineError``."""
    model = open_model(
        request.bundle,
        engine=request.engine,
        device=request.device,
        variant=request.variant,
        frame_size=(request.height, request.width),
    )
    with model:  # a colour model's three planes are three frames: only the time counts
        frame = np.stack([picture(request.width, request.height, at) for at in range(model.spec.planes)])
        model.upscale_planes(frame)
        cold_start_ms = (time.time() - started) * 1000
        times = np.array(list(_frame_times(model, frame, request.seconds)))
        return VariantFigures(
            cold_start_ms=cold_start_ms,
            p50_ms=float(np.percentile(times, 50)),
            p90_ms=float(np.percentile(times, 90)),
            fps=float(1000 * len(times) / times.sum()),
            frames=len(times),
            peak_rss_bytes=peak_rss_bytes(),
            receipt=model.receipt,
        )


def _frame_times(model: Model, frame: NDArray[np.uint8], seconds: float) -> Iterator[float]:
    """Milliseconds of one frame after the other; ``frame``: the planes that the model takes for one."""
    until = time.perf_counter() + seconds
    for number in range(sys.maxsize):
        before = time.perf_counter()
        if number >= LEAST_RUNS and before > until:
            return
        model.upscale_planes(frame)
        yield (time.perf_counter() - before) * 1000


def measure_job(request: JobRequest, started: float) -> JobFigures:
    """Run the verb ``upscale`` as the command line does: decode, enlarge, encode. Raises what the verb raises."""
    from subpixel.cli.main import cli

    arguments = ["upscale", request.clip, request.out, "--model", request.bundle, "--engine", request.engine]
    arguments += ["--device", request.device, "--json", "--overwrite"]
    arguments += ["--precision", request.precision] if request.precision else []
    said = io.StringIO()
    with redirect_stdout(said):
        code = cli.main(arguments, prog_name="subpixel", standalone_mode=False)
    seconds, out, report = time.time() - started, Path(request.out), _json_object(said.getvalue())
    frames = count_frames(out)
    return JobFigures(
        seconds=seconds,
        frames=frames,
        fps=frames / _number(report.get("seconds"), seconds),
        peak_rss_bytes=peak_rss_bytes(),
        out_bytes=out.stat().st_size,
        exit_code=code if isinstance(code, int) else 0,
        upscale=report,
    )


def _number(found: object, instead: float) -> float:
    return float(found) if isinstance(found, (int, float)) and found > 0 else instead


def _json_object(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


TASKS: dict[str, tuple[type[Any], Callable[[Any, float], object]]] = {
    "probe": (ProbeRequest, probe),
    "variant": (VariantRequest, measure_variant),
    "job": (JobRequest, measure_job),
}


def answer(task: str, request: object, started: float) -> dict[str, Any]:
    """``{"data": ...}``, or ``{"fault": text}`` for whatever was raised. ``started``: ``time.time()`` of the start."""
    kind, perform = TASKS[task]
    try:
        return {"data": to_json(perform(from_json(kind, request), started))}
    except SubpixelError as fault:
        return {"fault": str(fault)}
    except Exception as fault:
        words = getattr(fault, "message", None) or str(fault)
        return {"fault": f"{type(fault).__name__}: {words}".strip().rstrip(":")}


def main() -> int:
    """Answer the question on stdin. What libraries print goes to stderr: stdout holds the answer and nothing else."""
    mine = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    question = json.load(sys.stdin)
    with mine:
        json.dump(answer(question["task"], question["request"], question["started"]), mine)
    return 0


if __name__ == "__main__":
    sys.exit(main())
