"""MobileNetV1, MobileNetV2 and IGCV3-D, as architectures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.unit_rules import make_divisible
from search_spaces.frame import Size, frame

STEM_CHANNELS = 32
LAST_CHANNELS = 1280


class Row(NamedTuple):
    """One row of a paper's table: t, c, n and s."""

    expansion: float
    channels: int
    depth: int
    stride: int


V1_ROWS = (
    Row(1, 64, 1, 1),
    Row(1, 128, 1, 2),
    Row(1, 128, 1, 1),
    Row(1, 256, 1, 2),
    Row(1, 256, 1, 1),
    Row(1, 512, 1, 2),
    Row(1, 512, 5, 1),
    Row(1, 1024, 1, 2),
    Row(1, 1024, 1, 1),
)
V2_ROWS = (
    Row(1, 16, 1, 1),
    Row(6, 24, 2, 2),
    Row(6, 32, 3, 2),
    Row(6, 64, 4, 2),
    Row(6, 96, 3, 1),
    Row(6, 160, 3, 2),
    Row(6, 320, 1, 1),
)
IGCV3_DEPTHS = (1, 4, 6, 8, 6, 6, 1)


def _units(unit: UnitSpec, rows: Sequence[Row], strides: Sequence[int]) -> tuple[UnitSpec, ...]:
    units: list[UnitSpec] = []
    for row, stride in zip(rows, strides, strict=True):
        member = replace(unit, out_channels=row.channels, expansion=row.expansion)
        units += [replace(member, stride=stride), *[member] * (row.depth - 1)]
    return tuple(units)


def mobilenet_v1(width: float, *, input: Size = (3, 224, 224), classes: int = 1000) -> Architecture:
    """MobileNetV1 with `width` times its channels.

    Reference: Howard et al. 2017, MobileNets, Table 1.
    """
    rows = [row._replace(channels=int(row.channels * width)) for row in V1_ROWS]
    shape = frame(input, strides=[row.stride for row in rows], pool=False)
    return Architecture(
        input=input,
        stem=StemSpec(int(STEM_CHANNELS * width), stride=shape.stem_stride, pool=False),
        units=_units(UnitSpec("separable", 1), rows, shape.strides),
        head=HeadSpec(bias=True),
        classes=classes,
    )


def mobilenet_v2(width: float, *, input: Size = (3, 224, 224), classes: int = 1000) -> Architecture:
    """MobileNetV2 with `width` times its channels, multiples of 8; the last 1x1 is never narrower.

    Reference: Sandler et al. 2018, MobileNetV2, Table 2; rounding of the released code.
    """
    rows = [row._replace(channels=make_divisible(row.channels * width)) for row in V2_ROWS]
    shape = frame(input, strides=[row.stride for row in rows], pool=False)
    return Architecture(
        input=input,
        stem=StemSpec(
            make_divisible(STEM_CHANNELS * width), shape.stem_stride, pool=False, activation="relu6"
        ),
        units=_units(UnitSpec("inverted_residual", 1), rows, shape.strides),
        head=HeadSpec(
            max(LAST_CHANNELS, make_divisible(LAST_CHANNELS * width)),
            activation="relu6",
            dropout=0.2,
            bias=True,
        ),
        classes=classes,
    )


def igcv3_d(*, input: Size = (3, 224, 224), classes: int = 1000) -> Architecture:
    """IGCV3-D: MobileNetV2's widths with more units, whose pointwise convolutions have 2 groups.

    Reference: Sun et al. 2018, IGCV3, sec. 4, and its released code.
    """
    rows = [row._replace(depth=n) for row, n in zip(V2_ROWS, IGCV3_DEPTHS, strict=True)]
    shape = frame(input, strides=[row.stride for row in rows], pool=False)
    return Architecture(
        input=input,
        stem=StemSpec(STEM_CHANNELS, shape.stem_stride, pool=False, activation="relu6"),
        units=_units(UnitSpec("inverted_residual", 1, groups=2), rows, shape.strides),
        head=HeadSpec(LAST_CHANNELS, activation="relu6", bias=True),
        classes=classes,
    )
