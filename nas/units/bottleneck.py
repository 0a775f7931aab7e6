"""The unit of ResNet and of ResNeXt."""

from __future__ import annotations

import torch
from torch import nn

from nas.units.convolution import convolution


class Bottleneck(nn.Module):
    """1x1 to `mid_channels`, ReLU; 3x3 with the stride, in groups for ResNeXt, ReLU; 1x1.

    The last convolution has no activation, so that what is added can be negative too: ReLU follows
    the sum with the input, which a 1x1 convolution with the stride and no activation brings to size
    where width or stride change. The paper's ResNet-50 has the stride on its first 1x1; here, as in
    later code, on the 3x3.

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)).

    Reference: He et al. 2016, Deep residual learning, fig. 5; Xie et al. 2017, ResNeXt, fig. 3c.
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
    ) -> None:
        super().__init__()
        self.path = nn.Sequential(
            convolution(in_channels, mid_channels, activation="relu"),
            convolution(
                mid_channels,
                mid_channels,
                kernel_size=kernel_size,
                stride=stride,
                groups=groups,
                activation="relu",
            ),
            convolution(mid_channels, out_channels),
        )
        changes = stride != 1 or in_channels != out_channels
        self.projection = (
            convolution(in_channels, out_channels, stride=stride) if changes else nn.Identity()
        )
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        out: torch.Tensor = self.activation(self.path(x) + self.projection(x))
        return out
