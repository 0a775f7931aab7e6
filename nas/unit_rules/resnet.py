"""The channel rule of ResNet's and ResNeXt's bottleneck."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from nas.unit_rules.rule import OptionValue, Plan, check_divides, divided, fail

if TYPE_CHECKING:
    from nas.architecture import UnitSpec


@dataclass(frozen=True)
class BottleneckRule:
    """ResNet's bottleneck of out/expansion channels; `grouped` as ResNeXt's, whose 3x3 has groups.

    ShuffleNet's Table 4 has them in its own frame, 1:4 and, with 16 groups, 1:2.

    Reference: He et al. 2016, fig. 5; Xie et al. 2017, fig. 3c.
    """

    expansion: float = 4.0
    grouped: bool = False
    options: Mapping[str, tuple[OptionValue, ...]] = field(default_factory=dict)

    grows: ClassVar[bool] = False

    @property
    def uses(self) -> frozenset[str]:
        """Groups only in ResNeXt."""
        always = frozenset({"expansion", "kernel_size"})
        return always | {"groups"} if self.grouped else always

    def out_step(self, unit: UnitSpec) -> int:
        """The least width whose bottleneck is whole and divides into the groups."""
        ratio = Fraction(unit.expansion).limit_denominator(64)
        bottleneck = math.lcm(ratio.denominator, unit.groups if self.grouped else 1)
        return bottleneck * ratio.numerator // ratio.denominator

    def in_step(self, unit: UnitSpec, *, first: bool) -> int:
        """Any width."""
        return 1

    def plan(self, unit: UnitSpec, in_channels: int, *, first: bool) -> Plan:
        """See `UnitRule.plan`."""
        groups = unit.groups if self.grouped else 1
        mid = divided(unit.out_channels, unit.expansion)
        if mid is None:
            raise fail(
                unit,
                f"out_channels / expansion ({unit.expansion:g}) must be whole",
                unit.out_channels,
                f"allowed are multiples of {self.out_step(unit)}",
            )
        check_divides(unit, "the bottleneck, out_channels / expansion,", mid, groups)
        return {
            "unit": "bottleneck",
            "in_channels": in_channels,
            "out_channels": unit.out_channels,
            "mid_channels": mid,
            "stride": unit.stride,
            "kernel_size": unit.kernel_size,
            "groups": groups,
        }
