"""A bundle's ``figures.json``: parameters, multiply-accumulates per output pixel, and the card's figures.

``python -m subpixel.export.figures FILE.spx ...`` writes it into bundles that were made before there was one, or whose
card has new figures: all else in them stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from pathlib import Path

import click
import numpy as np
import onnx
from onnx import TensorProto, helper
from torch import nn

from subpixel.bundle import Bundle, load, save
from subpixel.export.onnx import parsed
from subpixel.export.rebuild import rebuilt
from subpixel.figures import ModelFigures, SetFigure, with_figures
from subpixel.models.architecture import WEIGHTS
from subpixel.models.card import read_card
from subpixel.models.registry import ARCHITECTURES

COUNTED = ("Conv", "ConvTranspose", "MatMul", "Gemm")
SIDE_PX = 48  # of the LR frame that is counted; fully convolutional nets cost the same for each pixel

Shapes = dict[str, tuple[int, ...]]


def with_own_figures(bundle: Bundle, net: nn.Module) -> Bundle:
    """The bundle of ``net`` with what its reference costs, and what the card of its weights has."""
    return with_figures(
        bundle,
        ModelFigures(
            parameters=sum(parameter.numel() for parameter in net.parameters()),
            macs_per_pixel=macs_per_pixel(bundle.blobs(bundle.reference)[0]),
            sets=tuple(card_figures(bundle)),
        ),
    )


def card_figures(bundle: Bundle) -> Iterator[SetFigure]:
    """The figures of the committed card of just these weights; none where they are others."""
    provenance, scale = bundle.manifest.provenance, bundle.spec.scale
    chosen = ARCHITECTURES.get(provenance.architecture or "")
    file = WEIGHTS / f"{chosen.weights_name(scale)}.json" if chosen and scale in chosen.scales else None
    if file is None or not file.is_file():
        return
    record = read_card(file)
    if record.weights_sha256 == provenance.weights_sha256:
        yield from (
            SetFigure(figure.set_name, figure.psnr_db, figure.ssim)
            for figure in record.figures
            if figure.scale in (None, scale)
        )


def macs_per_pixel(model: bytes) -> float:
    """Multiply-accumulates of an ONNX file's convolutions and matrix products, per pixel of its first output.

    The graph is run once, so that what it does at a real size is counted, whatever its shapes are computed from.
    """
    proto = parsed(model)
    shapes = measured_shapes(proto)
    total = sum(macs(node, shapes) for node in proto.graph.node if node.op_type in COUNTED)
    return total / prod(shapes[proto.graph.output[0].name][-2:])


def macs(node: onnx.NodeProto, shapes: Shapes) -> int:
    """Of one node: every output element of a convolution costs its kernel, of a product its inner length."""
    if node.op_type == "Conv":
        return prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])
    if node.op_type == "ConvTranspose":
        return prod(shapes[node.input[0]]) * prod(shapes[node.input[1]][1:])
    turned = any(a.name == "transA" and a.i for a in node.attribute)
    return prod(shapes[node.output[0]]) * shapes[node.input[0]][-2 if turned else -1]


def measured_shapes(proto: onnx.ModelProto) -> Shapes:
    """The shape of every tensor that counting needs, at LR frames of ``SIDE_PX`` squared."""
    import onnxruntime

    graph = proto.graph
    feeds = {tensor.name: np.full(input_shape(tensor), 0.5, np.float32) for tensor in graph.input}
    shapes = {i.name: tuple(i.dims) for i in graph.initializer} | {name: a.shape for name, a in feeds.items()}
    used = [name for node in graph.node if node.op_type in COUNTED for name in (*node.input, *node.output) if name]
    names = [name for name in dict.fromkeys([graph.output[0].name, *used]) if name not in shapes]
    extended = onnx.ModelProto()
    extended.CopyFrom(proto)
    known = {tensor.name for tensor in graph.output}
    extended.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names if name not in known
    )
    session = onnxruntime.InferenceSession(extended.SerializeToString(), providers=["CPUExecutionProvider"])
    return shapes | {name: a.shape for name, a in zip(names, session.run(names, feeds), strict=True)}


def input_shape(tensor: onnx.ValueInfoProto) -> tuple[int, ...]:
    """As the graph has it; a free first axis is 1, free others are the frame's sides."""
    dims = tensor.type.tensor_type.shape.dim
    return tuple(dim.dim_value or (1 if at == 0 else SIDE_PX) for at, dim in enumerate(dims))


@click.command()
@click.argument("bundles", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--weights", type=click.Path(path_type=Path), help="Of a bundle whose weights aren't the committed ones.")
def main(bundles: tuple[Path, ...], weights: Path | None) -> None:
    """Write ``figures.json`` into BUNDLES."""
    for path in bundles:
        bundle = load(path)
        save(with_own_figures(bundle, rebuilt(bundle, weights)), path, overwrite=True)
        print(path)


if __name__ == "__main__":
    main()
