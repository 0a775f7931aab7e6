"""An architecture as a torch module."""

from __future__ import annotations

import math
from collections import OrderedDict

import torch
from torch import nn

from nas.architecture import Architecture, HeadSpec, StemSpec
from nas.units import build_unit
from nas.units.convolution import convolution
from nas.units.sandglass import Sandglass


class Network(nn.Module):
    """Stem, units, head.

    Shape:
        (N, C, H, W) as the architecture's input to (N, classes); the head pools globally, so other
        heights and widths work too.
    """

    def __init__(self, stem: nn.Module, units: nn.Sequential, head: nn.Module) -> None:
        super().__init__()
        self.stem = stem
        self.units = units
        self.head = head

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits, without softmax."""
        logits: torch.Tensor = self.head(self.units(self.stem(x)))
        return logits


def build(architecture: Architecture) -> nn.Module:
    """The module of an architecture, in training mode, freshly initialised.

    Weights come from torch's global generator: seed it first (`torch.manual_seed`). Builds on the
    current default device, meta included.

    Reference: initial weights as the released code of ShuffleNet v1 and v2 has them: convolutions
    normal with deviation 1 / (input channels of a group), the stem 0.01, normalisation bias
    0.0001, classifier 0.01; those of sandglass units as MobileNeXt's: deviation
    sqrt(2 / (kernel area x output channels)), normalisation bias 0.
    """
    channels, *_ = architecture.input
    units = [build_unit(plan) for plan in architecture.plans]
    network = Network(
        build_stem(channels, architecture.stem),
        nn.Sequential(*units),
        build_head(architecture.units[-1].out_channels, architecture.head, architecture.classes),
    )
    _initialise(network)
    return network


def build_stem(channels: int, stem: StemSpec) -> nn.Sequential:
    """The stem for images of `channels`, with torch's initial weights."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["conv"] = convolution(
        channels,
        stem.out_channels,
        kernel_size=3,
        stride=stem.stride,
        activation=stem.activation,
    )
    if stem.pool:
        layers["pool"] = nn.MaxPool2d(3, stride=2, padding=1)
    return nn.Sequential(layers)


def build_head(channels: int, head: HeadSpec, classes: int) -> nn.Sequential:
    """The head on `channels` of the last unit, with torch's initial weights."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    if head.out_channels:
        layers["conv"] = convolution(channels, head.out_channels, activation=head.activation)
        channels = head.out_channels
    layers["pool"] = nn.AdaptiveAvgPool2d(1)
    layers["flatten"] = nn.Flatten()
    if head.dropout:
        layers["dropout"] = nn.Dropout(head.dropout)
    layers["classifier"] = nn.Linear(channels, classes, bias=head.bias)
    return nn.Sequential(layers)


def _initialise(network: nn.Module) -> None:
    he = {
        id(part)
        for unit in network.modules()
        if isinstance(unit, Sandglass)
        for part in unit.modules()
    }
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            deviation = 0.01 if name.startswith("stem") else 1 / module.weight.shape[1]
            if id(module) in he:
                area = module.kernel_size[0] * module.kernel_size[1]
                deviation = math.sqrt(2 / (area * module.out_channels))
            nn.init.normal_(module.weight, 0, deviation)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.bias, 0.0 if id(module) in he else 0.0001)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
