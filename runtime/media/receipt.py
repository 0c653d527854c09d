"""What was done to a video, in words and as a record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from subpixel.engines.base import Receipt
from subpixel.governor import Timeliness
from subpixel.media.streams import Fate
from subpixel.reuse import Reused


@dataclass(frozen=True)
class StageTimes:
    """Milliseconds of each stage for one frame; the stages run side by side, so they don't add up."""

    decode: float
    chroma: float
    model: float
    encode: float


@dataclass(frozen=True)
class VideoReport:
    """The receipt of one video. Sizes are width, height.

    ``receipt``: of the engine that ran; ``seconds``: by the clock, opening left out; ``streams``: what became of
    each; ``notes``: what was assumed and converted; ``lost``: what is missing, empty when the work is complete.
    ``window``: frames that the model looks at for each one, of which ``latency_frames`` come after it and so have to be
    waited for; ``scene_cuts``: the frames, counted from 0, that begin a new scene, looked for only by models to which
    it matters; ``state_resets``: how often a recurrent model began anew, the beginning counted; ``deadline``: how it
    was kept, where there was one; ``reused``: what of the frames needed no computing.
    """

    source: str
    target: str
    model: str
    scale: int
    source_size: tuple[int, int]
    target_size: tuple[int, int]
    frames_in: int
    frames_out: int
    encoder: str
    pixel_format: str
    receipt: Receipt
    seconds: float
    stage_ms: StageTimes
    streams: tuple[Fate, ...]
    notes: tuple[str, ...]
    lost: tuple[str, ...]
    window: int = 1
    latency_frames: int = 0
    scene_cuts: tuple[int, ...] = ()
    state_resets: int = 0
    deadline: Timeliness | None = None
    reused: Reused | None = None

    @property
    def fps(self) -> float:
        """Frames a second, over everything."""
        return self.frames_out / self.seconds if self.seconds else 0.0

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"{self.target}: {_size(self.target_size)}, {self.frames_out} frames, from {_size(self.source_size)}"
        yield f"  model     {self.model} by {describe(self.receipt)}"
        if self.window > 1 or self.state_resets:
            yield f"  window    {self._window()}"
        if self.deadline is not None:
            yield f"  deadline  {self.deadline.line()}"
        if self.reused is not None:
            yield f"  reuse     {self.reused.line()}"
        yield f"  encoder   {self.encoder}, {self.pixel_format}"
        times = self.stage_ms
        yield (
            f"  speed     {self.fps:.1f} frames/s; ms a frame: decode {times.decode:.1f}, chroma {times.chroma:.1f}, "
            f"model {times.model:.1f}, encode {times.encode:.1f} (side by side)"
        )
        for fate in self.streams:
            yield f"  stream    {fate}"
        for note in self.notes:
            yield f"  note      {note}"
        for loss in self.lost:
            yield f"  LOST      {loss}"

    def _window(self) -> str:
        resets = f"; states zeroed {self.state_resets} times" if self.state_resets else ""
        return f"{self.window} frames, {self.latency_frames} ahead; {len(self.scene_cuts)} scene cuts{resets}"


def describe(receipt: Receipt) -> str:
    """An engine's receipt in one line."""
    threads = f", {receipt.threads} threads" if receipt.threads else ""
    threads += f" in {receipt.streams} streams" if receipt.streams > 1 else ""
    text = (
        f"{receipt.engine} {receipt.version} on {receipt.provider}, {receipt.precision}{threads}, "
        f"variant {receipt.variant}"
    )
    if receipt.fallback is not None:
        text += f"; {receipt.fallback.wanted} was asked for, but {receipt.fallback.reason}"
    return text


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
