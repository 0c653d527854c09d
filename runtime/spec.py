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


@dataclass(frozen=True)
class StateSpec:
    """A tensor that a recurrent model hands itself: ``[N, channels, H, W]`` at LR size, float32, zeros at a start.

    The graph has it as the input ``name`` and gives the next one as the output ``name_next``.
    """

    name: str
    channels: int


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


def luma_frame(name: str, kind: Kind, axes: str = "NCHW", quantisation: Quantisation | None = None) -> TensorSpec:
    """The contract of a luma tensor in one of the three kinds: float in [0, 1], u8 in 0..255, or quantised int8."""
    dtype, high = {"float": ("float32", 1.0), "u8": ("uint8", 255.0), "quantised": ("int8", 1.0)}[kind]
    return TensorSpec(name, dtype, axes, 0.0, high, "y", "frame", quantisation)
