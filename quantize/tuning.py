"""Makes a plan: grids from what flows through the fp32 graph, weights layer by layer on what the int8 graph gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from subpixel.errors import BadInputError
from subpixel.quantize.calibration import Calibration, Group
from subpixel.quantize.graph import FREE, FloatGraph, Floats, Layer, serialised, tensors
from subpixel.quantize.grid import PARTS, STEPS, Grid, Range, asymmetric, behind_sigmoid, cut, least_error, symmetric
from subpixel.quantize.qdq import Plan, dequantised, quantised_graph
from subpixel.quantize.rounding import Moments, Rounded, calibrated, nearest

Rounding = Literal["nearest", "calibrated"]
COLUMNS = 40_000  # positions of a group that a layer's moments are taken from
SAMPLES = 20_000  # values of a tensor and a group that a grid is searched on
Follow = Callable[[str], None]


@dataclass(frozen=True)
class Scheme:
    """What a target's int8 kernels take.

    ``signed``: symmetric int8 activations (TensorRT), else bytes with a zero point; ``integer_results``: results of
    convolutions are quantised too, before the activation; ``tanh``: the grid that the target's tanh on bytes must
    have (``None``: the finest); ``first_float``: the first layer is left as it is; ``keep_float``: others, by name.
    """

    signed: bool = False
    integer_results: bool = False
    tanh: Grid | None = None
    first_float: bool = False
    keep_float: frozenset[str] = frozenset()

    def layers(self, graph: FloatGraph) -> tuple[Layer, ...]:
        """Those to be quantised."""
        left = self.keep_float | ({graph.layers[0].name} if self.first_float else set())
        return tuple(layer for layer in graph.layers if layer.name not in left)


def keep_float(graph: FloatGraph, words: Iterable[str]) -> frozenset[str]:
    """Names of layers from ``first``, ``last`` or their own names. Raises ``BadInputError`` for another word."""
    names = [layer.name for layer in graph.layers]
    known = {"first": names[0], "last": names[-1], **{name: name for name in names}}
    known |= {name.rpartition("/")[0]: name for name in names if "/" in name}
    for word in words:
        if word not in known:
            raise BadInputError(f"no layer {word!r} to keep in float; there are: first, last, {', '.join(names)}")
    return frozenset(known[word] for word in words)


def plan_for(graph: FloatGraph, used: Calibration, scheme: Scheme, rounding: Rounding, follow: Follow) -> Plan:
    """Grids and weights for all layers of the scheme; ``follow`` is told each layer's name before its turn."""
    plan = grids_for(graph, used, scheme)
    for layer in scheme.layers(graph):
        follow(layer.name)
        plan = plan.with_layer(layer.name, rounded(graph, layer, plan, used.groups, rounding))
    return plan


def grids_for(graph: FloatGraph, used: Calibration, scheme: Scheme) -> Plan:
    """The plan without weights."""
    layers = scheme.layers(graph)
    sources = sorted({layer.source for layer in layers} - {graph.source})
    results = _integer_results(graph, layers) if scheme.integer_results else []
    seen = _seen(graph, [*sources, *results], used)
    make = symmetric if scheme.signed else asymmetric
    inputs = {name: least_error(_choices(graph, name, seen[name], make), seen[name].values) for name in sources}
    inputs |= {part: inputs[name] for name in sources for part in _joined_parts(graph, name)}
    if scheme.signed and any(layer.source == graph.source for layer in layers):
        inputs[graph.source] = symmetric(Range(0.0, 1.0))
    before = {name: _before(graph, name, seen[name]) for name in results}
    lookups = frozenset(name for name in sources if _is_lookup(graph, name, before))
    inputs |= {name: scheme.tanh or _table(seen[name]) for name in lookups}
    return Plan({}, inputs, before, lookups)


def _joined_parts(graph: FloatGraph, tensor: str) -> list[str]:
    """Tensors that are put beside each other in one that layers take: they share its grid, and nothing is converted."""
    return graph.parts_of(tensor) if graph.maker_of(tensor) == "Concat" and graph.level_of(tensor) is None else []


def _choices(graph: FloatGraph, tensor: str, seen: _Seen, make: Callable[[Range], Grid]) -> list[Grid]:
    """One where the tensor holds the frame's levels, or its first channel, or some of its parts: in their steps.

    Else parts of what was seen.
    """
    steps = [graph.step_of(part, 0) for part in (tensor, *_joined_parts(graph, tensor))]
    tops = [step * STEPS for step in steps if step is not None]
    return [make(Range(0.0, max(tops)))] if tops else cut(seen.range, make)


@dataclass(frozen=True)
class _Seen:
    """What flowed through a tensor: its range with a margin, and a sample of the values."""

    range: Range
    values: Floats


