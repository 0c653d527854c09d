"""The edge family: bicubic at the start to the last border pixel, and branches that fold away exactly."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="needs the extra `train`")

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from subpixel.models import branches
from subpixel.models.branches import Branches
from subpixel.models.edge import EDGE_BEST, MOST_STRETCH, ROOM, TOP, Edge, Shape, edge_net
from subpixel.models.edge_fast import EDGE_FAST
from subpixel.models.patches import Pair, PatchSource
from subpixel.models.recipe import Recipe
from subpixel.models.training import WEIGHTS_FILE, Trainer
from subpixel.quality.resize import downscale, upscale

SMALL = Shape(8, 2)
DEEP = Shape(8, 6, block=1)
HANDED_ON = Shape(8, 4, block=1, handed_on=True)


def fitted(scale: int, shape: Shape = SMALL) -> Edge:
    torch.manual_seed(scale)
    net = Edge(scale, shape)
    net.initialise(torch.rand(8, 1, 16, 16))
    return net


@pytest.mark.parametrize("scale", (2, 3, 4))
@pytest.mark.parametrize("size", ((1, 1), (2, 2), (2, 7), (9, 9), (12, 10)))
def test_an_untrained_net_is_bicubic_to_the_last_border_pixel(scale: int, size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).random(size)
    with torch.no_grad():
        found = fitted(scale)(torch.from_numpy(image.astype(np.float32))[None, None])[0, 0].numpy()
    continued = np.pad(image, ((0, size[0] % 2), (0, size[1] % 2)), mode="edge")
    wanted = upscale(continued, scale)[: size[0] * scale, : size[1] * scale]
    np.testing.assert_allclose(found, wanted, atol=2e-6)


@pytest.mark.parametrize("shape", (DEEP, HANDED_ON), ids=str)
@pytest.mark.parametrize("scale", (2, 3, 4))
def test_an_untrained_net_on_single_pixels_is_nearly_bicubic_and_exact_where_it_is_flat(
    scale: int, shape: Shape
) -> None:
    rows, columns = np.mgrid[:11, :9]
    image = (0.5 + 0.3 * np.sin(rows / 2.5) * np.cos(columns / 3)).astype(np.float32)
    with torch.no_grad():
        net = fitted(scale, shape)
        found, flat = (net(torch.from_numpy(one)[None, None])[0, 0].numpy() for one in (image, 0 * image + 0.7))
    np.testing.assert_allclose(found, upscale(image.astype(np.float64), scale), atol=0.03)
    np.testing.assert_allclose(flat, np.full_like(flat, 0.7), atol=2e-6)


def test_every_tensor_inside_has_the_range_of_the_plane() -> None:
    net = fitted(3)
    seen: list[torch.Tensor] = []
    net.relu.register_forward_hook(lambda module, given, result: seen.append(result))
    frame = torch.rand(1, 1, 12, 14)
    with torch.no_grad():
        net(4 * frame)  # far beyond white
        plane = net.plane(torch.ones(1, 1, 4, 4))
    assert len(seen) == SMALL.layers
    assert all(float(values.min()) >= 0 and float(values.max()) <= TOP for values in seen)
    assert plane.tolist() == [[[[TOP] * 2] * 2] * 4]


def largest_values(net: Edge, frames: torch.Tensor) -> list[torch.Tensor]:
    """Of each channel of every layer."""
    seen: list[torch.Tensor] = []
    hook = net.relu.register_forward_hook(lambda module, given, result: seen.append(result.amax(dim=(0, 2, 3))))
    with torch.no_grad():
        net(frames)
    hook.remove()
    return seen


@pytest.mark.parametrize("shape", [SMALL, DEEP, HANDED_ON], ids=str)
def test_channels_are_stretched_to_the_bound_and_the_function_stays(shape: Shape) -> None:
    net, frames = fitted(3, shape), torch.rand(4, 1, 12, 14)
    with torch.no_grad():
        net.last.weight.add_(0.02 * torch.randn_like(net.last.weight))
        net.inner()[-1].weight.mul_(0.2)
        net.inner()[0].weight[3] = -1.0
        net.inner()[0].bias[3] = 0.0  # type: ignore[index]
        wanted = net(frames)
        before = largest_values(net, frames)
        net.stretch(frames)
        np.testing.assert_allclose(net(frames), wanted, atol=2e-6)
    after = largest_values(net, frames)
    assert float(before[-1].max()) < TOP / 4
    assert float(after[0][3]) == float(before[0][3]) == 0.0, "a silent channel stays as it is"
    for old, new in zip(before, after, strict=True):
        wanted_values = (net.white / ROOM / old).clamp(1, MOST_STRETCH).where(old > 0, torch.ones(())) * old
        wanted_values[: shape.handed_on] = old[: shape.handed_on]
        np.testing.assert_allclose(new, wanted_values, rtol=1e-4)


def test_what_training_saves_is_stretched(tmp_path: Path) -> None:
    image = np.random.default_rng(2).random((60, 60)).astype(np.float32)
    source = PatchSource([[Pair(downscale(image, 3).astype(np.float32), image)]], 3, 8, 1)
    trainer = Trainer(edge_net("edge-test", SMALL), 3, Recipe(steps=1, batch=2, patch_px=8), source, tmp_path)
    trainer.save()
    saved = Edge(3, SMALL)
    saved.load_state_dict(load_file(tmp_path / WEIGHTS_FILE))
    sample = PatchSource([[Pair(downscale(image, 3).astype(np.float32), image)]], 3, 8, 1).batch(64)[0]
    largest = largest_values(saved, sample)[-1]
    assert float(largest.max()) == pytest.approx(TOP / ROOM, rel=1e-3)


def learnt(net: nn.Module) -> None:
    """Branches that do something."""
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, Branches):
                nn.init.normal_(module.outer, std=0.3)


def test_a_folded_convolution_is_its_branches_one_after_the_other_on_a_9_by_9_image() -> None:
    torch.manual_seed(5)
    layer = nn.Conv2d(3, 4, 3, padding=1).double()
    net = Holder(layer)
    branches.widen(net)
    learnt(net.double())
    own, branch = layer.parametrizations.weight.original, layer.parametrizations.weight[0]  # type: ignore[union-attr, index]
    image = torch.rand(1, 3, 9, 9, dtype=torch.float64)
    direct = nn.functional.conv2d(image, own, layer.bias, padding=1)
    wide = nn.functional.conv2d(image, branch.inner, padding=1)
    apart = direct + nn.functional.conv2d(wide, branch.outer[:, :, None, None])
    plain = Holder(nn.Conv2d(3, 4, 3, padding=1).double())
    plain.load_state_dict(branches.folded_state(net))
    torch.testing.assert_close(plain(image), apart, rtol=0, atol=1e-12)


class Holder(nn.Module):
    """One convolution that is trained as branches."""

    def __init__(self, layer: nn.Conv2d) -> None:
        super().__init__()
        self.layer = layer

    def inner(self) -> list[nn.Conv2d]:
        return [self.layer]

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layer(values)
        return result


def test_widening_changes_nothing_and_folding_gives_the_plain_net_again() -> None:
    net, image = fitted(2), torch.rand(2, 1, 10, 8)
    with torch.no_grad():
        net.last.weight.add_(0.1 * torch.rand_like(net.last.weight))  # which is silent at first
        before = net(image)
        branches.widen(net)
        torch.testing.assert_close(net(image), before, rtol=0, atol=1e-6)
        learnt(net)
        wanted, plain = net(image), Edge(2, SMALL)
        plain.load_state_dict(branches.folded_state(net))
        assert not torch.equal(wanted, before)
        torch.testing.assert_close(plain(image), wanted, rtol=0, atol=1e-6)


def test_a_plane_that_is_handed_on_has_the_frame_s_levels_in_every_tensor_after_training_too(tmp_path: Path) -> None:
    kind = edge_net("edge-test", HANDED_ON)
    recipe = Recipe(steps=30, batch=2, patch_px=24, lr=3e-3, precision="fp32", refresh=2)
    trainer = Trainer(kind, 2, recipe, source(), tmp_path)
    for _ in range(30):
        trainer.step()
    trainer.save()
    net = Edge(2, HANDED_ON)
    net.load_state_dict(load_file(tmp_path / WEIGHTS_FILE))
    seen: list[torch.Tensor] = []
    net.relu.register_forward_hook(lambda module, given, result: seen.append(result[:, 0]))
    levels = torch.arange(256.0).reshape(1, 1, 16, 16)
    with torch.no_grad():
        before, after = fitted(2, HANDED_ON)(levels / 255), net(levels / 255)
    assert len(seen) == HANDED_ON.layers
    for plane in seen:
        torch.testing.assert_close(64 * plane[:, 1:-1, 1:-1], levels[0], rtol=0, atol=1e-4)
    assert not torch.allclose(before, after, atol=1e-3), "nothing was learnt"


def source() -> PatchSource:
    hr = np.random.default_rng(3).random((96, 96))
    return PatchSource([[Pair(downscale(hr, 2).astype(np.float32), hr.astype(np.float32))]], 2, 24, seed=1)


def test_what_training_saves_is_folded_and_can_be_trained_on(tmp_path: Path) -> None:
    kind, recipe = edge_net("edge-test", SMALL), Recipe(steps=6, batch=2, patch_px=24, lr=1e-3, precision="fp32")
    first = Trainer(kind, 2, recipe, source(), tmp_path / "first")
    for _ in range(6):
        first.step()
    first.save()
    saved = load_file(tmp_path / "first" / WEIGHTS_FILE)
    plain, frame = kind.build(2), torch.rand(1, 1, 16, 16)
    plain.load_state_dict(saved)
    with torch.no_grad():
        torch.testing.assert_close(plain(frame), first.net(frame), rtol=0, atol=1e-5)
        second = Trainer(kind, 2, recipe, source(), tmp_path / "second")
        assert second.start_from(tmp_path / "first" / WEIGHTS_FILE) == []
        torch.testing.assert_close(second.net(frame), plain(frame), rtol=0, atol=1e-5)


def test_another_scale_starts_with_everything_but_the_last_convolution(tmp_path: Path) -> None:
    kind, recipe = edge_net("edge-test", SMALL), Recipe(batch=2, patch_px=24, precision="fp32")
    save_file(fitted(3).state_dict(), tmp_path / "x3.safetensors")
    trainer = Trainer(kind, 2, recipe, source(), tmp_path)
    assert trainer.start_from(tmp_path / "x3.safetensors") == ["last.bias", "last.weight"]


def test_the_contract_asks_for_even_frames_where_positions_are_of_2_by_2_pixels() -> None:
    assert [EDGE_FAST.spec(scale).size_multiple for scale in (2, 3, 4)] == [2, 1, 1]
    assert EDGE_BEST.spec(3).size_multiple == 1
    assert EDGE_FAST.spec(3).name == "edge-fast-x3"
