"""The models that files are enlarged by: opened when they are first needed, and once for many files."""

from __future__ import annotations

import subpixel
from subpixel.media.options import UpscaleOptions
from subpixel.media.plan import check_scale, choose_model
from subpixel.model import Model


class OpenModels:
    """Use it in a ``with`` statement. ``given``: the caller's model for everything, which stays open afterwards."""

    def __init__(self, given: Model | None = None) -> None:
        self._given = given
        self._models: dict[tuple[str, int], Model] = {}

    def __enter__(self) -> OpenModels:
        return self

    def __exit__(self, *fault: object) -> None:
        for model in self._models.values():
            model.close()

    def fitting(self, options: UpscaleOptions, size: tuple[int, int], streams: int = 1) -> Model:
        """The model asked for, else the shipped one that fits. ``size``: the input's width, height.

        ``streams``: how many frames may be in it at once, 0 for as many as is fastest.
        Raises ``BadInputError`` when its factor isn't the one asked for, and what ``subpixel.open`` raises.
        """
        if self._given is not None:
            return self._given
        name = choose_model(options, size)
        model = self.named(name, options, size, streams)
        check_scale(name, model.scale, options)
        return model

    def named(self, name: str, options: UpscaleOptions, size: tuple[int, int], streams: int = 1) -> Model:
        """Tuned for the size at which it was first asked for; others may come."""
        if (name, streams) not in self._models:
            self._models[name, streams] = subpixel.open(
                name, engine=options.engine, device=options.device, precision=options.precision,
                threads=options.threads, fallback=options.fallback, tune=options.tune, frame_size=(size[1], size[0]),
                streams=streams,
            )  # fmt: skip
        return self._models[name, streams]