def _before(graph: FloatGraph, tensor: str, seen: _Seen) -> Grid:
    activation = next((str(node.op_type) for node in graph.users_of(tensor)), "")
    return least_error(cut(seen.range, asymmetric), seen.values, activation)


def _table(seen: _Seen) -> Grid:
    return least_error([behind_sigmoid(seen.range.high * part) for part in PARTS], seen.values)


def _integer_results(graph: FloatGraph, layers: tuple[Layer, ...]) -> list[str]:
    """Results that something else than a free operator, another layer or the end of the graph takes."""
    sources = {layer.source for layer in layers}
    return [
        layer.result
        for layer in layers
        if layer.result not in sources and not _is_tail(graph, layer.result)
        and any(node.op_type not in FREE for node in graph.users_of(layer.result))
    ]  # fmt: skip


def _is_tail(graph: FloatGraph, tensor: str) -> bool:
    """Whether only a sub-pixel shuffle, or nothing, stands between a tensor and the output."""
    users = graph.users_of(tensor)
    return tensor == graph.result or (
        len(users) == 1 and users[0].op_type == "DepthToSpace" and users[0].output[0] == graph.result
    )


def _is_lookup(graph: FloatGraph, tensor: str, before: Mapping[str, Grid]) -> bool:
    """A Tanh between a quantised result and quantised layers only."""
    makers = [layer.result for layer in graph.layers if tensor in {n.output[0] for n in graph.users_of(layer.result)}]
    only_layers = all(node.op_type == "Conv" for node in graph.users_of(tensor))
    return graph.maker_of(tensor) == "Tanh" and bool(makers) and makers[0] in before and only_layers


def _seen(graph: FloatGraph, names: list[str], used: Calibration) -> dict[str, _Seen]:
    """Ranges over all frames, values of the real ones, which come first."""
    ranges: dict[str, Range] = {}
    values: dict[str, list[Floats]] = {name: [] for name in names}
    for group in used.groups:
        for name, found in tensors(graph.bytes, names, _unit(group.frames)).items():
            here = Range(float(found.min()), float(found.max()))
            ranges[name] = here.joined(ranges.get(name, here))
            values[name].append(found.ravel()[:: max(1, found.size // SAMPLES)])
    return {name: _Seen(ranges[name].widened(graph.bounds_of(name)), values[name][0]) for name in names}


def _unit(frames: NDArray[np.uint8]) -> Floats:
    return (frames / np.float32(255)).astype(np.float32)


def rounded(graph: FloatGraph, layer: Layer, plan: Plan, groups: tuple[Group, ...], rounding: Rounding) -> Rounded:
    """One layer's weights. Calibrated: on what the layers before it give when they are quantised."""
    rows = layer.weights.reshape(len(layer.weights), -1).astype(np.float64)
    if rounding == "nearest" or layer.group != 1 or graph.level_of(layer.result) is not None:
        return nearest(rows, layer.bias.astype(np.float64))
    source = layer.source if _is_exact(layer, graph, plan) else dequantised(layer.source)
    so_far = serialised(quantised_graph(graph, plan, also=(source,)))
    moments = Moments(rows.shape[1], rows.shape[0])
    for group in groups:
        frames = _unit(group.frames)
        given = tensors(so_far, [source], frames)[source]
        wanted = tensors(graph.bytes, [layer.result], frames)[layer.result]
        _count(moments, layer, given, wanted, group.weight)
    return calibrated(rows, moments.centred())


def _is_exact(layer: Layer, graph: FloatGraph, plan: Plan) -> bool:
    """The frame itself has the levels of bytes already."""
    return layer.source == graph.source and layer.source not in plan.inputs


def _count(moments: Moments, layer: Layer, given: Floats, wanted: Floats, weight: float) -> None:
    """A frame at a time; every ``step``-th column, so that large groups take no longer."""
    positions = wanted.shape[0] * wanted.shape[2] * wanted.shape[3]
    step = max(1, positions // COLUMNS)
    for at, (frame, result) in enumerate(zip(given, wanted, strict=True)):
        start = at % step
        x = columns(frame, layer)[:, start::step]
        moments.add(x, result.reshape(len(result), -1)[:, start::step], weight * step)


def columns(frame: Floats, layer: Layer) -> Floats:
    """``[C, H, W]`` to ``[C kH kW, positions]``: what each output position of a convolution looks at."""
    top, left, bottom, right = layer.pads
    padded = np.pad(frame, ((0, 0), (top, bottom), (left, right)))
    high, wide = layer.weights.shape[2:]
    (down, across), (row, column) = layer.dilations, layer.strides
    window = (down * (high - 1) + 1, across * (wide - 1) + 1)
    views = np.lib.stride_tricks.sliding_window_view(padded, window, axis=(1, 2))
    taken = views[:, ::row, ::column, ::down, ::across]
    return taken.transpose(0, 3, 4, 1, 2).reshape(len(frame) * high * wide, -1)
