"""The unit of ShuffleNet v2."""

from __future__ import annotations

import torch
from torch import nn

from nas.units.convolution import convolution, depthwise
from nas.units.squeeze_excitation import SqueezeExcitation


class ShuffleV2(nn.Module):
    """Half of the channels pass untouched, the other half goes through one branch.

    Where width and stride stay: even channels pass; odd ones go through the branch of 1x1, ReLU;
    depthwise, no activation (as in v1); 1x1, ReLU; both are concatenated. Elsewhere nothing is
    split: the projection (depthwise with the stride, no activation; 1x1 in to in, ReLU) is
    concatenated in front of the branch, which gives the out - in channels that are missing. No
    convolution but the depthwise ones has groups.

    The paper draws a channel shuffle in two groups after the concatenation and a split into halves
    before the next unit; the released code joins the two at the start of the next unit, as here:
    taking every second channel is shuffling and splitting at once. Same reachability, nothing
    shuffled after the last unit, and 1 to 5 % of a whole network's time faster than the two steps
    one by one (benchmarks/results/papers_latency.md, `merged`). torchvision's stride-2 unit has
    two branches of out / 2 channels; only the form built here gives the printed costs.

    Variants: a squeeze-and-excitation of `squeezed_channels` (none if 0) weights what the branch
    gives, before the last ReLU; `residual` adds the branch's input in front of that ReLU;
    `depthwise_first` (v2*, for detection) has one more depthwise convolution, stride 1, no
    activation (the paper names none), in front of the branch. The paper shows the first two in a
    drawing of its appendix: "SE before add and ReLU" is all that could be read of it.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)).

    Reference: Ma et al. 2018, ShuffleNet V2, sec. 3, 4, fig. 3, appendix.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        kernel_size: int = 3,
        squeezed_channels: int = 0,
        residual: bool = False,
        depthwise_first: bool = False,
    ) -> None:
        super().__init__()
        self.splits = stride == 1 and in_channels == out_channels
        self.residual = residual
        half = out_channels // 2
        into = half if self.splits else in_channels
        out = half if self.splits else out_channels - in_channels
        self.projection = (
            nn.Identity()
            if self.splits
            else nn.Sequential(
                depthwise(in_channels, kernel_size=kernel_size, stride=stride),
                convolution(in_channels, in_channels, activation="relu"),
            )
        )
        branch: list[nn.Module] = [
            convolution(into, half, activation="relu"),
            depthwise(half, kernel_size=kernel_size, stride=stride),
            convolution(half, out),
        ]
        if depthwise_first:
            branch.insert(0, depthwise(into, kernel_size=kernel_size))
        if squeezed_channels:
            branch.append(SqueezeExcitation(out, squeezed_channels=squeezed_channels))
        self.branch = nn.Sequential(*branch)
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        passed, branched = (x[:, 0::2], x[:, 1::2]) if self.splits else (x, x)
        branch = self.branch(branched)
        if self.residual:
            branch = branch + branched
        return torch.cat((self.projection(passed), self.activation(branch)), dim=1)
