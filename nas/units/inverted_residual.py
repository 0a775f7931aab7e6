"""The unit of MobileNetV2 and of IGCV3."""

from __future__ import annotations

import torch
from torch import nn

from nas.units.channel_shuffle import ChannelShuffle
from nas.units.convolution import convolution, depthwise


class InvertedResidual(nn.Module):
    """A depthwise convolution on `hidden_channels` between two narrow ends.

    MobileNetV2 (one group): 1x1, ReLU6, absent where it would not widen; depthwise with the stride,
    ReLU6; 1x1, no activation (a linear bottleneck loses no information). IGCV3 (more groups):
    1x1 in groups, no activation (interleaved group convolutions stand for a single dense one);
    permutation; depthwise, ReLU6; 1x1 in groups, no activation; the inverse permutation. Where
    width and stride stay, the input is added; nothing follows.

    IGCV3's released code permutes by 2 and C / 2 for its 2 groups; for g groups here g and C / g.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)).

    Reference: Sandler et al. 2018, MobileNetV2, sec. 3; Sun et al. 2018, IGCV3, sec. 3.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        hidden_channels: int,
        stride: int = 1,
        kernel_size: int = 3,
        groups: int = 1,
    ) -> None:
        super().__init__()
        self.adds = stride == 1 and in_channels == out_channels
        layers: list[nn.Module] = []
        if groups > 1:
            layers += [
                convolution(in_channels, hidden_channels, groups=groups),
                ChannelShuffle(hidden_channels, groups=groups),
            ]
        elif hidden_channels != in_channels:
            layers.append(convolution(in_channels, hidden_channels, activation="relu6"))
        layers += [
            depthwise(hidden_channels, kernel_size=kernel_size, stride=stride, activation="relu6"),
            convolution(hidden_channels, out_channels, groups=groups),
        ]
        if groups > 1:
            layers.append(ChannelShuffle(out_channels, groups=out_channels // groups))
        self.path = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        out: torch.Tensor = self.path(x)
        return out + x if self.adds else out
