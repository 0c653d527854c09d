"""Made sequences: a camera that pans, turns and zooms over a still, with true sub-pixel motion at LR size.

The frame that is to be enlarged is the still itself, so its HR is untouched; the frames around it are resampled
(bicubic) and then reduced, each by itself, as the field reduces an image. On top of the camera's motion the picture
gives way smoothly, so that no single affine map explains a whole frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as functional
from numpy.typing import NDArray

from subpixel.quality.resize import downscale

FASTEST_PX = 3.0  # LR pixels a frame; half of the cameras move by less than a quarter of it
TURN, ZOOM = 0.004, 0.004  # standard deviations a frame: radians, and relative size
BEND_PX = 0.4  # standard deviation of the smooth local motion a frame, LR pixels
BEND_GRID = (4, 5)
JITTER = 0.2  # how far the speed of one step is from the camera's mean, relative
STILL_SHARE = 0.08  # cameras that don't move at all

Plane = NDArray[np.float32]


@dataclass(frozen=True)
class Camera:
    """Motion a frame: ``shift_px`` (rows, columns of HR), ``turn`` in radians, ``zoom`` relative; around the middle.

    ``bend_px``: smooth local motion a frame, ``[2, rows, columns]`` coarse, in HR pixels.
    """

    shift_px: tuple[float, float]
    turn: float
    zoom: float
    bend_px: NDArray[np.float64]


def random_camera(random: np.random.Generator, scale: int) -> Camera:
    """A camera's motion: mostly below one LR pixel a frame, up to ``FASTEST_PX``."""
    speed = FASTEST_PX * scale * float(random.random()) ** 2 * float(random.random() > STILL_SHARE)
    angle = 2 * np.pi * float(random.random())
    lively = float(random.random()) * min(1.0, speed)  # a camera at rest shows a picture at rest
    bend = random.normal(0.0, BEND_PX * scale * lively, (2, *BEND_GRID))
    turn, zoom = random.normal(0.0, 1.0, 2) * (TURN * lively, ZOOM * lively)
    return Camera((speed * float(np.sin(angle)), speed * float(np.cos(angle))), float(turn), float(zoom), bend)


def positions(camera: Camera, height: int, width: int, time: float) -> torch.Tensor:
    """Where the pixels of the frame at ``time`` (the still is 0) are on the still: ``[H, W, 2]``, rows first."""
    rows = torch.arange(height, dtype=torch.float32)[:, None] - (height - 1) / 2
    columns = torch.arange(width, dtype=torch.float32)[None, :] - (width - 1) / 2
    size = (1.0 + camera.zoom) ** time
    sine, cosine = size * np.sin(camera.turn * time), size * np.cos(camera.turn * time)
    bend = torch.from_numpy(camera.bend_px[None] * time).float()
    local = functional.interpolate(bend, (height, width), mode="bicubic", align_corners=True)[0]
    down = cosine * rows + sine * columns + camera.shift_px[0] * time + local[0] + (height - 1) / 2
    right = cosine * columns - sine * rows + camera.shift_px[1] * time + local[1] + (width - 1) / 2
    return torch.stack((down, right), dim=-1)


def frame_at(still: Plane, camera: Camera, time: float) -> Plane:
    """The frame ``[H, W]`` that the camera sees at ``time``; beyond the still it continues mirrored."""
    height, width = still.shape
    places = positions(camera, height, width, time)
    grid = torch.stack(((2 * places[..., 1] + 1) / width - 1, (2 * places[..., 0] + 1) / height - 1), dim=-1)
    source = torch.from_numpy(np.ascontiguousarray(still))[None, None]
    seen = functional.grid_sample(source, grid[None], mode="bicubic", padding_mode="reflection", align_corners=False)
    result: Plane = seen[0, 0].numpy()
    return result


def lr_window(still: Plane, scale: int, times: tuple[float, ...], random: np.random.Generator) -> Plane:
    """A window of LR frames ``[T, H / s, W / s]`` of one camera; time 0 is the still itself, reduced."""
    camera = random_camera(random, scale)
    shaken = [time * (1.0 + JITTER * float(random.normal())) for time in times]
    frames = [downscale(still if time == 0 else frame_at(still, camera, time), scale) for time in shaken]
    return np.stack(frames).astype(np.float32)
