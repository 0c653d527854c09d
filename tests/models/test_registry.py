"""The registry, the architectures' arithmetic, and what an LR pixel reaches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="models need torch")

from subpixel.errors import BadInputError, BundleError, NotFoundError  # noqa: E402
from subpixel.models.architecture import Architecture, TrainedModel, read_trained  # noqa: E402
from subpixel.models.registry import ARCHITECTURES, architecture, by_name, trained  # noqa: E402

CASES = [(a.name, scale) for a in ARCHITECTURES.values() for scale in a.scales]


BOUNDED = [(name, scale) for name, scale in CASES if architecture(name).radius_px(scale) is not None]


def given(chosen: Architecture, height: int, width: int, count: int = 1) -> tuple[torch.Tensor, ...]:
    """What a net takes: ``count`` frames or windows of noise, and its states."""
    planes = 3 if chosen.colour == "rgb" else chosen.window
    states = (torch.zeros(count, state.channels, height, width) for state in chosen.states)
    return torch.rand(count, planes, height, width), *states


def enlarged(net: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> torch.Tensor:
    with torch.no_grad():
        result = net(*inputs)
    return result[0] if isinstance(result, tuple) else result


@pytest.mark.parametrize(("name", "scale"), CASES)
def test_the_output_is_scale_times_as_large_at_odd_sizes(name: str, scale: int) -> None:
    chosen = architecture(name)
    net, planes = chosen.build(scale).eval(), 3 if chosen.colour == "rgb" else 1
    for height, width in ((1, 1), (7, 5), (2, 31)):
        result = enlarged(net, given(chosen, height, width, count=2))
        assert result.shape == (2, planes, height * scale, width * scale)


@pytest.mark.parametrize(("name", "scale"), BOUNDED)
def test_a_pixel_reaches_just_as_far_as_the_registry_says(name: str, scale: int) -> None:
    torch.manual_seed(0)
    chosen = architecture(name)
    radius = chosen.radius_px(scale)
    assert radius is not None
    net = with_positive_weights(chosen.build(scale).double().eval())
    size = 2 * radius + 8
    image, *states = (tensor.double() for tensor in given(chosen, size, size))
    before, reached = enlarged(net, (image, *states)), []
    for at in range(size // 2, size // 2 + chosen.size_multiple(scale)):  # its pixels reach farther to their own side
        touched = image.clone()
        touched[..., at, at] += 0.5
        difference = before != enlarged(net, (touched, *states))
        for others in ((0, 2), (0, 1)):  # by rows and by columns, for a net may look farther along one of them
            places = np.flatnonzero(difference[0].numpy().any(axis=others)) // scale
            reached.append((at - places.min(), places.max() - at))
    assert tuple(np.max(reached, axis=0)) == (radius, radius)


def with_positive_weights(net: torch.nn.Module) -> torch.nn.Module:
    """So that nothing cancels and no ReLU stays dark on the way."""
    with torch.no_grad():
        for weight in net.parameters():
            if weight.ndim > 1:
                weight.uniform_(0.0, 2.0 / weight[0].numel())
    return net


def test_espcn_is_three_convolutions_and_a_shuffle_written_out_by_hand() -> None:
    """Against plain loops in numpy: 5-3-3, tanh, zero padding, the shuffle of the paper's equation 4."""
    torch.manual_seed(1)
    net = architecture("espcn").build(2).double().eval()
    image = np.random.default_rng(1).random((5, 4))
    with torch.no_grad():
        ours = net(torch.from_numpy(image)[None, None])[0, 0].numpy()
    state = {key: value.numpy() for key, value in net.state_dict().items()}
    planes = image[None]
    for layer in ("features", "mapping", "subpixel"):
        planes = slow_convolution(planes, state[f"{layer}.weight"], state[f"{layer}.bias"])
        planes = planes if layer == "subpixel" else np.tanh(planes)
    by_hand = np.array([[planes[2 * (y % 2) + x % 2, y // 2, x // 2] for x in range(8)] for y in range(10)])
    np.testing.assert_allclose(ours, by_hand, atol=1e-12)


def slow_convolution(planes: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    pad = weight.shape[2] // 2
    padded = np.pad(planes, ((0, 0), (pad, pad), (pad, pad)))
    result = np.empty((weight.shape[0], *planes.shape[1:]))
    for channel in range(weight.shape[0]):
        for y in range(planes.shape[1]):
            for x in range(planes.shape[2]):
                window = padded[:, y : y + weight.shape[2], x : x + weight.shape[3]]
                result[channel, y, x] = np.sum(window * weight[channel]) + bias[channel]
    return result


def test_espcn_has_the_papers_number_of_parameters() -> None:
    net = architecture("espcn").build(3)
    assert sum(p.numel() for p in net.parameters()) == 64 * 25 + 64 + 32 * 64 * 9 + 32 + 9 * 32 * 9 + 9


def test_espcns_first_weights_make_every_tanh_work() -> None:
    torch.manual_seed(2)
    net = architecture("espcn").build(3)
    sample = torch.nn.functional.interpolate(torch.rand(8, 1, 6, 6), size=(24, 24), mode="bicubic")
    net.initialise(sample)
    with torch.no_grad():
        first = net.features(sample)
        second = net.mapping(torch.tanh(first))
        result = net(sample)
    for values in (first, second):
        np.testing.assert_allclose(values.std((0, 2, 3)).numpy(), 0.7, rtol=1e-3)
    assert float((result - sample.mean()).abs().max()) < 0.5


def test_a_repeated_name_is_refused() -> None:
    espcn = architecture("espcn")
    with pytest.raises(ValueError, match="two architectures"):
        by_name(espcn, espcn)


def test_wrong_names_scales_and_weights_are_explained(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="did you mean 'espcn'"):
        architecture("espcm")
    with pytest.raises(BadInputError, match="needed one of x2, x3, x4"):
        trained("espcn", 5)
    with pytest.raises(BadInputError, match="names no scale"):
        trained("espcn")
    with pytest.raises(NotFoundError, match="subpixel train espcn"):
        read_trained(architecture("espcn"), 3, tmp_path / "none.safetensors")
    with pytest.raises(BundleError, match="don't fit"):
        TrainedModel(architecture("espcn"), 3, b"not safetensors", "").module()
