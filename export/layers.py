"""Where a graph leaves its torch net: every module's output beside the ONNX tensor made from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper
from torch import nn

from subpixel.errors import BundleError, faults_as
from subpixel.export.onnx import INPUT, parsed
from subpixel.quality.gates import PARITY_MAX_ABS

RESULT = "the result"
Planes = NDArray[np.float32]
Call = tuple[str, int]  # a module's path, and which of its calls


@dataclass(frozen=True)
class LayerDifference:
    """One module against its node. ``largest``: the largest magnitude in torch's tensor, which the limit scales with.

    ``max_abs`` is NaN where the shapes differ.
    """

    module: str
    node: str
    max_abs: float
    largest: float

    @property
    def differs(self) -> bool:
        """By more than 1e-4 of the larger of 1 and the tensor's largest value; NaN differs."""
        return not self.max_abs <= PARITY_MAX_ABS * max(1.0, self.largest)


def first_difference(found: tuple[LayerDifference, ...]) -> LayerDifference | None:
    """The first layer that differs, in the order they run."""
    return next((layer for layer in found if layer.differs), None)


def compare_layers(net: nn.Module, model: bytes, frame: Planes) -> tuple[LayerDifference, ...]:
    """Each module's output for ``frame`` ``[N, C, H, W]`` beside the graph's, in the order the modules finish.

    A model's states are zeros.

    Nodes are named after their module by `subpixel.export.onnx`; a module that left no node behind (folded into
    another) is not in the list. Raises ``BundleError`` when the graph can't run.
    """
    graph = parsed(model).graph
    feeds = _feeds(graph, frame)
    calls = _module_outputs(net, feeds)
    nodes = _nodes_of_calls(graph, calls)
    found = _node_outputs(model, sorted({node.output[0] for node in nodes.values()}), feeds)
    return tuple(
        _difference(_label(call), nodes[call].name, found[nodes[call].output[0]], wanted)
        for call, wanted in calls.items()
        if call in nodes
    )


def _feeds(graph: onnx.GraphProto, frame: Planes) -> dict[str, Planes]:
    """The graph's inputs by name, in its order: the frame first."""
    states = [(tensor.name, tensor.type.tensor_type.shape.dim[1].dim_value) for tensor in graph.input[1:]]
    size = frame.shape[2:]
    return {INPUT: frame, **{name: np.zeros((len(frame), count, *size), np.float32) for name, count in states}}


def _label(call: Call) -> str:
    path, at = call
    return f"{path or RESULT}@{at}" if at else path or RESULT


def _difference(module: str, node: str, found: Planes, wanted: Planes) -> LayerDifference:
    same = found.shape == wanted.shape
    max_abs = float(np.abs(found - wanted).max()) if same else float("nan")
    return LayerDifference(module, node, max_abs, float(np.abs(wanted).max()))


def _module_outputs(net: nn.Module, feeds: dict[str, Planes]) -> dict[Call, Planes]:
    found: dict[Call, Planes] = {}
    calls: Counter[str] = Counter()

    def keep(path: str, output: object) -> None:
        if isinstance(output, torch.Tensor):
            found[path, calls[path]] = output.detach().numpy()
        calls[path] += 1

    hooks = [
        module.register_forward_hook(lambda _module, _input, output, path=path: keep(path, output))
        for path, module in net.named_modules()
    ]
    try:
        with torch.inference_mode():
            net.eval()(*map(torch.from_numpy, feeds.values()))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _nodes_of_calls(graph: onnx.GraphProto, calls: Iterable[Call]) -> dict[Call, onnx.NodeProto]:
    """The last node of each call of a module: its nodes, those of modules inside it too, shared out evenly."""
    times = Counter(path for path, _ in calls)
    found: dict[Call, onnx.NodeProto] = {}
    for path, count in times.items():
        nodes = [node for node in graph.node if _belongs(node, path)]
        share, rest = divmod(len(nodes), count)
        for at in range(count):
            if share and not rest:
                found[path, at] = nodes[(at + 1) * share - 1]
    return found


def _belongs(node: onnx.NodeProto, path: str) -> bool:
    owner = node.name.rpartition("/")[0]
    return not path or owner == path or owner.startswith(f"{path}.")


def _node_outputs(model: bytes, names: list[str], feeds: dict[str, Planes]) -> dict[str, Planes]:
    exposed = parsed(model)
    shown = {output.name for output in exposed.graph.output}
    exposed.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names if name not in shown
    )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    with faults_as(BundleError, "the graph can't be run layer by layer"):
        session = onnxruntime.InferenceSession(exposed.SerializeToString(), options, providers=["CPUExecutionProvider"])
        return dict(zip(names, session.run(names, feeds), strict=True))
