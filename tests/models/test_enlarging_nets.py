"""The nets that enlarge first: bicubic inside the graph, SRCNN, VDSR, each against plain loops or its definition."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("torch", reason="needs the extra `train`")

import torch

from subpixel.models.bicubic import BicubicEnlarge
from subpixel.models.initialise import pass_through
from subpixel.models.patches import Pair, PatchSource, ScalesSource
from subpixel.models.registry import architecture
from subpixel.models.srcnn import Srcnn
from subpixel.models.vdsr import Vdsr
from subpixel.quality.resize import upscale

Planes = NDArray[np.float64]
SIZES = ((1, 1), (1, 7), (2, 3), (9, 5))


@pytest.mark.parametrize("scale", (2, 3, 4))
@pytest.mark.parametrize("size", SIZES)
def test_bicubic_in_the_graph_is_matlabs_to_the_last_border_pixel(scale: int, size: tuple[int, int]) -> None:
    image = np.random.default_rng(scale).random((3, *size)).astype(np.float32)
    ours = BicubicEnlarge(scale)(torch.from_numpy(image)[None])[0].numpy()
    wanted = np.stack([upscale(plane, scale) for plane in image])
    np.testing.assert_allclose(ours, wanted, atol=1e-6)


def test_bicubic_adds_nothing_to_the_weights() -> None:
    assert not BicubicEnlarge(3).state_dict()


def test_srcnn_is_bicubic_and_three_convolutions_written_out_by_hand() -> None:
    torch.manual_seed(2)
    net = Srcnn(2).double().eval()
    net.enlarge.phases = net.enlarge.phases.double()
    image = np.random.default_rng(2).random((4, 3))
    with torch.no_grad():
        ours = net(torch.from_numpy(image)[None, None])[0, 0].numpy()
    planes = upscale(image, 2)[None]
    for name in ("patches", "mapping", "reconstruction"):
        layer = getattr(net, name)
        planes = _convolved(planes, layer.weight.detach().numpy(), layer.bias.detach().numpy())
        planes = planes if name == "reconstruction" else np.maximum(planes, 0)
    np.testing.assert_allclose(ours, planes[0], atol=1e-6)


def test_vdsr_adds_what_twenty_layers_make_of_the_enlarged_image() -> None:
    torch.manual_seed(3)
    net = Vdsr(3).double().eval()
    net.enlarge.phases = net.enlarge.phases.double()
    image = np.random.default_rng(3).random((2, 2))
    with torch.no_grad():
        for layer in net.layers:
            layer.weight *= 2  # so that twenty of them do not die away
        ours = net(torch.from_numpy(image)[None, None])[0, 0].numpy()
    planes = enlarged = upscale(image, 3)[None]
    for at, layer in enumerate(net.layers):
        planes = _convolved(planes, layer.weight.detach().numpy(), layer.bias.detach().numpy())
        planes = planes if at == len(net.layers) - 1 else np.maximum(planes, 0)
    assert len(net.layers) == 20
    np.testing.assert_allclose(ours, (enlarged + planes)[0], atol=1e-6)


def _convolved(planes: Planes, weight: Planes, bias: Planes) -> Planes:
    """Zero padding, every pixel by itself."""
    reach = weight.shape[2] // 2
    padded = np.pad(planes, ((0, 0), (reach, reach), (reach, reach)))
    result = np.empty((len(weight), *planes.shape[1:]))
    for row in range(planes.shape[1]):
        for column in range(planes.shape[2]):
            seen = padded[:, row : row + 2 * reach + 1, column : column + 2 * reach + 1]
            result[:, row, column] = (weight * seen).sum(axis=(1, 2, 3)) + bias
    return result


@pytest.mark.parametrize("name", ("srcnn", "vdsr"))
def test_training_starts_exactly_at_bicubic(name: str) -> None:
    torch.manual_seed(0)
    net, sample = architecture(name).build(3), 0.3 + 0.4 * torch.rand(16, 1, 12, 12)  # no overshoot below 0
    net.initialise(sample)  # type: ignore[operator]
    with torch.no_grad():
        torch.testing.assert_close(net(sample), BicubicEnlarge(3)(sample), atol=1e-5, rtol=0)


def test_the_filter_that_hands_the_image_on_never_learns() -> None:
    net, sample = Srcnn(2), torch.rand(8, 1, 9, 9)
    pass_through((net.patches, net.mapping, net.reconstruction), net.enlarge(sample))
    net(sample).square().mean().backward()
    for layer, fixed in ((net.patches, slice(0, 1)), (net.mapping, slice(0, 1))):
        assert layer.weight.grad is not None
        assert not layer.weight.grad[fixed].any()
    assert net.reconstruction.weight.grad is not None
    assert not net.reconstruction.weight.grad[0, 0].any()
    assert net.reconstruction.weight.grad[0, 1:].any()


def test_vdsr_has_one_set_of_weights_for_every_scale() -> None:
    one, other = Vdsr(2), Vdsr(4)
    other.load_state_dict(one.state_dict())
    assert architecture("vdsr").weights_name(2) == architecture("vdsr").weights_name(4) == "vdsr"


def test_vdsr_learns_at_whichever_scale_a_batch_has() -> None:
    net = Vdsr(3)
    lr = torch.rand(2, 1, 6, 6)
    with torch.no_grad():
        enlarged = BicubicEnlarge(4)(lr)
        torch.testing.assert_close(net.at_scale(lr, 4), enlarged + net.residual(enlarged))
        torch.testing.assert_close(net.at_scale(lr, 3), net(lr))


def _sources(scales: Sequence[int]) -> list[PatchSource]:
    random = np.random.default_rng(5)
    made = []
    for scale in scales:
        hr = random.random((24 * scale, 24 * scale)).astype(np.float32)
        made.append(PatchSource([[Pair(hr[::scale, ::scale], hr)]], scale, 24 // scale, 7))
    return made


def test_a_batch_of_several_scales_has_one_scale_and_one_hr_size() -> None:
    source, seen = ScalesSource(_sources((2, 3, 4))), set()
    for _ in range(30):
        lr, hr = source.batch(2)
        assert hr.shape == (2, 1, 24, 24)
        seen.add(24 // lr.shape[-1])
    assert seen == {2, 3, 4}


def test_the_patches_of_several_scales_come_again_from_the_generators_state() -> None:
    source = ScalesSource(_sources((2, 3, 4)))
    source.batch(3)
    state = source.random.bit_generator.state
    first = [source.batch(2)[0] for _ in range(5)]
    source.random.bit_generator.state = state
    assert all(torch.equal(a, b) for a, b in zip(first, (source.batch(2)[0] for _ in range(5)), strict=True))
