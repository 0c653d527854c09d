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
        self._models: dict[str, Model] = {}

    def __enter__(self) -> OpenModels:
        return self

    def __exit__(self, *fault: object) -> None:
        for model in self._models.values():
            model.close()

    def fitting(self, options: UpscaleOptions, size: tuple[int, int]) -> Model:
        """The model asked for, else the shipped one that fits. ``size``: the input's width, height.

        Raises ``BadInputError`` when its factor isn't the one asked for, and what ``subpixel.open`` raises.
        """
        if self._given is not None:
            return self._given
        name = choose_model(options, size)
        model = self.named(name, options, size)
        check_scale(name, model.scale, options)
        return model

    def named(self, name: str, options: UpscaleOptions, size: tuple[int, int]) -> Model:
        """Tuned for the size at which it was first asked for; others may come."""
        if name not in self._models:
            self._models[name] = subpixel.open(
                name, engine=options.engine, device=options.device, precision=options.precision,
                threads=options.threads, fallback=options.fallback, tune=options.tune, frame_size=(size[1], size[0]),
            )  # fmt: skip
        return self._models[name]
