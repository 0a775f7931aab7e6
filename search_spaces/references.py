"""AlexNet, SqueezeNet 1.0, GoogLeNet and VGG-16 as plain torch modules, for counting and timing.

They stand beside the published networks of the search spaces, which they are compared with, and are
no architectures: a search does not reach them. All pool adaptively before their classifiers, so
other inputs than 224x224 work, from 64x64 on.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn


def _conv(
    into: int, out: int, kernel_size: int, *, stride: int = 1, padding: int = 0, groups: int = 1
) -> list[nn.Module]:
    conv = nn.Conv2d(into, out, kernel_size, stride=stride, padding=padding, groups=groups)
    return [conv, nn.ReLU(inplace=True)]


def _dense(features: int, classes: int) -> list[nn.Module]:
    return [
        nn.Flatten(),
        nn.Dropout(),
        nn.Linear(features, 4096),
        nn.ReLU(inplace=True),
        nn.Dropout(),
        nn.Linear(4096, 4096),
        nn.ReLU(inplace=True),
        nn.Linear(4096, classes),
    ]


def alexnet(*, channels: int = 3, classes: int = 1000) -> nn.Sequential:
    """AlexNet with its two groups and its local response normalisation.

    Shape:
        (N, channels, H, W) to (N, classes).

    Reference: Krizhevsky et al. 2012, ImageNet classification with deep convolutional networks.
    """
    return nn.Sequential(
        *_conv(channels, 96, 11, stride=4, padding=2),
        nn.LocalResponseNorm(5, k=2.0),
        nn.MaxPool2d(3, stride=2),
        *_conv(96, 256, 5, padding=2, groups=2),
        nn.LocalResponseNorm(5, k=2.0),
        nn.MaxPool2d(3, stride=2),
        *_conv(256, 384, 3, padding=1),
        *_conv(384, 384, 3, padding=1, groups=2),
        *_conv(384, 256, 3, padding=1, groups=2),
        nn.AdaptiveMaxPool2d(6),
        *_dense(256 * 6 * 6, classes),
    )


class Fire(nn.Module):
    """SqueezeNet's module: a 1x1 layer, then 1x1 and 3x3 layers side by side.

    Shape:
        (N, into, H, W) to (N, 2 * expanded, H, W).

    Reference: Iandola et al. 2016, SqueezeNet, sec. 3.2.
    """

    def __init__(self, into: int, squeezed: int, expanded: int) -> None:
        super().__init__()
        self.squeeze = nn.Sequential(*_conv(into, squeezed, 1))
        self.narrow = nn.Sequential(*_conv(squeezed, expanded, 1))
        self.wide = nn.Sequential(*_conv(squeezed, expanded, 3, padding=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        x = self.squeeze(x)
        return torch.cat((self.narrow(x), self.wide(x)), dim=1)


def squeezenet_1_0(*, channels: int = 3, classes: int = 1000) -> nn.Sequential:
    """SqueezeNet 1.0, whose classifier is a 1x1 convolution before the pooling.

    Shape:
        (N, channels, H, W) to (N, classes).

    Reference: Iandola et al. 2016, SqueezeNet, Table 1.
    """
    return nn.Sequential(
        *_conv(channels, 96, 7, stride=2),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        Fire(96, 16, 64),
        Fire(128, 16, 64),
        Fire(128, 32, 128),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        Fire(256, 32, 128),
        Fire(256, 48, 192),
        Fire(384, 48, 192),
        Fire(384, 64, 256),
        nn.MaxPool2d(3, stride=2, ceil_mode=True),
        Fire(512, 64, 256),
        nn.Dropout(),
        *_conv(512, classes, 1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


class Inception(nn.Module):
    """GoogLeNet's module: 1x1, 3x3, 5x5 and pooling side by side, narrowed by 1x1 first.

    Shape:
        (N, into, H, W) to (N, sum of the four branches' last channels, H, W).

    Reference: Szegedy et al. 2015, Going deeper with convolutions, fig. 2b.
    """

    def __init__(
        self, into: int, one: int, three: tuple[int, int], five: tuple[int, int], pooled: int
    ) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                nn.Sequential(*_conv(into, one, 1)),
                nn.Sequential(*_conv(into, three[0], 1), *_conv(*three, 3, padding=1)),
                nn.Sequential(*_conv(into, five[0], 1), *_conv(*five, 5, padding=2)),
                nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), *_conv(into, pooled, 1)),
            ]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


def googlenet(*, channels: int = 3, classes: int = 1000) -> nn.Sequential:
    """GoogLeNet without its auxiliary classifiers, with local response normalisation.

    Shape:
        (N, channels, H, W) to (N, classes).

    Reference: Szegedy et al. 2015, Going deeper with convolutions, Table 1.
    """

    def pool() -> nn.MaxPool2d:
        return nn.MaxPool2d(3, stride=2, ceil_mode=True)

    return nn.Sequential(
        *_conv(channels, 64, 7, stride=2, padding=3),
        pool(),
        nn.LocalResponseNorm(5),
        *_conv(64, 64, 1),
        *_conv(64, 192, 3, padding=1),
        nn.LocalResponseNorm(5),
        pool(),
        Inception(192, 64, (96, 128), (16, 32), 32),
        Inception(256, 128, (128, 192), (32, 96), 64),
        pool(),
        Inception(480, 192, (96, 208), (16, 48), 64),
        Inception(512, 160, (112, 224), (24, 64), 64),
        Inception(512, 128, (128, 256), (24, 64), 64),
        Inception(512, 112, (144, 288), (32, 64), 64),
        Inception(528, 256, (160, 320), (32, 128), 128),
        pool(),
        Inception(832, 256, (160, 320), (32, 128), 128),
        Inception(832, 384, (192, 384), (48, 128), 128),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.4),
        nn.Linear(1024, classes),
    )


def vgg_16(*, channels: int = 3, classes: int = 1000) -> nn.Sequential:
    """VGG-16 (configuration D), without batch normalisation.

    Shape:
        (N, channels, H, W) to (N, classes).

    Reference: Simonyan and Zisserman 2015, Very deep convolutional networks, Table 1.
    """
    layers: list[nn.Module] = []
    into = channels
    for out, repeats in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(repeats):
            layers += _conv(into, out, 3, padding=1)
            into = out
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(7), *_dense(512 * 7 * 7, classes))


REFERENCES: dict[str, Callable[..., nn.Module]] = {
    "alexnet": alexnet,
    "squeezenet_1_0": squeezenet_1_0,
    "googlenet": googlenet,
    "vgg_16": vgg_16,
}
