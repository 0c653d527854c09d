"""Warping, motion compensation, the memory and the flow's nets against plain loops; what untrained video nets give."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="the nets are torch's")

from subpixel.models.motion import COARSE_PX, FINE_PX, FlowNet, MotionTransformer, roughness  # noqa: E402
from subpixel.models.soap import Soap  # noqa: E402
from subpixel.models.spmc import MEMORY, ConvLstm, Spmc, SpmcRecurrent  # noqa: E402
from subpixel.models.vespcn import Vespcn  # noqa: E402
from subpixel.models.warping import scatter, warp  # noqa: E402
from subpixel.quality.resize import upscale  # noqa: E402

Values = NDArray[np.float64]


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(1704)


def tensor(values: Values) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, np.float32))


def warped_slowly(image: Values, flow: Values) -> Values:
    """Bilinear sampling, one pixel at a time; places outside are moved to the border."""
    height, width = image.shape
    result = np.zeros((height, width))
    for row in range(height):
        for column in range(width):
            x = min(max(column + flow[0, row, column], 0.0), width - 1.0)
            y = min(max(row + flow[1, row, column], 0.0), height - 1.0)
            left, top = int(x), int(y)
            right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
            upper = image[top, left] * (1 - (x - left)) + image[top, right] * (x - left)
            lower = image[bottom, left] * (1 - (x - left)) + image[bottom, right] * (x - left)
            result[row, column] = upper * (1 - (y - top)) + lower * (y - top)
    return result


@pytest.mark.parametrize("size", [(7, 9), (5, 3), (1, 1), (12, 6)])
def test_warping_samples_where_the_flow_points(size: tuple[int, int], random: np.random.Generator) -> None:
    image, flow = random.random((2, *size)), random.normal(0, 2.5, (2, 2, *size))
    found = warp(tensor(image[:, None]), tensor(flow))[:, 0].numpy()
    for at in range(2):
        np.testing.assert_allclose(found[at], warped_slowly(image[at], flow[at]), atol=2e-5)


def laid_slowly(image: Values, flow: Values, scale: int) -> tuple[Values, Values]:
    """Each LR pixel into the fine pixels less than one away from where it falls, by the product of two tents."""
    height, width = image.shape
    total, weights = np.zeros((height * scale, width * scale)), np.zeros((height * scale, width * scale))
    for row in range(height):
        for column in range(width):
            x = (column + 0.5 + flow[0, row, column]) * scale - 0.5
            y = (row + 0.5 + flow[1, row, column]) * scale - 0.5
            for fine_row in range(height * scale):
                for fine_column in range(width * scale):
                    weight = max(0.0, 1 - abs(x - fine_column)) * max(0.0, 1 - abs(y - fine_row))
                    total[fine_row, fine_column] += weight * image[row, column]
                    weights[fine_row, fine_column] += weight
    return total, weights


@pytest.mark.parametrize(("size", "scale"), [((5, 7), 4), ((4, 3), 3), ((6, 5), 2)])
def test_motion_compensation_lays_pixels_on_the_fine_grid(
    size: tuple[int, int], scale: int, random: np.random.Generator
) -> None:
    image, flow = random.random((2, *size)), random.normal(0, 1.5, (2, 2, *size))
    found, weight = scatter(tensor(image[:, None]), tensor(flow), scale)
    for at in range(2):
        total, weights = laid_slowly(image[at], flow[at], scale)
        np.testing.assert_allclose(found[at, 0].numpy(), total, atol=1e-5)
        np.testing.assert_allclose(weight[at, 0].numpy(), weights, atol=1e-5)


def test_motion_compensation_can_be_learnt_through(random: np.random.Generator) -> None:
    image = tensor(random.random((1, 1, 2, 3))).double()
    flow = torch.from_numpy(random.uniform(-0.3, 0.3, (1, 2, 2, 3))).requires_grad_()
    assert torch.autograd.gradcheck(lambda moved: scatter(image, moved, 2), (flow,), eps=1e-4, atol=1e-3)


def convolved_slowly(values: Values, weight: Values, bias: Values) -> Values:
    """A 3x3 convolution with zeros around, ``[C, H, W]``."""
    count, (height, width) = len(weight), values.shape[1:]
    result = np.zeros((count, height, width))
    for row in range(height):
        for column in range(width):
            for down in (-1, 0, 1):
                for across in (-1, 0, 1):
                    if 0 <= row + down < height and 0 <= column + across < width:
                        seen = values[:, row + down, column + across]
                        result[:, row, column] += weight[:, :, down + 1, across + 1] @ seen
    return result + bias[:, None, None]


def test_a_step_of_the_memory_follows_its_equations(random: np.random.Generator) -> None:
    step = ConvLstm(3, 2)
    values, hidden, cell = random.normal(size=(3, 4, 5)), random.normal(size=(2, 4, 5)), random.normal(size=(2, 4, 5))
    weight, bias = (parameter.detach().double().numpy() for parameter in (step.gates.weight, step.gates.bias))
    gates = convolved_slowly(np.concatenate((values, hidden)), weight, bias)
    let_in, keep, let_out = (1 / (1 + np.exp(-gates[k : k + 2])) for k in (0, 2, 4))
    next_cell = keep * cell + let_in * np.tanh(gates[6:])
    with torch.no_grad():
        found = step(*(tensor(part[None]) for part in (values, hidden, cell)))
    np.testing.assert_allclose(found[0][0].numpy(), let_out * np.tanh(next_cell), atol=1e-5)
    np.testing.assert_allclose(found[1][0].numpy(), next_cell, atol=1e-5)


@pytest.mark.parametrize(("strides", "shrink"), [((2, 1, 2, 1, 1), 4), ((2, 1, 1, 1, 1), 2)])
def test_a_flow_is_the_last_layer_s_channels_put_beside_each_other(
    strides: tuple[int, ...], shrink: int, random: np.random.Generator
) -> None:
    torch.manual_seed(3)
    net = FlowNet(2, (5, 3, 5, 3, 3), strides, 6.0)
    frames = tensor(random.random((1, 2, 11, 6)))
    with torch.no_grad():
        flow, values = net(frames)[0].numpy(), frames
        for layer in net.layers[:-1]:
            values = torch.relu(layer(values))
        small = 6.0 * np.tanh(net.layers[-1](values)[0].numpy())
    assert flow.shape == (2, 11, 6)
    for row in range(11):
        for column in range(6):
            for axis in (0, 1):
                channel = (axis * shrink + row % shrink) * shrink + column % shrink
                wanted = small[channel, row // shrink, column // shrink]
                assert flow[axis, row, column] == pytest.approx(wanted, abs=1e-5)


def test_roughness_is_the_published_penalty_less_what_a_smooth_flow_has(random: np.random.Generator) -> None:
    flow = random.normal(size=(2, 4, 5))
    penalties = []
    for row in range(3):
        for column in range(4):
            across = flow[:, row, column + 1] - flow[:, row, column]
            down = flow[:, row + 1, column] - flow[:, row, column]
            penalties.append(np.sqrt(0.01 + (across**2).sum() + (down**2).sum()))
    assert float(roughness(tensor(flow[None]))) == pytest.approx(np.mean(penalties) - 0.1, rel=1e-5)
    assert float(roughness(torch.full((1, 2, 4, 5), 1.5))) == pytest.approx(0.0, abs=1e-6)


def test_motion_starts_at_rest_and_stays_within_its_reach(random: np.random.Generator) -> None:
    net = MotionTransformer()
    frame, neighbour = (tensor(random.random((1, 1, 9, 10))) for _ in range(2))
    net.initialise(frame, neighbour)
    assert all(float(flow.detach().abs().max()) == 0 for flow in net(frame, neighbour))
    with torch.no_grad():
        for stage in (net.coarse, net.fine):
            stage.layers[-1].weight.normal_(0, 50.0)
        coarse, flow = net(frame, neighbour)
    assert 0 < float(coarse.abs().max()) <= COARSE_PX
    assert float((flow - coarse).abs().max()) <= FINE_PX


def initialised(build: Callable[[int], torch.nn.Module], scale: int) -> torch.nn.Module:
    net = build(scale)
    net.initialise(torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(2)))
    return net.eval()


@pytest.mark.parametrize(("build", "scale"), [(Vespcn, 3), (Vespcn, 4), (Spmc, 4)])
@pytest.mark.parametrize("size", [(9, 14), (3, 2)])
def test_an_untrained_net_is_bicubic_of_the_middle_frame(
    build: type[Vespcn], scale: int, size: tuple[int, int], random: np.random.Generator
) -> None:
    window = random.random((3, *size))
    with torch.no_grad():
        found = initialised(build, scale)(tensor(window[None]))[0, 0].numpy()
    np.testing.assert_allclose(found, upscale(window[1], scale), atol=2e-6)


def lively(net: torch.nn.Module) -> torch.nn.Module:
    """Weights unlike the start's, so that flows and states matter."""
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return net


