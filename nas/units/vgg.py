"""The unit of VGG, with batch normalisation, as ShuffleNet's comparison has it."""

from __future__ import annotations

import torch
from torch import nn

from nas.units.convolution import convolution


class Vgg(nn.Module):
    """3x3 with the stride, ReLU; 3x3, ReLU. No activation is missing, nothing is added.

    VGG halves the maps by pooling; here, in ShuffleNet's frame, the first convolution strides.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)).

    Reference: Simonyan and Zisserman 2015, sec. 2; Zhang et al. 2018, ShuffleNet, Table 4.
    """

    def __init__(
        self, *, in_channels: int, out_channels: int, stride: int = 1, kernel_size: int = 3
    ) -> None:
        super().__init__()
        self.path = nn.Sequential(
            convolution(
                in_channels,
                out_channels,
                kernel_size=kernel_size,
                stride=stride,
                activation="relu",
            ),
            convolution(out_channels, out_channels, kernel_size=kernel_size, activation="relu"),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        out: torch.Tensor = self.path(x)
        return out
