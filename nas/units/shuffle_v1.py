"""The unit of ShuffleNet v1."""

from __future__ import annotations

import torch
from torch import nn

from nas.units.channel_shuffle import ChannelShuffle
from nas.units.convolution import convolution, depthwise
from nas.units.squeeze_excitation import SqueezeExcitation


class ShuffleV1(nn.Module):
    """A bottleneck of grouped pointwise convolutions with a channel shuffle between them.

    Branch: 1x1 in groups to `mid_channels`, ReLU; channel shuffle; depthwise, no activation (as in
    Xception); 1x1 in groups, no activation (it stands behind the sum). Where width and stride stay,
    the input is added and ReLU follows the sum; elsewhere the input, average-pooled 3x3 with the
    same stride and not negative as it is, is concatenated in front of ReLU(branch), which gives the
    channels that are missing.

    The first unit of a network has a dense first 1x1 (`first_groups` 1), as its input has few
    channels. Paper and released code differ in where the shuffle stands (after the first 1x1; after
    the depthwise): the same function up to the order of the depthwise weights. The paper's place
    is built. A squeeze-and-excitation of `squeezed_channels` (none if 0) weights what the branch
    gives; the paper says that it has one, not where.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)).

    Reference: Zhang et al. 2018, ShuffleNet, sec. 3.2-3.3 and fig. 2.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        mid_channels: int,
        stride: int = 1,
        kernel_size: int = 3,
        groups: int = 1,
        first_groups: int = 1,
        shuffle: bool = False,
        squeezed_channels: int = 0,
    ) -> None:
        super().__init__()
        self.joins = stride != 1 or in_channels != out_channels
        last = out_channels - in_channels if self.joins else out_channels
        self.first = convolution(in_channels, mid_channels, groups=first_groups, activation="relu")
        self.shuffle = ChannelShuffle(mid_channels, groups=groups) if shuffle else nn.Identity()
        self.depthwise = depthwise(mid_channels, kernel_size=kernel_size, stride=stride)
        self.last = convolution(mid_channels, last, groups=groups)
        self.excitation = (
            SqueezeExcitation(last, squeezed_channels=squeezed_channels)
            if squeezed_channels
            else nn.Identity()
        )
        self.pool = nn.AvgPool2d(3, stride=stride, padding=1) if self.joins else nn.Identity()
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        branch = self.depthwise(self.shuffle(self.first(x)))
        branch = self.excitation(self.last(branch))
        if self.joins:
            return torch.cat((self.pool(x), self.activation(branch)), dim=1)
        branch += x
        joined: torch.Tensor = self.activation(branch)
        return joined
