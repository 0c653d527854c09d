"""Looks into an ONNX file without the onnx package, by walking its protobuf fields: external data, parameters.

Field numbers: onnx.proto. Every message that can hold a tensor is walked: graphs, nodes, attributes, functions.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

# message -> field number -> message inside
CHILDREN = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "tensor": {},
}
EXTERNAL_DATA, DATA_LOCATION = 13, 14
GRAPH, INITIALISER = 7, 5  # in the model, in the graph
DIMS, DATA_TYPE = 1, 2  # in a tensor
FLOATING = (1, 10, 11, 16)  # float32, float16, float64, bfloat16


class Malformed(ValueError):
    """Not a protobuf message."""


def names_external_data(model: bytes) -> bool:
    """True when any tensor of an ONNX model lies outside the file. Raises ``Malformed`` when it isn't protobuf."""
    return _walk("model", memoryview(model))


def parameter_count(model: bytes) -> int:
    """Numbers in the floating initialisers of the graph, scalars left out (they are the exporter's constants).

    Raises ``Malformed`` when it isn't protobuf.
    """
    tensors = (tensor for graph in _inside(memoryview(model), GRAPH) for tensor in _inside(graph, INITIALISER))
    return sum(_float_count(tensor) for tensor in tensors)


def _inside(data: memoryview, number: int) -> Iterator[memoryview]:
    return (value for n, value in _fields(data) if n == number and isinstance(value, memoryview))


def _float_count(tensor: memoryview) -> int:
    dims: list[int] = []
    floating = False
    for number, value in _fields(tensor):
        if number == DIMS:
            dims += [value] if isinstance(value, int) else _varints(value)
        floating = floating or (number == DATA_TYPE and value in FLOATING)
    return prod(dims) if floating and dims else 0


def _varints(packed: memoryview) -> list[int]:
    found, at = [], 0
    while at < len(packed):
        value, at = _varint(packed, at)
        found.append(value)
    return found


def _walk(message: str, data: memoryview) -> bool:
    for number, value in _fields(data):
        if message == "tensor" and (number == EXTERNAL_DATA or (number == DATA_LOCATION and value)):
            return True
        inside = CHILDREN[message].get(number)
        if inside and isinstance(value, memoryview) and _walk(inside, value):
            return True
    return False


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        size, at = _varint(data, at) if wire == 2 else ({1: 8, 5: 4}.get(wire, -1), at)
        if size < 0 or at + size > len(data):
            raise Malformed("the ONNX file is cut or damaged")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise Malformed("the ONNX file is cut or damaged")
