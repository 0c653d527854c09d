"""Training material of video nets: windows of LR luma frames and the HR frame of one of them.

Stills become sequences by a moving camera, real clips give windows as they are. The same for the same seed: a still's
sequences depend on the seed and on nothing drawn before, so a training goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from subpixel.errors import BadInputError, NotFoundError
from subpixel.models.architecture import Architecture
from subpixel.models.camera import lr_window
from subpixel.models.evalsets import clip_lumas, degraded, set_folder
from subpixel.models.footage import clip_files, clip_windows
from subpixel.models.patches import image_files, read_training_luma, turn
from subpixel.quality.resize import crop_to_multiple, downscale

UNROLLED = 3  # windows that a net with states sees one after the other
RENDERINGS = 6  # cameras for each still
SHOWN_EVERY = 12  # of Vid4, for the learning curve

Plane = NDArray[np.float32]
Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Clip:
    """One frame's HR ``[s h, s w]`` and the LR window ``[T, h, w]`` around it; a still has none: it is filmed."""

    hr: Plane
    lr: Plane | None = None


def load_clips(folder: Path, scale: int, smallest_lr_px: int, length: int, target: int) -> list[Clip]:
    """Everything in a folder that is large enough: stills, and windows of clips; ``target``: the frame with HR."""
    stills = [Clip(crop_to_multiple(read_training_luma(f).astype(np.float32), scale)) for f in image_files([folder])]
    filmed = [_reduced(w, scale, target) for clip in clip_files(folder) for w in clip_windows(clip, length)]
    return [clip for clip in (*stills, *filmed) if min(clip.hr.shape) // scale >= smallest_lr_px]


def _reduced(window: Plane, scale: int, target: int) -> Clip:
    lr = np.stack([downscale(frame, scale) for frame in window]).astype(np.float32)
    return Clip(crop_to_multiple(window[target], scale), lr)


class ClipSource:
    """Random windows ``[N, T, p, p]`` with the HR ``[N, 1, s p, s p]`` of the frame at T - 1 - lookahead.

    Every group (a ``--data`` folder) is drawn equally often, a clip of it in proportion to its area.
    """

    def __init__(
        self, groups: Sequence[Sequence[Clip]], scale: int, patch_px: int, seed: int,
        length: int = 3, lookahead: int = 1,
    ) -> None:  # fmt: skip
        self.clips = [clip for group in groups for clip in group]
        self.scale, self.patch_px, self.seed = scale, patch_px, seed
        self.times = tuple(float(t - (length - 1 - lookahead)) for t in range(length))
        shares = [np.array([c.hr.size for c in group], np.float64) for group in groups if group]
        self.share = np.cumsum(np.concatenate([share / share.sum() for share in shares]))
        self.random = np.random.default_rng(seed)
        self._filmed: dict[tuple[int, int], Plane] = {}

    def batch(self, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` windows and their HR, float32."""
        cuts = [self._cut() for _ in range(count)]
        lr, hr = (np.stack([c[k] for c in cuts]) for k in (0, 1))
        return torch.from_numpy(lr), torch.from_numpy(hr[:, None])

    def window(self, which: int, rendering: int) -> Plane:
        """The LR window of a clip: its own, or one of a still's, made when first asked for."""
        own = self.clips[which].lr
        if own is not None:
            return own
        key = (which, rendering)
        if key not in self._filmed:
            random = np.random.default_rng((self.seed, which, rendering))
            self._filmed[key] = lr_window(self.clips[which].hr, self.scale, self.times, random)
        return self._filmed[key]

    def _cut(self) -> tuple[Plane, Plane]:
        drawn = int(np.searchsorted(self.share, self.random.random() * self.share[-1], side="right"))
        which = min(drawn, len(self.clips) - 1)
        window = self.window(which, int(self.random.integers(RENDERINGS)))
        size, scale = self.patch_px, self.scale
        top = int(self.random.integers(window.shape[1] - size + 1))
        left = int(self.random.integers(window.shape[2] - size + 1))
        way = int(self.random.integers(8))
        lr = window[:, top : top + size, left : left + size]
        hr = self.clips[which].hr[top * scale : (top + size) * scale, left * scale : (left + size) * scale]
        return np.stack([turn(frame, way) for frame in lr]), turn(hr, way)


def trained_length(architecture: Architecture) -> int:
    """Frames of a training window: a net with states is unrolled over several of its own windows."""
    return architecture.window + (UNROLLED - 1 if architecture.states else 0)


def clip_source(
    folders: Sequence[Path], scale: int, patch_px: int, seed: int, length: int = 3, lookahead: int = 1
) -> ClipSource:
    """The source of some folders. Raises ``BadInputError`` when nothing in them is large enough."""
    groups = [load_clips(folder, scale, patch_px, length, length - 1 - lookahead) for folder in folders]
    if not any(groups):
        side = patch_px * scale
        raise BadInputError(f"found no image or clip of {side}x{side} pixels or more in --data; needed some")
    return ClipSource(groups, scale, patch_px, seed, length, lookahead)


def curve_windows(scale: int, length: int = 3, lookahead: int = 1, name: str = "vid4") -> list[Pair]:
    """A few windows of an evaluation set, to draw the learning curve with; nothing where the set isn't at hand."""
    try:
        clips = sorted(set_folder(name).glob("*.mkv"))
    except NotFoundError:
        return []
    return [pair for clip in clips for pair in _spread(clip, scale, length, lookahead)]


def _spread(clip: Path, scale: int, length: int, lookahead: int) -> Iterator[Pair]:
    planes = list(clip_lumas(clip))
    before = length - 1 - lookahead
    for at in range(length, len(planes) - length, SHOWN_EVERY):
        images = [degraded("", plane, scale) for plane in planes[at - before : at + lookahead + 1]]
        yield np.stack([image.lr for image in images]), images[before].hr