def test_a_recurrent_net_starts_as_the_one_for_windows(random: np.random.Generator) -> None:
    windows, carrying = lively(initialised(Spmc, 4)), SpmcRecurrent(4).eval()
    carrying.load_state_dict(windows.state_dict())
    window = tensor(random.random((1, 3, 6, 7)))
    nothing = torch.zeros(1, MEMORY, 6, 7)
    with torch.no_grad():
        assert torch.equal(carrying(window, nothing, nothing)[0], windows(window))


def test_a_recurrent_net_unrolled_is_its_steps_one_after_the_other(random: np.random.Generator) -> None:
    net = lively(initialised(SpmcRecurrent, 4))
    frames = tensor(random.random((1, 5, 6, 7)))
    states = (torch.zeros(1, MEMORY, 6, 7),) * 2
    with torch.no_grad():
        for start in range(3):
            sr, *states = net(frames[:, start : start + 3], *states)
        unrolled = net.unrolled(frames)
        forgetful = net(frames[:, 2:], *(torch.zeros_like(state) for state in states))[0]
    torch.testing.assert_close(unrolled, sr)
    assert float((forgetful - sr).abs().max()) > 1e-4


def moving_batch() -> tuple[torch.Tensor, torch.Tensor]:
    """Sharp stripes that move by less than an LR pixel a frame: five LR frames, and the HR of the fourth."""
    rows, columns = np.mgrid[:64, :64] / 5.0
    frames = [0.5 + 0.3 * np.tanh(5 * np.sin(rows + 0.6 * columns + 0.5 * t)) for t in range(-3, 2)]
    small = [frame.reshape(16, 4, 16, 4).mean((1, 3)) for frame in frames]
    return tensor(np.stack(small)[None]), tensor(frames[3][None, None])


@pytest.mark.parametrize(("build", "frames"), [(Vespcn, 3), (Spmc, 3), (SpmcRecurrent, 5)])
def test_a_video_net_learns_in_a_few_steps(build: Callable[[int], torch.nn.Module], frames: int) -> None:
    torch.manual_seed(1)
    lr, hr = moving_batch()
    lr = lr[:, -frames:]
    net = build(4)
    net.initialise(lr[:, -3:])
    optimiser = Soap(net.parameters(), 3e-3)
    losses = []
    for _ in range(14):
        loss = net.training_loss(lr, hr, torch.ones(64, 64))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.8 * losses[0]
    assert float(net.motion(lr[:, -2:-1], lr[:, -3:-2])[1].detach().abs().max()) > 0
