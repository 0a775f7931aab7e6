"""A convolution with its normalisation and activation, the brick of every unit."""

from __future__ import annotations

from collections import OrderedDict

from torch import nn

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "relu6": nn.ReLU6}


def convolution(
    in_channels: int,
    out_channels: int,
    *,
    kernel_size: int = 1,
    stride: int = 1,
    groups: int = 1,
    activation: str = "",
) -> nn.Sequential:
    """Convolution without bias, batch normalisation, and `activation` unless that is empty.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)).
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = nn.Conv2d(
        in_channels,
        out_channels,
        kernel_size,
        stride=stride,
        padding=kernel_size // 2,
        groups=groups,
        bias=False,
    )
    layers["norm"] = nn.BatchNorm2d(out_channels)
    if activation:
        # In place: batch normalisation needs its input for the backward pass, not its output.
        layers["activation"] = ACTIVATIONS[activation](inplace=True)
    return nn.Sequential(layers)


def depthwise(
    channels: int, *, kernel_size: int, stride: int = 1, activation: str = ""
) -> nn.Sequential:
    """`convolution` with one group a channel.

    Shape:
        (N, channels, H, W) to (N, channels, ceil(H / stride), ceil(W / stride)).
    """
    return convolution(
        channels,
        channels,
        kernel_size=kernel_size,
        stride=stride,
        groups=channels,
        activation=activation,
    )
