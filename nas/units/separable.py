"""The unit of MobileNetV1."""

from __future__ import annotations

import torch
from torch import nn

from nas.units.convolution import convolution, depthwise


class Separable(nn.Module):
    """Depthwise with the stride, ReLU; 1x1, ReLU. No activation is missing, nothing is added.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)).

    Reference: Howard et al. 2017, MobileNets, sec. 3.1 and fig. 3.
    """

    def __init__(
        self, *, in_channels: int, out_channels: int, stride: int = 1, kernel_size: int = 3
    ) -> None:
        super().__init__()
        self.path = nn.Sequential(
            depthwise(in_channels, kernel_size=kernel_size, stride=stride, activation="relu"),
            convolution(in_channels, out_channels, activation="relu"),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        out: torch.Tensor = self.path(x)
        return out
