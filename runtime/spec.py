"""What a model is and what its tensors mean: the I/O contract of a bundle (DESIGN.md section 2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from numpy.typing import NDArray

Family = Literal["image", "video", "recurrent", "procedure"]
Kind = Literal["float", "u8", "quantised"]
Colour = Literal["y", "rgb"]
Role = Literal["frame", "state"]

FAMILIES: tuple[Family, ...] = ("image", "video", "recurrent", "procedure")
KINDS: tuple[Kind, ...] = ("float", "u8", "quantised")
DTYPES = ("float32", "float16", "uint8", "int8", "int16")

Array = NDArray[Any]
Arrays = dict[str, Array]

LR, SR, NEXT = "lr", "sr", "_next"  # the frame that comes, the one that goes; what a state's output has behind it


@dataclass(frozen=True)
class Quantisation:
    """``real = (stored - zero_point) * scale``."""

    scale: float
    zero_point: int


@dataclass(frozen=True)
class TensorSpec:
    """One tensor: ``axes`` names each axis (``N`` batch, ``T`` frames, ``C`` channels, ``H`` rows, ``W`` columns)."""

    name: str
    dtype: str
    axes: str
    low: float
    high: float
    colour: Colour = "y"
    role: Role = "frame"
    quantisation: Quantisation | None = None

    @property
    def channels(self) -> int:
        """1 for luma, 3 for RGB."""
        return 1 if self.colour == "y" else 3

    @property
    def is_frame(self) -> bool:
        """Whether a caller gives or gets it; states stay between the engine and itself."""
        return self.role == "frame"


@dataclass(frozen=True)
class StateSpec:
    """A tensor that a recurrent model hands itself: ``[N, channels, H, W]`` at LR size, float32, zeros at a start.

    The graph has it as the input ``name`` and gives the next one as the output ``name_next``.
    """

    name: str
    channels: int

    @property
    def next_name(self) -> str:
        """The output that is the next frame's input."""
        return f"{self.name}{NEXT}"


@dataclass(frozen=True)
class ModelSpec:
    """What holds for every variant of a model.

    ``radius_px``: how many LR pixels around an output pixel can change it; ``None``: unbounded, never tiled.
    ``size_multiple``: H and W of the LR frame must be multiples of it. ``window``: LR frames per output frame, in
    order of time, of which ``lookahead`` come after the one that is enlarged.
    """

    name: str
    version: str
    scale: int
    family: Family
    colour: Colour
    radius_px: int | None
    size_multiple: int = 1
    window: int = 1
    lookahead: int = 0
    states: tuple[StateSpec, ...] = ()

    @property
    def takes_windows(self) -> bool:
        """Whether ``lr`` is ``window`` luma frames in order of time (axes ``T``, no ``C``), not the planes of one."""
        return self.family in ("video", "recurrent") or self.window > 1

    @property
    def planes(self) -> int:
        """How many planes ``lr`` has: the frames of the window, or the colours of an image."""
        return self.window if self.takes_windows else 1 if self.colour == "y" else 3

    @property
    def can_tile(self) -> bool:
        """Whether a part of the frame can be enlarged by itself: the reach is known, and no state comes from afar."""
        return self.radius_px is not None and not self.states

    @property
    def halo_px(self) -> int:
        """``radius_px`` in whole steps of ``size_multiple``."""
        return -(-(self.radius_px or 0) // self.size_multiple) * self.size_multiple


@dataclass(frozen=True)
class FileRecord:
    """A file of a bundle, its path relative to the manifest with forward slashes."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Variant:
    """One way to run the model: ``files[0]`` is what the engine opens, others (OpenVINO's weights) lie beside it.

    ``shapes``: ``None`` when H and W are free, else the fixed ``(height, width)`` of the LR input.
    """

    id: str
    target: str
    precision: str
    kind: Kind
    files: tuple[FileRecord, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    source: Literal["onnx", "torch"]
    shapes: tuple[int, int] | None = None
    needs: tuple[str, ...] = ()

    @property
    def file(self) -> FileRecord:
        """The file that the engine opens."""
        return self.files[0]


@dataclass(frozen=True)
class Provenance:
    """Where a bundle's numbers come from: enough to build the torch model again when ``architecture`` is known."""

    architecture: str | None = None
    weights_sha256: str | None = None
    created_by: str = ""
    licence: str = ""
    source: str = ""


def frame_tensor(
    name: str, kind: Kind, axes: str = "NCHW", colour: Colour = "y", quantisation: Quantisation | None = None
) -> TensorSpec:
    """The contract of a frame in one of the three kinds: float in [0, 1], u8 in 0..255, or quantised int8."""
    dtype, high = {"float": ("float32", 1.0), "u8": ("uint8", 255.0), "quantised": ("int8", 1.0)}[kind]
    return TensorSpec(name, dtype, axes, 0.0, high, colour, "frame", quantisation)


def luma_frame(name: str, kind: Kind, axes: str = "NCHW", quantisation: Quantisation | None = None) -> TensorSpec:
    """``frame_tensor`` of luma."""
    return frame_tensor(name, kind, axes, "y", quantisation)


def state_tensor(name: str, axes: str = "NCHW") -> TensorSpec:
    """One side of a state: float32 in every kind, whatever values it likes (0 and 1 say nothing here)."""
    return TensorSpec(name, "float32", axes, 0.0, 1.0, "y", "state")


def tensors_in(
    model: ModelSpec, kind: Kind, axes: str = "NCHW", quantisation: Quantisation | None = None
) -> tuple[TensorSpec, ...]:
    """What a graph of this model takes: ``lr``, then its states. ``axes``: of an image, ``NCHW`` or ``NHWC``."""
    frames = axes.replace("C", "T") if model.takes_windows else axes
    states = (state_tensor(state.name, axes) for state in model.states)
    return frame_tensor(LR, kind, frames, model.colour, quantisation), *states


def tensors_out(
    model: ModelSpec, kind: Kind, axes: str = "NCHW", quantisation: Quantisation | None = None
) -> tuple[TensorSpec, ...]:
    """What a graph of this model gives: ``sr``, then each state's next value."""
    states = (state_tensor(state.next_name, axes) for state in model.states)
    return frame_tensor(SR, kind, axes, model.colour, quantisation), *states
