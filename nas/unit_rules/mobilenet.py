"""The channel rule of MobileNetV2's and IGCV3's unit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nas.unit_rules.rule import OptionValue, Plan, check_divides

if TYPE_CHECKING:
    from nas.architecture import UnitSpec


class InvertedResidualRule:
    """MobileNetV2's inverted residual: in * expansion channels between two narrow ends.

    With more than one group it is IGCV3's unit: both pointwise convolutions in groups, a
    permutation behind each, no activation behind the first. Expansion 1 has no first pointwise
    convolution without groups, and one with groups.

    Reference: Sandler et al. 2018, MobileNetV2, Table 1; Sun et al. 2018, IGCV3, sec. 3.
    """

    expansion = 6.0
    uses = frozenset({"groups", "expansion", "kernel_size"})
    options: Mapping[str, tuple[OptionValue, ...]] = {}
    grows = False

    def out_step(self, unit: UnitSpec) -> int:
        """The groups of the last pointwise convolution."""
        return unit.groups

    def in_step(self, unit: UnitSpec, *, first: bool) -> int:
        """The groups of the first pointwise convolution."""
        return unit.groups

    def plan(self, unit: UnitSpec, in_channels: int, *, first: bool) -> Plan:
        """See `UnitRule.plan`."""
        check_divides(unit, "in_channels", in_channels, unit.groups)
        check_divides(unit, "out_channels", unit.out_channels, unit.groups)
        hidden = round(in_channels * unit.expansion)
        return {
            "unit": "inverted_residual",
            "in_channels": in_channels,
            "out_channels": unit.out_channels,
            "hidden_channels": math.ceil(hidden / unit.groups) * unit.groups,
            "stride": unit.stride,
            "kernel_size": unit.kernel_size,
            "groups": unit.groups,
        }
