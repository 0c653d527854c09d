"""Tiny real ONNX nets of twice the size whose results are known exactly: of several frames, with a state, in colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from subpixel.bundle import Bundle, file_record
from subpixel.evidence import Evidence, with_evidence
from subpixel.manifest import Manifest, check
from subpixel.quality.gates import Verdict
from subpixel.spec import Array, Kind, ModelSpec, Provenance, StateSpec, TensorSpec, Variant, tensors_in, tensors_out

SCALE = 2
SHARE = 16  # the running sum adds a sixteenth of every frame
TYPES = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8}
KINDS: tuple[Kind, ...] = ("float", "u8")


@dataclass(frozen=True)
class Net:
    """What happens between ``real`` (``lr`` in [0, 1]) and ``result``: nodes and constants."""

    nodes: Sequence[object]
    constants: dict[str, Array]


def picks(at: int, window: int = 3, lookahead: int = 1) -> Bundle:
    """A window model that gives frame ``at`` of its window, each pixel four times."""
    spec = ModelSpec(f"picks-{at}-x2", "1", SCALE, "video", "y", 0, 1, window, lookahead)
    return bundle_of(spec, Net([gather(at, "real", "frame"), *nearest("frame", "result")], {"at": index(at)}))


def running_sum(window: int = 1, lookahead: int = 0) -> Bundle:
    """A recurrent model: a sixteenth of all frames of the clip up to now, added up. Two frames mixed up are seen."""
    states = (StateSpec("total", 1),)
    spec = ModelSpec("sum-x2", "1", SCALE, "recurrent", "y", None, 1, window, lookahead, states)
    at = window - 1 - lookahead
    nodes = [
        gather(at, "real", "frame"),
        helper.make_node("Mul", ["frame", "share"], ["part"]),
        helper.make_node("Add", ["total", "part"], ["total_next"]),
        *nearest("total_next", "result"),
    ]
    return bundle_of(spec, Net(nodes, {"at": index(at), "share": np.float32(1 / SHARE)}))


def turned_colours(radius_px: int | None = 0) -> Bundle:
    """An RGB model that gives G, B, R."""
    spec = ModelSpec("turned-x2", "1", SCALE, "image", "rgb", radius_px)
    nodes = [helper.make_node("Gather", ["real", "order"], ["turned"], axis=1), *nearest("turned", "result")]
    return bundle_of(spec, Net(nodes, {"order": np.array([1, 2, 0], np.int64)}))


def same_colours() -> Bundle:
    """An RGB model that only enlarges."""
    spec = ModelSpec("same-x2", "1", SCALE, "image", "rgb", 0)
    return bundle_of(spec, Net(nearest("real", "result"), {}))


def index(at: int) -> Array:
    return np.array([at], np.int64)


def gather(at: int, source: str, result: str) -> object:
    return helper.make_node("Gather", [source, "at"], [result], axis=1, name=f"frame {at}")


def nearest(source: str, result: str) -> list[object]:
    """Each pixel four times."""
    return [
        helper.make_node(
            "Resize", [source, "", "scales"], [result], mode="nearest", coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
    ]  # fmt: skip


def bundle_of(spec: ModelSpec, net: Net) -> Bundle:
    """Both kinds, marked as measured and passed."""
    bundle = Bundle(Manifest(spec, Provenance(created_by="the tests"), ()), {})
    for kind in KINDS:
        data, id = onnx_file(spec, kind, net), f"onnx-fp32{'-u8' if kind == 'u8' else ''}"
        record = file_record(f"model.{kind}.onnx", data)
        variant = Variant(id, "onnx", "fp32", kind, (record,), tensors_in(spec, kind), tensors_out(spec, kind), "onnx")
        bundle = trusted(bundle.plus(variant, {record.path: data}), variant)
    check(bundle.manifest, spec.name)
    return bundle


def trusted(bundle: Bundle, variant: Variant) -> Bundle:
    verdict = Verdict("parity", 0.0, 1e-4, "of full scale", "toy")
    return with_evidence(
        bundle, Evidence(variant.id, variant.file.sha256, (verdict,), engine="onnxruntime", reference="the tests")
    )


def onnx_file(spec: ModelSpec, kind: Kind, net: Net) -> bytes:
    given, made = tensors_in(spec, kind), tensors_out(spec, kind)
    into, out = levels_around() if kind == "u8" else plain_around()
    constants = {**net.constants, "scales": np.array([1, 1, SCALE, SCALE], np.float32), "full": np.float32(255),
                 "zero": np.float32(0)}  # fmt: skip
    graph = helper.make_graph(
        [*into, *net.nodes, *out], "toy",
        [value(t, spec.planes, "") for t in given], [value(t, 1, "s") for t in made],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 18)]
    data: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=10).SerializeToString()
    return data


def value(tensor: TensorSpec, frames: int, larger: str) -> object:
    sides = {"N": "N", "T": frames, "C": tensor.channels, "H": f"{larger}H", "W": f"{larger}W"}
    if not tensor.is_frame:
        sides |= {"C": 1, "H": "H", "W": "W"}
    return helper.make_tensor_value_info(tensor.name, TYPES[tensor.dtype], [sides[axis] for axis in tensor.axes])


def plain_around() -> tuple[list[object], list[object]]:
    return [helper.make_node("Identity", ["lr"], ["real"])], [helper.make_node("Identity", ["result"], ["sr"])]


def levels_around() -> tuple[list[object], list[object]]:
    into = [
        helper.make_node("Cast", ["lr"], ["levels"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["levels", "full"], ["real"]),
    ]
    out = [
        helper.make_node("Mul", ["result", "full"], ["wide"]),
        helper.make_node("Clip", ["wide", "zero", "full"], ["inside"]),
        helper.make_node("Round", ["inside"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["sr"], to=TensorProto.UINT8),
    ]
    return into, out


def named(bundle: Bundle, name: str) -> Bundle:
    """The same model under another name."""
    return Bundle(replace(bundle.manifest, model=replace(bundle.spec, name=name)), bundle.files)
