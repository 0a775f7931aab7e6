"""Squeeze and excitation: channels weighted by what the whole image shows."""

from __future__ import annotations

import torch
from torch import nn


class SqueezeExcitation(nn.Module):
    """Global average, 1x1 to `squeezed_channels`, ReLU, 1x1 back, sigmoid, multiplied in.

    Shape:
        (N, channels, H, W) to the same.

    Reference: Hu et al. 2018, Squeeze-and-Excitation Networks, sec. 3.
    """

    def __init__(self, channels: int, *, squeezed_channels: int) -> None:
        super().__init__()
        self.weights = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed_channels, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(squeezed_channels, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        weighted: torch.Tensor = x * self.weights(x)
        return weighted
