"""The unit of MobileNeXt."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from nas.units.convolution import convolution, depthwise


class Sandglass(nn.Module):
    """Two depthwise convolutions on the wide tensors around a bottleneck of two pointwise ones.

    Depthwise, ReLU6; 1x1 to `hidden_channels`, no activation (the bottleneck is linear, lest it
    lose information); 1x1, ReLU6; depthwise with the stride, no activation (what the unit gives is
    linear too, as it is added to the identity). The identity joins the wide ends: the first
    `identity_channels` channels of the input are added, in place, and nothing follows the sum.
    `depthwise` tells which of the depthwise convolutions exist: "both", "last" or "none"; or
    "inside": 1x1, ReLU6; one depthwise with the stride in the bottleneck, ReLU6; 1x1, no
    activation, which is the classic bottleneck that the paper finds worse.

    Paper and released code differ: the paper has both depthwise convolutions in every unit and
    in / t hidden channels; the code, which is the default, leaves them out of units that change the
    width and floors the hidden channels (`variant` of `nas.unit_rules.sandglass`).

    Shape:
        (N, in_channels, H, W) to (N, out_channels, ceil(H / stride), ceil(W / stride)).

    Reference: Zhou et al. 2020, MobileNeXt, sec. 3 and 4, and its released code.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        hidden_channels: int,
        stride: int = 1,
        kernel_size: int = 3,
        depthwise: str = "both",
        identity_channels: int = 0,
    ) -> None:
        super().__init__()
        self.identity_channels = identity_channels
        self.path = _path(
            in_channels, hidden_channels, out_channels, stride, kernel_size, depthwise
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """See the class."""
        out: torch.Tensor = self.path(x)
        kept = self.identity_channels
        if kept == out.shape[1]:
            out += x
        elif kept and (torch.compiler.is_exporting() or torch.onnx.is_in_onnx_export()):
            # A runtime turns adding in place into a scatter, which costs more than the padding.
            out = out + functional.pad(x[:, :kept], (0, 0, 0, 0, 0, out.shape[1] - kept))
        elif kept:
            # In place on a part: concatenating instead costs more than adding all channels.
            out[:, :kept] += x[:, :kept]
        return out


def _path(
    into: int, hidden: int, out: int, stride: int, kernel_size: int, which: str
) -> nn.Sequential:
    if which == "inside":
        return nn.Sequential(
            convolution(into, hidden, activation="relu6"),
            depthwise(hidden, kernel_size=kernel_size, stride=stride, activation="relu6"),
            convolution(hidden, out),
        )
    layers = [convolution(into, hidden), convolution(hidden, out, activation="relu6")]
    if which == "both":
        layers.insert(0, depthwise(into, kernel_size=kernel_size, activation="relu6"))
    if which != "none":
        layers.append(depthwise(out, kernel_size=kernel_size, stride=stride))
    return nn.Sequential(*layers)
