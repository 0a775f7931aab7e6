"""The networks of ShuffleNet V2's four guidelines, with the numbers the paper prints for them.

Reference: Ma et al. 2018, ShuffleNet V2, sec. 2, tables 1-4. Units of the printed speeds: batches a
second (GTX 1080Ti), images a second (Snapdragon 810, one thread). The input of G1-G3 is 56x56; that
of G4 is not stated and is taken to be the same. G1-G3 are convolutions alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

SIZE = 56
BLOCKS = 10
COLUMNS = ("arm", "gpu")
"""Of the paper's tables, each x1: channels for a small device, for a large one (G4: the same)."""


@dataclass(frozen=True)
class Setup:
    """One row of a guideline's table.

    `gpu` and `arm` are the speeds printed in the column x1, `gpu_cost` and `arm_cost` what the
    printed channels of those columns cost: multiply-adds up to a factor that the rows of a
    guideline share. `note` says where this row differs from the paper's.
    """

    guideline: str
    label: str
    channels: int
    build: Callable[[], nn.Module]
    gpu: float
    arm: float
    note: str = ""
    gpu_cost: float = 1.0
    arm_cost: float = 1.0


class Parallel(nn.Module):
    """Branches on the same input, added (how the paper merges them cannot be retrieved)."""

    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The sum of the branches."""
        y: torch.Tensor = self.branches[0](x)
        for branch in self.branches[1:]:
            y = y + branch(x)
        return y


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with a quarter of the channels inside, with or without ReLU and shortcut."""

    def __init__(self, channels: int, *, relu: bool, shortcut: bool) -> None:
        super().__init__()
        inner = max(1, channels // 4)
        layers: list[nn.Module] = []
        for into, out, kernel in ((channels, inner, 1), (inner, inner, 3), (inner, channels, 1)):
            layers.append(_convolution(into, out, kernel_size=kernel))
            layers += [nn.ReLU()] * relu
        self.layers = nn.Sequential(*layers)
        self.shortcut = shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The layers, and the input added to what they give."""
        y: torch.Tensor = self.layers(x)
        return x + y if self.shortcut else y


def _convolution(into: int, out: int, *, kernel_size: int = 1, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(into, out, kernel_size, padding=kernel_size // 2, groups=groups, bias=False)


def setups(column: str = "arm") -> tuple[Setup, ...]:
    """All rows with the channels of one of the `COLUMNS`."""
    place = COLUMNS.index(column)
    return (*_equal_width(place), *_groups(place), *_fragments(place), *_elementwise())


def _equal_width(place: int) -> list[Setup]:
    rows = (
        ("1:1", ((32, 32), (128, 128)), 1480, 76.2),
        ("1:2", ((22, 44), (90, 180)), 1296, 72.9),
        ("1:6", ((13, 78), (52, 312)), 876, 69.1),
        ("1:12", ((9, 108), (36, 432)), 748, 57.6),
    )

    def build(into: int, out: int) -> nn.Module:
        pairs = [(_convolution(into, out), _convolution(out, into)) for _ in range(BLOCKS)]
        return nn.Sequential(*(layer for pair in pairs for layer in pair))

    return [
        Setup(
            "G1",
            ratio,
            channels[place][0],
            partial(build, *channels[place]),
            gpu,
            arm,
            arm_cost=math.prod(channels[0]),
            gpu_cost=math.prod(channels[1]),
        )
        for ratio, channels, gpu, arm in rows
    ]


def _groups(place: int) -> list[Setup]:
    rows = (
        (1, (64, 128), 2451, 40.0),
        (2, (90, 180), 1725, 35.0),
        (4, (128, 256), 1026, 32.9),
        (8, (180, 360), 634, 27.8),
    )

    def build(groups: int, width: int) -> nn.Module:
        return nn.Sequential(*(_convolution(width, width, groups=groups) for _ in range(BLOCKS)))

    return [
        Setup(
            "G2",
            f"{g} group" + "s" * (g > 1),
            width := -(-channels[place] // g) * g,
            partial(build, g, width),
            gpu,
            arm,
            f"{width} channels: the printed {channels[place]} do not divide into {g} groups"
            if width != channels[place]
            else "",
            arm_cost=channels[0] ** 2 / g,
            gpu_cost=channels[1] ** 2 / g,
        )
        for g, channels, gpu, arm in rows
    ]


def _fragments(place: int) -> list[Setup]:
    whole = (64, 128)[place]
    rows = (
        ("1 fragment", 1, False, 2446, 40.2),
        ("2 in series", 2, False, 1790, 38.6),
        ("4 in series", 4, False, 752, 38.4),
        ("2 in parallel", 2, True, 1537, 33.4),
        ("4 in parallel", 4, True, 691, 35.0),
    )

    def build(number: int, parallel: bool) -> nn.Module:
        width = fragment_width(number, whole)
        blocks: list[nn.Module] = []
        for _ in range(BLOCKS):
            parts: list[nn.Module] = [_convolution(width, width) for _ in range(number)]
            blocks.append(Parallel(parts) if parallel else nn.Sequential(*parts))
        return nn.Sequential(*blocks)

    return [
        Setup("G3", label, fragment_width(k, whole), partial(build, k, p), gpu, arm)
        for label, k, p, gpu, arm in rows
    ]


def fragment_width(number: int, width: int) -> int:
    """Channels of `number` convolutions that together cost what one of `width` does."""
    return round(width / math.sqrt(number))


def _elementwise() -> list[Setup]:
    channels = 32
    rows = (
        ("ReLU and shortcut", True, True, 2427, 56.7),
        ("ReLU", True, False, 2647, 61.9),
        ("shortcut", False, True, 2672, 57.3),
        ("neither", False, False, 2842, 66.3),
    )

    def build(relu: bool, shortcut: bool) -> nn.Module:
        units = (Bottleneck(channels, relu=relu, shortcut=shortcut) for _ in range(BLOCKS))
        return nn.Sequential(*units)

    return [
        Setup("G4", label, channels, partial(build, r, s), gpu, arm)
        for label, r, s, gpu, arm in rows
    ]
