"""The unit of ShuffleNet v2."""

from __future__ import annotations

import torch
from torch import nn

from nas.units.channel_shuffle import ChannelShuffle
from nas.units.convolution import convolution, depthwise


class ShuffleV2(nn.Module):
    """Half of the channels pass untouched, the other half goes through one branch.

    Where width and stride stay: the channels are shuffled in two groups and split into halves; the
    first half passes; the second goes through 1x1, ReLU; depthwise, no activation; 1x1, ReLU;
    both are concatenated. Elsewhere nothing is split: the projection (depthwise with the stride, no
    activation; 1x1 in to in, ReLU) is concatenated in front of the branch, which gives the
    out - in channels that are missing. No convolution but the depthwise ones has groups.

    The paper draws the shuffle after the concatenation; the released code has it, as here, at
    the start of the next unit, joined with the split (even channels pass, odd ones go through
    the branch): the same reachability, and none after the last unit. torchvision's stride-2 unit
    has two branches of out / 2 channels; only the form built here gives the printed costs.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)).

    Reference: Ma et al. 2018, ShuffleNet V2, sec. 3 and fig. 3.
    """

    def __init__(
        self, *, in_channels: int, out_channels: int, stride: int = 1, kernel_size: int = 3
    ) -> None:
        super().__init__()
        self.splits = stride == 1 and in_channels == out_channels
        half = out_channels // 2
        into = half if self.splits else in_channels
        out = half if self.splits else out_channels - in_channels
        # The inverse of a shuffle in two groups: even channels first, then the odd ones.
        self.shuffle = ChannelShuffle(out_channels, groups=half) if self.splits else nn.Identity()
        self.projection = (
            nn.Identity()
            if self.splits
            else nn.Sequential(
                depthwise(in_channels, kernel_size=kernel_size, stride=stride),
                convolution(in_channels, in_channels, activation="relu"),
            )
        )
        self.branch = nn.Sequential(
            convolution(into, half, activation="relu"),
            depthwise(half, kernel_size=kernel_size, stride=stride),
            convolution(half, out, activation="relu"),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        passed, branched = self.shuffle(x).chunk(2, dim=1) if self.splits else (x, x)
        return torch.cat((self.projection(passed), self.branch(branched)), dim=1)
