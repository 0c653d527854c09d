"""A tiny net whose results are known, and variants of it that are broken in one way each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from subpixel.bundle import Bundle, file_record
from subpixel.manifest import Manifest
from subpixel.measuring import ImageSet, Reference
from subpixel.quality.gate_measure import Frame, Plane
from subpixel.spec import Kind, ModelSpec, Provenance, Variant, luma_frame

SCALE = 2
Nodes = Sequence[object]


@dataclass(frozen=True)
class Toy:
    """Nearest-neighbour x2 as a bundle; ``with_variant`` adds one of these nodes between `lr` and `sr`."""

    bundle: Bundle

    def with_variant(self, precision: str, kind: Kind, nodes: Nodes, constants: dict[str, object]) -> Bundle:
        id = f"onnx-{precision}{'-u8' if kind == 'u8' else ''}"
        path, data = f"model.{precision}.{kind}.onnx", model(kind, nodes, constants)
        variant = Variant(id, "onnx", precision, kind, (file_record(path, data),), (luma_frame("lr", kind),),
                          (luma_frame("sr", kind),), "onnx")  # fmt: skip
        return self.bundle.plus(variant, {path: data})


def model(kind: Kind, nodes: Nodes, constants: dict[str, object]) -> bytes:
    """An ONNX file of free size."""
    from onnx import TensorProto, helper, numpy_helper

    dtype = TensorProto.UINT8 if kind == "u8" else TensorProto.FLOAT
    given = helper.make_tensor_value_info("lr", dtype, ["N", 1, "H", "W"])
    made = helper.make_tensor_value_info("sr", dtype, ["N", 1, "sH", "sW"])
    tensors = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(list(nodes), "toy", [given], [made], tensors)
    opsets = [helper.make_opsetid("", 18)]
    data: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return data


def enlarge(source: str, result: str) -> list[object]:
    """Nearest neighbour by two: a 1x1 convolution to four equal channels, then the shuffle."""
    from onnx import helper

    return [
        helper.make_node("Conv", [source, "four"], [f"{result}/four"], name=f"{result}/Conv"),
        helper.make_node("DepthToSpace", [f"{result}/four"], [result], blocksize=SCALE, mode="CRD"),
    ]


FOUR = {"four": np.ones((4, 1, 1, 1), np.float32)}


@pytest.fixture(scope="session")
def toy(require: Callable[[str], None]) -> Toy:
    """The bundle with its reference only."""
    require("onnx")
    spec = ModelSpec("toy-x2", "1", SCALE, "image", "y", radius_px=0)
    empty = Bundle(Manifest(spec, Provenance(created_by="the tests"), ()), {})
    return Toy(Toy(empty).with_variant("fp32", "float", enlarge("lr", "sr"), FOUR))


def nearest(plane: Plane) -> Plane:
    """What the toy must give."""
    return plane.repeat(SCALE, 0).repeat(SCALE, 1)


@pytest.fixture
def reference() -> Reference:
    return Reference("numpy", nearest)


@pytest.fixture(scope="session")
def pictures() -> tuple[ImageSet, ...]:
    """Soft blobs with texture, and their LR."""
    frames = []
    for seed in (1, 2):
        random = np.random.default_rng(seed)
        y, x = np.mgrid[:96, :128]
        hr = (0.5 + 0.3 * np.sin(x / (9 + seed)) * np.cos(y / 7) + random.normal(0, 0.02, y.shape)).clip(0.07, 0.92)
        lr: NDArray[np.float32] = (np.rint(hr[::2, ::2] * 255) / 255).astype(np.float32)
        frames.append(Frame(f"blobs {seed}", lr, hr))
    return (ImageSet("the blobs", tuple(frames)),)
