"""Convolutions along one axis: nearly bicubic at the start, and what hands the plane on is not learnt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `train`")

import torch
from safetensors.torch import load_file

from subpixel.models.edge import MOST_STRETCH, ROOM, Edge
from subpixel.models.edge_fast import EDGE_FAST, EdgeLines, bicubic_phases
from subpixel.models.patches import Pair, PatchSource
from subpixel.models.recipe import Recipe
from subpixel.models.training import WEIGHTS_FILE, Trainer
from subpixel.quality.resize import downscale, upscale

LEVELS = torch.arange(256.0).reshape(1, 1, 16, 16)


def fitted(scale: int) -> EdgeLines:
    torch.manual_seed(scale)
    net = EdgeLines(scale, 8, 4)
    net.initialise(torch.rand(8, 1, 16, 16))
    return net


@pytest.mark.parametrize("scale", (2, 3, 4))
def test_an_untrained_net_is_nearly_bicubic_and_exact_where_it_is_flat(scale: int) -> None:
    rows, columns = np.mgrid[:12, :11]
    image = (0.5 + 0.3 * np.sin(rows / 2.5) * np.cos(columns / 3)).astype(np.float32)
    net = fitted(scale)
    with torch.no_grad():
        found, flat = (net(torch.from_numpy(one)[None, None])[0, 0].numpy() for one in (image, 0 * image + 0.7))
    np.testing.assert_allclose(found, upscale(image.astype(np.float64), scale), atol=0.03)
    np.testing.assert_allclose(flat, np.full_like(flat, 0.7), atol=2e-6)


def test_no_convolution_has_a_border_along_one_axis_only() -> None:
    """LiteRT knows convolutions with all of their border and with none."""
    for layer in (*fitted(4).inner(), fitted(4).last):
        assert layer.padding in ((0, 0), tuple(side // 2 for side in layer.kernel_size))


def inside(net: Edge, frame: torch.Tensor) -> list[torch.Tensor]:
    """Every tensor that an activation gave, without batch."""
    seen: list[torch.Tensor] = []
    hook = net.relu.register_forward_hook(lambda module, given, result: seen.append(result[0]))
    with torch.no_grad():
        net(frame)
    hook.remove()
    return seen


def source() -> PatchSource:
    hr = np.random.default_rng(3).random((96, 96))
    return PatchSource([[Pair(downscale(hr, 4).astype(np.float32), hr.astype(np.float32))]], 4, 16, seed=1)


def test_the_plane_is_handed_on_in_levels_and_its_columns_by_bicubic_after_training_too(tmp_path: Path) -> None:
    recipe = Recipe(steps=30, batch=2, patch_px=16, lr=3e-3, precision="fp32", refresh=2)
    trainer = Trainer(EDGE_FAST, 4, recipe, source(), tmp_path)
    start = load_file(saved(trainer, tmp_path))
    for _ in range(30):
        trainer.step()
    net = EDGE_FAST.build(4)
    net.load_state_dict(load_file(saved(trainer, tmp_path)))
    assert isinstance(net, EdgeLines)
    assert not torch.allclose(net.last.weight, start["last.weight"], atol=1e-4), "nothing was learnt"
    *planes, columns = inside(net, LEVELS / 255)
    for plane in planes:
        torch.testing.assert_close(64 * plane[0, 1:-1, 1:-1], LEVELS[0, 0], rtol=0, atol=1e-4)
    wanted = torch.nn.functional.conv2d(LEVELS, bicubic_phases(4)[:, None, None])[0].relu()
    torch.testing.assert_close(64 * columns[:4, 1:-1, 1:-1], wanted, rtol=0, atol=1e-3)


def saved(trainer: Trainer, folder: Path) -> Path:
    trainer.save()
    return folder / WEIGHTS_FILE


def test_learnt_channels_are_stretched_and_the_function_stays() -> None:
    net, frames = fitted(4), torch.rand(1, 1, 12, 14)
    with torch.no_grad():
        net.last.weight.add_(0.02 * torch.randn_like(net.last.weight))
        before, wanted = inside(net, frames), net(frames)
        net.stretch(frames)
        torch.testing.assert_close(net(frames), wanted, rtol=0, atol=2e-6)
    for old, new, kept in zip(before, inside(net, frames), net.kept, strict=True):
        largest = old.amax(dim=(1, 2))
        factors = (net.white / ROOM / largest).clamp(1, MOST_STRETCH).where(largest > 0, torch.ones(()))
        factors[:kept] = 1.0
        torch.testing.assert_close(new.amax(dim=(1, 2)), factors * largest, rtol=1e-4, atol=1e-6)
