"""A plain chain of convolutions from ONNX to a frozen TensorFlow graph, the only kind that OpenCV's dnn_superres reads.

Written byte by byte: TensorFlow is not needed. Fields as in tensorflow/core/framework's graph.proto, node_def.proto,
attr_value.proto, tensor.proto and tensor_shape.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx
from onnx import numpy_helper

FLOAT = 1  # DT_FLOAT
ACTIVATIONS = {"Tanh": "Tanh", "Relu": "Relu"}


class NotAChain(Exception):
    """A graph that has more than convolutions, tanh, ReLU and a pixel shuffle one after the other."""


def frozen(model: bytes, as_published: bool = False) -> bytes:
    """The graph of a float ONNX model. Raises ``NotAChain`` where it isn't one.

    ``as_published``: with the activations of the ESPCN that is handed about for dnn_superres, ReLU inside and tanh
    behind the shuffle. OpenCV's tanh is slow, so this is the fairer timing; its pictures are of no use.
    """
    nodes = _nodes(onnx.load_from_string(model).graph, as_published)
    return b"".join(_message(1, node) for node in nodes)


def _nodes(graph: onnx.GraphProto, as_published: bool) -> Iterator[bytes]:
    weights = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    last, tensor = "input", graph.input[0].name
    yield _node(last, "Placeholder", (), {"dtype": _varint(6, FLOAT)})
    for number, node in enumerate(graph.node):
        if node.input[0] != tensor:
            raise NotAChain(f"{node.op_type} takes something else than the last node's result")
        name, tensor = f"{node.op_type}{number}", node.output[0]
        if node.op_type == "Conv":
            kernel = weights[node.input[1]]
            yield _constant(f"{name}/kernel", kernel.transpose(2, 3, 1, 0))
            yield _node(f"{name}/sum", "Conv2D", (last, f"{name}/kernel"), CONVOLUTION)
            bias = weights[node.input[2]] if len(node.input) > 2 else np.zeros(len(kernel), np.float32)
            yield _constant(f"{name}/bias", bias)
            yield _node(name, "BiasAdd", (f"{name}/sum", f"{name}/bias"), {"T": _varint(6, FLOAT)})
        elif node.op_type in ACTIVATIONS:
            kind = "Relu" if as_published else ACTIVATIONS[node.op_type]
            yield _node(name, kind, (last,), {"T": _varint(6, FLOAT)})
        elif node.op_type == "DepthToSpace":
            block = next(one.i for one in node.attribute if one.name == "blocksize")
            layout = _bytes(2, b"NHWC")
            yield _node(name, node.op_type, (last,), {"block_size": _varint(3, block), "data_format": layout})
        else:
            raise NotAChain(f"it has a {node.op_type}")
        last = name
    if as_published:
        yield _node("output", "Tanh", (last,), {"T": _varint(6, FLOAT)})


def _number(value: int) -> bytes:
    parts = bytearray()
    while value > 127:
        parts.append(value & 127 | 128)
        value >>= 7
    return bytes([*parts, value])


def _varint(field: int, value: int) -> bytes:
    return _number(field << 3) + _number(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _number(field << 3 | 2) + _number(len(value)) + value


_message = _bytes

CONVOLUTION = {
    "T": _varint(6, FLOAT),
    "padding": _bytes(2, b"SAME"),
    "data_format": _bytes(2, b"NHWC"),
    "strides": _message(1, _bytes(3, bytes([1, 1, 1, 1]))),
}


def _node(name: str, kind: str, inputs: Sequence[str], attributes: dict[str, bytes]) -> bytes:
    parts = [_bytes(1, name.encode()), _bytes(2, kind.encode()), *(_bytes(3, one.encode()) for one in inputs)]
    for key, value in attributes.items():
        parts.append(_message(5, _bytes(1, key.encode()) + _message(2, value)))
    return b"".join(parts)


def _constant(name: str, values: np.ndarray) -> bytes:
    shape = b"".join(_message(2, _varint(1, side)) for side in values.shape)
    content = np.ascontiguousarray(values, np.float32).tobytes()
    tensor = _varint(1, FLOAT) + _message(2, shape) + _bytes(4, content)
    return _node(name, "Const", (), {"dtype": _varint(6, FLOAT), "value": _message(8, tensor)})
