"""What a model is given of a still or a clip when it is measured: planes of luma, of colours, a window that moves.

The form of a model: ``[h, w]``; ``[h, w, 3]`` for the colour ``rgb``; ``[T, h, w]``, the frames of a window, for models
of several frames. Results are ``[s h, s w]``, of colour models ``[s h, s w, 3]``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from subpixel.quality.gate_measure import Frame, Plane, Upscale, UpscaleClip
from subpixel.spec import ModelSpec
from subpixel.windows import Windows

Step = Callable[[Plane, bool], Plane]
"""The model itself: planes ``[C or T, h, w]`` and whether a clip starts, to ``[1 or 3, s h, s w]``; states are kept."""
STEP_PX = (0.25, 0.5)  # down and across from frame to frame of a still's window


def as_fed(picture: Plane, model: ModelSpec, eight_bit: bool = True) -> Plane:
    """A still in the model's form. A window shows it moving by parts of a pixel; luma for a colour model is grey.

    ``eight_bit``: what was interpolated is brought to whole levels, as a decoded video would have them.
    """
    if model.takes_windows:
        frames = [_moved(picture, at - (model.window - 1 - model.lookahead)) for at in range(model.window)]
        window: Plane = np.stack(frames)
        return _on_levels(window) if eight_bit else window
    if model.colour == "rgb" and picture.ndim == 2:
        return np.repeat(picture[..., None], 3, axis=2)
    return picture


def frames_as_fed(frames: tuple[Frame, ...] | list[Frame], model: ModelSpec, eight_bit: bool = True) -> list[Frame]:
    """The frames with their LR, and HR where colours need it, in the model's form."""
    return [replace(frame, lr=as_fed(frame.lr, model, eight_bit), hr=_hr_as_fed(frame, model)) for frame in frames]


def _hr_as_fed(frame: Frame, model: ModelSpec) -> NDArray[np.float64] | None:
    if frame.hr is None or model.colour != "rgb" or frame.hr.ndim == 3:
        return frame.hr
    return np.repeat(frame.hr[..., None], 3, axis=2)


def planes_of(fed: Plane, model: ModelSpec) -> Plane:
    """What goes into the net: ``[C or T, h, w]``."""
    if model.takes_windows:
        return fed
    return np.ascontiguousarray(np.moveaxis(fed, 2, 0)) if fed.ndim == 3 else fed[None]


def picture_of(planes: Plane) -> Plane:
    """What came out of it, as a picture."""
    return planes[0] if planes.shape[0] == 1 else np.moveaxis(planes, 0, 2)


def still_by(step: Step, model: ModelSpec) -> Upscale:
    """The model on stills in its form, each the first frame of a clip."""
    return lambda fed: picture_of(step(planes_of(fed, model), True))


def clip_by(step: Step, model: ModelSpec) -> UpscaleClip:
    """The model on a clip of pictures ``[h, w]`` or ``[h, w, 3]``: windows and states as when a video is played."""

    def play(pictures: list[Plane]) -> list[Plane]:
        if not model.takes_windows:
            return [picture_of(step(planes_of(as_fed(picture, model), model), True)) for picture in pictures]
        windows: Windows[Plane] = Windows(model.window, model.lookahead)
        ready = [window for picture in pictures for window in windows.push(picture)] + windows.flush()
        return [picture_of(step(np.stack(window.frames), window.starts_clip)) for window in ready]

    return play


def _moved(picture: Plane, steps: int) -> Plane:
    """By ``steps`` times a quarter and a half of a pixel, bilinear, the edges repeated."""
    if not steps:
        return picture
    for axis, step in enumerate(STEP_PX):
        picture = _along(picture, steps * step, axis)
    return picture


def _along(picture: Plane, shift: float, axis: int) -> Plane:
    whole, part = int(np.floor(shift)), np.float32(shift - np.floor(shift))
    places = np.arange(picture.shape[axis]) + whole
    one, other = (np.clip(places + more, 0, picture.shape[axis] - 1) for more in (0, 1))
    result: Plane = picture.take(one, axis) * (1 - part) + picture.take(other, axis) * part
    return result


def _on_levels(planes: Plane) -> Plane:
    levels: Plane = np.rint(planes * np.float32(255)) / np.float32(255)
    return levels
