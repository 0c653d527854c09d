"""EnhanceNet and SRPGAN, their discriminators and RGB patches, against loops in NumPy and published sizes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="nets need torch")

from subpixel.errors import BadInputError  # noqa: E402
from subpixel.models import enhancenet, srpgan  # noqa: E402
from subpixel.models.colour_patches import (  # noqa: E402
    ColourSource,
    colour_pairs,
    load_colour_pairs,
    luma_of,
    read_rgb,
)
from subpixel.models.discriminators import EnhanceNetDiscriminator, SrpganDiscriminator  # noqa: E402
from subpixel.models.registry import architecture  # noqa: E402
from subpixel.models.training import psnr_of  # noqa: E402
from subpixel.quality.colour import luma  # noqa: E402
from subpixel.quality.metrics import psnr_db  # noqa: E402
from subpixel.quality.resize import downscale, upscale  # noqa: E402

Maps = np.ndarray


def drawn(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(shape).astype(np.float32))


def convolved(maps: Maps, layer: torch.nn.Conv2d) -> Maps:
    """A convolution of stride 1 over ``[C, H, W]`` with zeros around, pixel by pixel."""
    weight, bias = (p.detach().numpy().astype(np.float64) for p in (layer.weight, layer.bias))
    rim = weight.shape[-1] // 2
    padded = np.pad(maps, ((0, 0), (rim, rim), (rim, rim)))
    result = np.zeros((len(weight), *maps.shape[1:]))
    for y in range(maps.shape[1]):
        for x in range(maps.shape[2]):
            seen = padded[:, y : y + 2 * rim + 1, x : x + 2 * rim + 1]
            result[:, y, x] = (weight * seen).sum((1, 2, 3)) + bias
    return result


def relu(maps: Maps) -> Maps:
    return np.maximum(maps, 0)


def lrelu(maps: Maps) -> Maps:
    return np.where(maps > 0, maps, 0.2 * maps)


def repeated(maps: Maps) -> Maps:
    return np.kron(maps, np.ones((1, 2, 2)))


def shuffled(maps: Maps) -> Maps:
    channels, height, width = len(maps) // 4, *maps.shape[1:]
    result = np.zeros((channels, 2 * height, 2 * width))
    for index, plane in enumerate(maps):
        result[index // 4, index % 4 // 2 :: 2, index % 2 :: 2] = plane
    return result


def normalised(maps: Maps) -> Maps:
    return np.stack([(plane - plane.mean()) / np.sqrt(plane.var() + 1e-5) for plane in maps])


def enlarged(image: Maps) -> Maps:
    return upscale(image.transpose(1, 2, 0), 4).transpose(2, 0, 1)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (enhancenet, srpgan):
        monkeypatch.setattr(module, "BLOCKS", 2)
        monkeypatch.setattr(module, "CHANNELS", 4)


def with_drawn_weights(net: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(4)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return net.eval()


@pytest.mark.usefixtures("narrow")
def test_enhancenet_is_its_table() -> None:
    net = with_drawn_weights(enhancenet.EnhanceNet(4))
    image = drawn(3, 5, 6).numpy().astype(np.float64)
    values = relu(convolved(image, net.first))
    for block in net.blocks:
        values = values + convolved(relu(convolved(values, block.first)), block.second)
    values = relu(convolved(repeated(values), net.twice))
    values = relu(convolved(repeated(values), net.fourfold))
    expected = enlarged(image) + convolved(relu(convolved(values, net.detail)), net.last)
    with torch.no_grad():
        result = net(torch.from_numpy(image[None].astype(np.float32)))[0].numpy()
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("narrow")
def test_srpgan_s_generator_is_its_layers() -> None:
    net = with_drawn_weights(srpgan.Generator(4))
    image = drawn(3, 5, 6).numpy().astype(np.float64)
    shallow = values = lrelu(convolved(image, net.first))
    for block in net.blocks:
        values = values + normalised(convolved(lrelu(normalised(convolved(values, block.first))), block.second))
    values = shallow + normalised(convolved(values, net.gather))
    values = lrelu(shuffled(convolved(values, net.twice)))
    values = lrelu(shuffled(convolved(values, net.fourfold)))
    expected = enlarged(image) + convolved(values, net.last)
    with torch.no_grad():
        result = net(torch.from_numpy(image[None].astype(np.float32)))[0].numpy()
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-4)


def test_the_published_sizes_are_kept() -> None:
    def convolution(given: int, wanted: int, kernel: int = 3) -> int:
        return given * wanted * kernel**2 + wanted

    count = {
        name: sum(p.numel() for p in architecture(name).build(4).parameters()) for name in ("enhancenet", "srpgan")
    }
    middle = convolution(64, 64)
    assert count["enhancenet"] == convolution(3, 64) + 20 * middle + 3 * middle + convolution(64, 3)
    assert count["srpgan"] == convolution(3, 64) + 33 * middle + 2 * convolution(64, 256) + convolution(64, 3)


@pytest.mark.parametrize("name", ["enhancenet", "srpgan"])
@pytest.mark.usefixtures("narrow")
def test_an_initialised_net_is_exactly_bicubic_and_its_layers_answer(name: str) -> None:
    net = architecture(name).build(4)
    sample = drawn(8, 3, 12, 12)
    net.initialise(sample)
    with torch.no_grad():
        result = net(sample).numpy()
    np.testing.assert_allclose(result[0], enlarged(sample[0].numpy()), atol=1e-5)
    net.training_loss(sample, drawn(8, 3, 48, 48, seed=2), torch.ones(1)).backward()
    assert float(net.last.weight.grad.abs().mean()) > 0


def test_a_pixel_reaches_as_far_as_enhancenet_s_contract_says() -> None:
    chosen = architecture("enhancenet")
    radius = chosen.radius_px(4)
    assert radius is not None
    net = with_drawn_weights(chosen.build(4))
    with torch.no_grad():
        for parameter in net.parameters():  # all positive: nothing cancels, no ReLU closes
            parameter.abs_()
            parameter /= parameter.sum((1, 2, 3), keepdim=True) if parameter.ndim == 4 else 1e3
    image = torch.full((1, 3, 2 * radius + 7, 3), 0.5)
    touched = image.clone()
    touched[:, :, 0] += 100
    with torch.no_grad():
        rows = (net.double()(touched.double()) - net(image.double())).abs().amax((0, 1, 3))
    last = int(rows.nonzero().max()) // 4
    assert last <= radius
    assert last >= radius - 1


def test_instance_normalisation_is_torch_s() -> None:
    maps = drawn(2, 3, 7, 5) * 4 + 1
    torch.testing.assert_close(
        srpgan.InstanceNorm()(maps), torch.nn.functional.instance_norm(maps), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("kind", "px", "width", "published", "maps"),
    [(EnhanceNetDiscriminator, 128, 32, 32, 5), (SrpganDiscriminator, 64, 64, 64, 10)],
)
def test_a_discriminator_halves_as_published_and_shows_its_maps(
    kind: type[torch.nn.Module], px: int, width: int, published: int, maps: int
) -> None:
    net = kind(px, 4)
    logits, found = net(drawn(2, 3, px, px))
    assert logits.shape == (2,)
    assert len(found) == maps
    halvings = 5 if kind is EnhanceNetDiscriminator else 6
    assert [m.shape[3] for m in found[:halvings]] == [px // 2**i for i in range(1, halvings + 1)]
    assert [m.shape[1] for m in found[:halvings]] == [4 * 2**i for i in range(halvings)]
    assert width == published
    with pytest.raises(BadInputError, match="multiple"):
        kind(px + 16, 4)


def test_the_discriminator_s_first_maps_are_a_leaky_convolution_of_the_image_from_minus_1_to_1() -> None:
    net = SrpganDiscriminator(64, 4)
    image = drawn(1, 3, 64, 64)
    layer = net.halving[0][0]
    found = net(image)[1][0][0].detach().numpy()
    padded = np.pad(image[0].numpy() * 2 - 1, ((0, 0), (1, 1), (1, 1)))
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    for y, x in ((0, 0), (3, 17), (31, 31)):
        seen = padded[:, 2 * y : 2 * y + 4, 2 * x : 2 * x + 4]
        np.testing.assert_allclose(found[:, y, x], lrelu((weight * seen).sum((1, 2, 3)) + bias), rtol=1e-3, atol=1e-5)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(5)
    for index, mode in enumerate(("RGB", "L")):
        coarse = Image.fromarray(random.integers(0, 256, (12, 17, 3), dtype=np.uint8)).convert(mode)
        coarse.resize((69, 50), Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    return folder


def test_colour_patches_are_cut_from_an_image_and_its_reduction_the_same_way(photos: Path) -> None:
    files = sorted(photos.iterdir())
    source = ColourSource([load_colour_pairs(files, 4, 8)], 4, 8, seed=3)
    lr, hr = source.batch(6)
    assert lr.shape == (6, 3, 8, 8)
    assert hr.shape == (6, 3, 32, 32)
    for small, large in zip(lr, hr, strict=True):  # what only the patch's inner pixels see
        reduced = downscale(large.permute(1, 2, 0).numpy().astype(np.float64), 4)
        np.testing.assert_allclose(small.permute(1, 2, 0).numpy()[3:-3, 3:-3], reduced[3:-3, 3:-3], atol=1e-5)
    whole = read_rgb(files[0])[:48, :68]
    turns = [np.rot90(whole, k) for k in range(4)]
    turns += [turn[:, ::-1] for turn in turns]
    patch = hr[0].permute(1, 2, 0).numpy()
    grey = read_rgb(files[1])[:48, :68]
    turns += [np.rot90(grey, k) for k in range(4)] + [np.rot90(grey, k)[:, ::-1] for k in range(4)]
    assert any(holds(turn, patch) for turn in turns)


def holds(image: Maps, patch: Maps) -> bool:
    windows = np.lib.stride_tricks.sliding_window_view(image.astype(np.float32), patch.shape)
    return bool((np.abs(windows - patch).max((-1, -2, -3)) < 1e-6).any())


def test_luma_in_torch_is_the_field_s_without_its_offset() -> None:
    image = drawn(1, 3, 4, 5)
    expected = luma(image[0].permute(1, 2, 0).numpy().astype(np.float64)) - 16 / 255
    np.testing.assert_allclose(luma_of(image)[0, 0].numpy(), expected, atol=1e-6)


@pytest.mark.usefixtures("narrow")
def test_a_colour_net_is_validated_on_y(photos: Path) -> None:
    net = enhancenet.EnhanceNet(4)
    net.initialise(drawn(4, 3, 12, 12))
    pairs = colour_pairs(sorted(photos.iterdir()), 4)
    by_hand = []
    for lr, hr in pairs:
        large = upscale(lr.transpose(1, 2, 0), 4)
        by_hand.append(psnr_db(luma(large), hr, 4))
    assert psnr_of(net, pairs, 4) == pytest.approx(np.mean(by_hand), abs=0.01)
