"""An architecture as a torch module."""

from __future__ import annotations

import math
from collections import OrderedDict
from itertools import pairwise
from typing import Literal, NamedTuple, overload

import torch
from torch import nn

from nas.architecture import Architecture, HeadSpec, StemSpec
from nas.errors import ArchitectureError
from nas.units import UNITS, build_unit
from nas.units.convolution import convolution
from nas.units.shuffle_v1 import ShuffleV1
from nas.units.shuffle_v2 import ShuffleV2

FEATURE_STRIDES = (4, 8, 16, 32)


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


class FeatureMaps(nn.Module):
    """The network without its head: the last map of each stride from 4 to 32, for detection.

    `channels` holds each map's channels by its stride. Parameters have the names they have in
    `Network`, so a trained classifier's weights load with `strict=False`.

    Shape:
        (N, C, H, W) to {stride: (N, channels[stride], ceil(H / stride), ceil(W / stride))}.
    """

    def __init__(self, stem: nn.Module, units: nn.Sequential, maps: dict[int, _Map]) -> None:
        super().__init__()
        self.stem = stem
        self.units = units
        self.channels = {stride: found.channels for stride, found in maps.items()}
        self._strides = {found.unit: stride for stride, found in maps.items()}

    def forward(self, x: torch.Tensor) -> dict[int, torch.Tensor]:
        """The maps by stride, the largest first."""
        maps: dict[int, torch.Tensor] = {}
        x = self.stem(x)
        for index, unit in enumerate((nn.Identity(), *self.units)):
            x = unit(x)
            if index in self._strides:
                maps[self._strides[index]] = x
        return maps


class _Map(NamedTuple):
    """A map behind `unit` units (0: the stem)."""

    unit: int
    channels: int


def _maps(architecture: Architecture) -> dict[int, _Map]:
    stem = architecture.stem
    stride = stem.stride * (2 if stem.pool else 1)
    maps = {stride: _Map(0, stem.out_channels)}
    for index, unit in enumerate(architecture.units):
        stride *= unit.stride
        maps[stride] = _Map(index + 1, unit.out_channels)
    found = {stride: maps[stride] for stride in FEATURE_STRIDES if stride in maps}
    if not found:
        raise ArchitectureError(
            "architecture, features: a map must have one of the strides detection takes; got "
            f"strides {', '.join(map(str, maps))}; allowed: {FEATURE_STRIDES}"
        )
    return found


@overload
def build(architecture: Architecture, *, features: Literal[False] = False) -> Network: ...
@overload
def build(architecture: Architecture, *, features: Literal[True]) -> FeatureMaps: ...
def build(architecture: Architecture, *, features: bool = False) -> Network | FeatureMaps:
    """The module of an architecture, in training mode, freshly initialised.

    A classifier, or with `features` the feature maps at strides 4 to 32 (see `FeatureMaps`).
    Weights come from torch's global generator: seed it first (`torch.manual_seed`). Builds on the
    current default device, meta included.

    Raises:
        ArchitectureError: `features` of a network without a map of such a stride.

    Reference: initial weights as the released code of ShuffleNet v1 and v2 has them: convolutions
    normal with deviation 1 / (input channels of a group), the stem 0.01, normalisation bias
    0.0001, classifier 0.01; those of other units as MobileNeXt's and MobileNetV2's: deviation
    sqrt(2 / (kernel area x output channels)), normalisation bias 0. Stem and head follow the unit
    beside them; a unit of the user's own keeps what it was built with.
    """
    channels, *_ = architecture.input
    stem = build_stem(channels, architecture.stem)
    units = nn.Sequential(*(build_unit(plan) for plan in architecture.plans))
    network: Network | FeatureMaps
    if features:
        network = FeatureMaps(stem, units, _maps(architecture))
    else:
        width = architecture.units[-1].out_channels
        network = Network(stem, units, build_head(width, architecture.head, architecture.classes))
    _initialise(network)
    return network


def build_stem(channels: int, stem: StemSpec) -> nn.Sequential:
    """The stem for images of `channels`, with torch's initial weights."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    widths = (channels, *stem.before, stem.out_channels)
    for index, (into, out) in enumerate(pairwise(widths)):
        layers[f"conv{index or ''}"] = convolution(
            into,
            out,
            kernel_size=3,
            stride=1 if index else stem.stride,
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


def _initialise(network: Network | FeatureMaps) -> None:
    units = list(network.units)
    _initialise_as(units[0], network.stem, stem=True)
    for unit in units:
        _initialise_as(unit, unit)
    if isinstance(network, Network):
        _initialise_as(units[-1], network.head)


def _initialise_as(unit: nn.Module, part: nn.Module, *, stem: bool = False) -> None:
    """Initial weights of `part` as networks of this kind of unit have them."""
    if part is unit and type(unit) not in UNITS.values():
        return  # the user's own knows better
    shuffle = isinstance(unit, ShuffleV1 | ShuffleV2)
    for module in part.modules():
        if isinstance(module, nn.Conv2d):
            area = module.kernel_size[0] * module.kernel_size[1]
            deviation = math.sqrt(2 / (area * module.out_channels))
            if shuffle:
                deviation = 0.01 if stem else 1 / module.weight.shape[1]
            nn.init.normal_(module.weight, 0, deviation)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.constant_(module.bias, 0.0001 if shuffle else 0.0)
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
