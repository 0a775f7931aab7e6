"""The channel rule of ShuffleNet v1's unit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar

from nas.unit_rules.rule import OptionValue, Plan, check_divides, check_grows, divided, fail

if TYPE_CHECKING:
    from nas.architecture import UnitSpec


@dataclass(frozen=True)
class ShuffleV1Rule:
    """ShuffleNet v1: grouped bottleneck of out/expansion channels around a shuffle.

    `se` is the reduction of a squeeze-and-excitation on the branch, 0 for none; `shuffle` False
    leaves the shuffle out, as the paper's Table 3 does. Not `grouped`: the paper's Xception-like
    unit, which is this one with a single group, whatever groups are asked for.

    Reference: Zhang et al. 2018, ShuffleNet, sec. 3.2-3.3; only the first unit of a network has a
    dense first pointwise convolution.
    """

    grouped: bool = True

    expansion: ClassVar[float] = 4.0
    grows: ClassVar[bool] = True

    @property
    def uses(self) -> frozenset[str]:
        """Groups only where they are."""
        always = frozenset({"expansion", "kernel_size"})
        return always | {"groups"} if self.grouped else always

    @property
    def options(self) -> Mapping[str, tuple[OptionValue, ...]]:
        """Without groups there is nothing to shuffle."""
        shuffle: dict[str, tuple[OptionValue, ...]] = {"shuffle": (True, False)}
        return {"se": (0, 4, 8, 16), **(shuffle if self.grouped else {})}

    def _groups(self, unit: UnitSpec) -> int:
        return unit.groups if self.grouped else 1

    def out_step(self, unit: UnitSpec) -> int:
        """The least width whose bottleneck is whole and divides into the groups."""
        groups = self._groups(unit)
        ratio = Fraction(unit.expansion).limit_denominator(64)
        bottleneck = math.lcm(ratio.denominator, groups)
        return math.lcm(bottleneck * ratio.numerator // ratio.denominator, groups)

    def in_step(self, unit: UnitSpec, *, first: bool) -> int:
        """The groups, also for the first unit: its last convolution gives out - in channels."""
        return self._groups(unit)

    def plan(self, unit: UnitSpec, in_channels: int, *, first: bool) -> Plan:
        """See `UnitRule.plan`."""
        groups, out = self._groups(unit), unit.out_channels
        mid = divided(out, unit.expansion)
        if mid is None:
            raise fail(
                unit,
                f"out_channels / expansion ({unit.expansion:g}) must be whole",
                out,
                f"allowed are multiples of {self.out_step(unit)}",
            )
        joins = in_channels != out or unit.stride != 1
        if joins:
            check_grows(unit, in_channels)
        check_divides(unit, "the bottleneck, out_channels / expansion,", mid, groups)
        if not first:
            check_divides(unit, "in_channels", in_channels, groups)
        last = out - in_channels * joins
        check_divides(unit, "what the last convolution gives", last, groups)
        plan: Plan = {
            "unit": "shuffle_v1",
            "in_channels": in_channels,
            "out_channels": out,
            "mid_channels": mid,
            "stride": unit.stride,
            "kernel_size": unit.kernel_size,
            "groups": groups,
        }
        if groups > 1:
            plan["first_groups"] = 1 if first else groups
            # With one channel a group the shuffle permutes nothing.
            plan["shuffle"] = groups < mid and bool(unit.option("shuffle", self.options))
        reduction = int(unit.option("se", self.options))
        if reduction:
            plan["squeezed_channels"] = max(1, last // reduction)
        return plan
