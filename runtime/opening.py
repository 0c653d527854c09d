"""``subpixel.open``: from a name to a model that runs."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from subpixel.bundle import Bundle
from subpixel.catalogue import DEFAULT_MODEL, find
from subpixel.choice import Wish, candidates
from subpixel.engines.base import Precision
from subpixel.errors import BadInputError
from subpixel.model import Model, open_first
from subpixel.tune import best_first


def open_model(
    model: str | Path | Bundle = DEFAULT_MODEL,
    *,
    engine: str | None = None,
    device: str = "cpu",
    precision: Precision = "auto",
    threads: int = 0,
    variant: str | None = None,
    fallback: Literal["cpu"] | None = None,
    tune: bool = False,
    frame_size: tuple[int, int] = (360, 640),
    streams: int = 1,
) -> Model:
    """Open a shipped model by its name, or a bundle by its path.

    ``engine``: one row of the engine table, else the best usable; ``device``: ``cpu``, ``gpu``, ``npu``, ``cuda:0``;
    ``precision``: ``auto``, ``fp32``, ``fp16``, ``bf16`` or ``int8``; ``threads``: 0 leaves it to the library;
    ``variant``: one variant by its id, passed or not; ``fallback="cpu"`` allows the CPU where ``device`` isn't there.
    ``tune=True`` measures the usable variants at ``frame_size`` (height, width) for at most three seconds, keeps the
    fastest and remembers it for this machine; without it a remembered choice, else a sensible one, is taken. Engines
    are built for frames of that size and are fastest with them; others may come.
    ``streams``: how many threads will call the model at once, 0 for as many as is fastest (``receipt.streams`` tells).

    Raises ``NotFoundError``, ``BundleError``, ``MissingPackageError``, ``DeviceError`` or ``EngineError``.

    >>> import numpy as np, subpixel
    >>> with subpixel.open("bicubic-x2") as model:
    ...     model.upscale(np.zeros((4, 6, 3), np.uint8)).shape
    (8, 12, 3)
    """
    if threads < 0:
        raise BadInputError(f"threads: found {threads}, needed 0 (the library's choice) or more")
    if streams < 0:
        raise BadInputError(f"streams: found {streams}, needed 0 (what is fastest) or more")
    bundle = model if isinstance(model, Bundle) else find(model)
    wish = Wish(engine, device, precision, threads, variant, fallback, frame_size, streams)
    return open_first(best_first(candidates(bundle, wish), wish, frame_size, tune), wish)
