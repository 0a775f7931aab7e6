"""The channel rule of ShuffleNet v2's unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nas.unit_rules.rule import OptionValue, Plan, check_divides, check_grows

if TYPE_CHECKING:
    from nas.architecture import UnitSpec


class ShuffleV2Rule:
    """ShuffleNet v2: split, one branch, concatenate, shuffle.

    `se` puts a squeeze-and-excitation with out/2 hidden channels on the branch, `residual` adds the
    branch's input to its output where nothing is resized, `depthwise_first` is the paper's v2*: one
    more depthwise convolution in front of the branch.

    Reference: Ma et al. 2018, ShuffleNet V2, sec. 3, 4 and appendix; authors' form of the stride-2
    unit, whose main branch gives out - in channels.
    """

    expansion = 1.0
    uses = frozenset({"kernel_size"})
    options: Mapping[str, tuple[OptionValue, ...]] = {
        "se": (False, True),
        "residual": (False, True),
        "depthwise_first": (False, True),
    }
    grows = True

    def out_step(self, unit: UnitSpec) -> int:
        """Halves."""
        return 2

    def in_step(self, unit: UnitSpec, *, first: bool) -> int:
        """Nothing is asked of the input of a stride-2 unit."""
        return 1

    def plan(self, unit: UnitSpec, in_channels: int, *, first: bool) -> Plan:
        """See `UnitRule.plan`."""
        check_divides(unit, "out_channels (two halves)", unit.out_channels, 2)
        splits = in_channels == unit.out_channels and unit.stride == 1
        if not splits:
            check_grows(unit, in_channels)
        plan: Plan = {
            "unit": "shuffle_v2",
            "in_channels": in_channels,
            "out_channels": unit.out_channels,
            "stride": unit.stride,
            "kernel_size": unit.kernel_size,
        }
        if unit.option("se", self.options):
            plan["squeezed_channels"] = unit.out_channels // 2
        if unit.option("residual", self.options) and splits:
            plan["residual"] = True
        if unit.option("depthwise_first", self.options):
            plan["depthwise_first"] = True
        return plan
