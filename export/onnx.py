"""A torch module as ONNX: one file, free N, H and W, the same bytes for the same weights.

The exporter writes source paths and stack traces of the machine into the file; they are removed. Each node is named
after the module it comes from (``features/Conv``), so that layers can be compared later, in any viewer too.
"""

from __future__ import annotations

import ast
import logging
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import onnx
import torch
from torch import nn

from subpixel.errors import BadInputError, faults_as
from subpixel.spec import LR, SR, ModelSpec, tensors_in, tensors_out

INPUT, OUTPUT = LR, SR
OPSET = 18
IR_LIMIT = 10  # what the onnxruntime of Python 3.10 and older boards read
EXPORT_SIZE = (24, 20)  # height and width while tracing; parity is measured at other sizes
EXPORT_BATCH = 2  # 1 would be taken as a constant
SCOPES = "pkg.torch.onnx.name_scopes"


def export_float(net: nn.Module, spec: ModelSpec) -> bytes:
    """The ``float`` kind: ``lr`` ``[N, C, H, W]`` float32 in [0, 1] to ``sr`` ``[N, C, s H, s W]``, not clipped.

    A video net's ``lr`` is ``[N, T, H, W]``; each state of a recurrent one is an input and, with ``_next``, an output.
    Raises ``BadInputError`` when the exporter can't express the net.
    """
    given = examples(spec)
    axes = _free_axes(spec.size_multiple)
    with quiet_libraries(), faults_as(BadInputError, f"{spec.name} can't be exported to ONNX"):
        program = torch.onnx.export(
            net.eval(), given, dynamo=True, opset_version=OPSET, external_data=False, verbose=False,
            input_names=[tensor.name for tensor in tensors_in(spec, "float")],
            output_names=[tensor.name for tensor in tensors_out(spec, "float")],
            dynamic_shapes=tuple(axes for _ in given),
        )  # fmt: skip
        assert program is not None
        return cleaned(program.model_proto)


def _free_axes(multiple: int) -> dict[int, object]:
    if multiple == 1:
        return {0: torch.export.Dim("N"), 2: torch.export.Dim("H"), 3: torch.export.Dim("W")}
    rows, columns = torch.export.Dim("H"), torch.export.Dim("W")
    return {0: torch.export.Dim("N"), 2: multiple * rows, 3: multiple * columns}


def examples(spec: ModelSpec) -> tuple[torch.Tensor, ...]:
    """What a net is traced with: noise for ``lr``, and for each state."""
    random = torch.Generator().manual_seed(0)
    planes = (spec.planes, *(state.channels for state in spec.states))
    return tuple(torch.rand((EXPORT_BATCH, count, *traced_size(spec)), generator=random) for count in planes)


def fitting(side: int, multiple: int) -> int:
    """``side``, or the next length that is a multiple."""
    return -(-side // multiple) * multiple


def traced_size(spec: ModelSpec) -> tuple[int, int]:
    """Height and width while tracing: multiples of the model's."""
    return fitting(EXPORT_SIZE[0], spec.size_multiple), fitting(EXPORT_SIZE[1], spec.size_multiple)


def cleaned(model: onnx.ModelProto) -> bytes:
    """The model's bytes without the exporter's traces, nodes named by module; raises when it isn't valid ONNX."""
    _name_by_module(model.graph)
    _strip(model)
    model.ir_version = min(model.ir_version, IR_LIMIT)
    return checked_bytes(model)


def checked_bytes(model: onnx.ModelProto) -> bytes:
    """Serialised the same way every time, after ONNX's own full check."""
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def parsed(data: bytes) -> onnx.ModelProto:
    """The model of these bytes. Raises ``BadInputError`` when they aren't ONNX."""
    with faults_as(BadInputError, "not an ONNX file"):
        model: onnx.ModelProto = onnx.load_model_from_string(data)
        return model


def _name_by_module(graph: onnx.GraphProto) -> None:
    seen: Counter[str] = Counter()
    for node in graph.node:
        name = f"{_module(node)}/{node.op_type}".lstrip("/")
        seen[name] += 1
        node.name = name if seen[name] == 1 else f"{name}_{seen[name]}"


def _module(node: onnx.NodeProto) -> str:
    """The path of the module whose code made the node; empty for the net itself, and for what an optimiser put in."""
    for entry in node.metadata_props:
        if entry.key == SCOPES:
            scopes: list[str] = ast.literal_eval(entry.value)
            return scopes[-2] if len(scopes) > 1 else ""
    return ""


def _strip(model: onnx.ModelProto) -> None:
    graph = model.graph
    del graph.value_info[:]
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer, *model.functions):
        part.doc_string = ""
        del part.metadata_props[:]
    graph.name = "subpixel"


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep the exporters' chatter from the user; errors still come as exceptions."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
