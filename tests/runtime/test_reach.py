"""The halo is the net's true reach: no pixel beyond it moves, and nearer ones do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import subpixel
from subpixel.catalogue import find, shipped_names
from subpixel.tiles import run_tiled

SPARE_PX = 2  # a radius may be larger than what moves by so much
TILED = [name for name in shipped_names() if find(name).spec.family == "image" and find(name).spec.can_tile]
Model = subpixel.Model


def moved(model: Model, at: tuple[int, int], frame: Any) -> tuple[int, int]:
    """How far, down and across in LR pixels, the result moves in whichever way when the pixel changes."""
    changed = frame.copy()
    changed[:, at[0], at[1]] = 1 - changed[:, at[0], at[1]]
    difference = np.abs(model.upscale_planes(changed) - model.upscale_planes(frame)).max(axis=0)
    down, across = np.nonzero(difference)
    return int(np.abs(down // model.scale - at[0]).max()), int(np.abs(across // model.scale - at[1]).max())


def reach(model: Model, radius: int) -> tuple[int, int]:
    """The farthest from pixels at every place of a cell, in a frame with room around."""
    multiple = model.spec.size_multiple
    side, middle = 2 * (radius + 2 * multiple) + 6, radius + 2 * multiple + 1
    side += -side % multiple
    frame = np.random.default_rng(1).random((model.spec.planes, side, side), dtype=np.float32)
    found = [moved(model, (middle + step, middle + step), frame) for step in range(max(multiple, 2))]
    return max(down for down, _ in found), max(across for _, across in found)


@pytest.mark.parametrize("name", TILED)
def test_a_pixel_moves_the_result_as_far_as_the_radius_and_no_further(name: str) -> None:
    """In ONNX Runtime fp32, where what isn't connected stays the same to the last bit."""
    with subpixel.open(name, engine="onnxruntime", variant="onnx-fp32") as model:
        radius = model.spec.radius_px
        assert radius is not None
        for found in reach(model, radius):
            assert radius - SPARE_PX <= found <= radius


@pytest.mark.parametrize("shape", [(8, 2), (16, 3), (32, 4), (8, 6, 1), (8, 6, 1, True)], ids=str)
def test_nets_on_cells_of_pixels_reach_as_far_as_they_say(edge_nets: Any, shape: tuple[int, ...]) -> None:
    import torch

    from subpixel.models.edge import Shape, edge_net

    torch.manual_seed(2)
    kind = edge_net("edge-test", Shape(*shape))
    bundle = edge_nets.export_module(kind.build(3).eval(), edge_nets.Bundle(edge_nets.Manifest(
        kind.spec(3), edge_nets.Provenance(), ()), {}))  # fmt: skip
    with subpixel.open(bundle, engine="onnxruntime", variant="onnx-fp32") as model:
        radius = model.spec.radius_px
        assert radius is not None
        for found in reach(model, radius):
            assert radius - SPARE_PX <= found <= radius


@pytest.mark.parametrize("name", TILED)
def test_every_shipped_model_in_tiles_is_within_a_level_of_the_whole(name: str) -> None:
    """Small frames, odd sides, the smallest tiles that have room: as many seams as there can be."""
    with subpixel.open(name, engine="onnxruntime", variant="onnx-fp32") as model:
        radius = model.spec.radius_px
        assert radius is not None
        side = 2 * radius + 16
        frame = np.random.default_rng(3).random((model.spec.planes, side + 5, side + 18), dtype=np.float32)
        in_tiles = run_tiled(frame, model.scale, (side, side), radius, model.upscale_planes, model.spec.size_multiple)
        assert np.abs(in_tiles - model.upscale_planes(frame)).max() <= 1 / 255
