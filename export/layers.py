"""Where a graph leaves its torch net: every module's output beside the ONNX tensor made from it."""

from __future__ import annotations

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


def compare_layers(net: nn.Module, model: bytes, frame: NDArray[np.float32]) -> tuple[LayerDifference, ...]:
    """Each module's output for ``frame`` ``[N, C, H, W]`` beside the graph's, in the order the modules finish.

    Nodes are named after their module by `subpixel.export.onnx`; a module that left no node behind (folded into
    another) is not in the list. Raises ``BundleError`` when the graph can't run.
    """
    wanted = _module_outputs(net, frame)
    nodes = _last_nodes(parsed(model).graph, list(wanted))
    found = _node_outputs(model, sorted({node.output[0] for node in nodes.values()}), frame)
    return tuple(
        _difference(module, nodes[module].name, found[nodes[module].output[0]], wanted[module])
        for module in wanted
        if module in nodes
    )


def _difference(module: str, node: str, found: NDArray[np.float32], wanted: NDArray[np.float32]) -> LayerDifference:
    same = found.shape == wanted.shape
    max_abs = float(np.abs(found - wanted).max()) if same else float("nan")
    return LayerDifference(module, node, max_abs, float(np.abs(wanted).max()))


def _module_outputs(net: nn.Module, frame: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """By module path; a second call of one module is ``path@1``, as the exporter names it."""
    found: dict[str, NDArray[np.float32]] = {}
    calls: dict[str, int] = {}

    def keep(path: str, output: object) -> None:
        at = calls[path] = calls.get(path, -1) + 1
        if isinstance(output, torch.Tensor):
            found[f"{path}@{at}" if at else path] = output.detach().numpy()

    hooks = [
        module.register_forward_hook(lambda _m, _i, output, path=path: keep(path or RESULT, output))
        for path, module in net.named_modules()
    ]
    try:
        with torch.inference_mode():
            net.eval()(torch.from_numpy(frame))
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _last_nodes(graph: onnx.GraphProto, modules: list[str]) -> dict[str, onnx.NodeProto]:
    """The last node that each module, or a module inside it, left in the graph."""
    last: dict[str, onnx.NodeProto] = {}
    for node in graph.node:
        owner = node.name.rpartition("/")[0]
        for module in modules:
            if owner == module or owner.startswith(f"{module}."):
                last[module] = node
        if graph.output[0].name in node.output:
            last[RESULT] = node
    return last


def _node_outputs(model: bytes, names: list[str], frame: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
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
        return dict(zip(names, session.run(names, {INPUT: frame}), strict=True))
