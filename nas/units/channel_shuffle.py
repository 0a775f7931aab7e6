"""The channel shuffle, which lets information cross the groups of grouped convolutions."""

from __future__ import annotations

import torch
from torch import nn


class ChannelShuffle(nn.Module):
    """Channel j * (C / groups) + i goes to place i * groups + j.

    A pure permutation: C channels seen as a (groups, C / groups) matrix are transposed. Groups
    are all connected by it only if each holds at least `groups` channels.

    Shape:
        (N, C, H, W) to (N, C, H, W), C a multiple of groups; the memory format is kept.

    Reference: Zhang et al. 2018, ShuffleNet, sec. 3.1. (The released code transposes the
    (C / groups, groups) matrix, which is the inverse permutation: the same networks, but their
    weights are not interchangeable without permuting.)
    """

    def __init__(self, channels: int, *, groups: int) -> None:
        super().__init__()
        self.channels = channels
        self.groups = groups

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        height, width = x.shape[2:]
        parts = (self.groups, self.channels // self.groups)
        if not x.is_contiguous() and not torch.compiler.is_exporting():
            # Channels last: permuted where it lies, as the plain way would change the format.
            rows = x.permute(0, 2, 3, 1).reshape(-1, height, width, *parts)
            rows = rows.transpose(3, 4).reshape(-1, height, width, self.channels)
            return rows.permute(0, 3, 1, 2)
        # -1 for the batch: an exported program then takes any batch without computing shapes.
        x = x.reshape(-1, *parts, height, width).transpose(1, 2)
        return x.reshape(-1, self.channels, height, width)

    def extra_repr(self) -> str:
        """What is printed of it."""
        return f"{self.channels}, groups={self.groups}"
