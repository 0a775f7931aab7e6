"""The channel rules of each kind of unit, free of torch.

A rule turns a `UnitSpec` at its place in a network into a *plan*: the arguments its module is
built with. Fields without effect never reach the plan, so two units with equal plans are the
same layers, and the fingerprint of an architecture is a hash over plans.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from nas.errors import ArchitectureError, nearest

if TYPE_CHECKING:
    from nas.architecture import UnitSpec

OptionValue = str | int | float | bool
Plan = dict[str, OptionValue]
"""Arguments of a unit's module, and under "unit" the name of that module in `nas.units.UNITS`."""


class UnitRule(Protocol):
    """What a kind of unit demands of the channels around it."""

    expansion: float
    """The published ratio between the widest and the narrowest tensor inside the unit."""

    uses: frozenset[str]
    """Which of groups, expansion, kernel_size change what is built."""

    options: Mapping[str, tuple[OptionValue, ...]]
    """Name of each further option -> its allowed values, the default first; an empty tuple behind
    a default of its own kind is not needed: list what is allowed."""

    grows: bool
    """Whether the first unit of a stage concatenates its input, so that out > in must hold."""

    def out_step(self, unit: UnitSpec) -> int:
        """out_channels must be a multiple of this."""

    def in_step(self, unit: UnitSpec, *, first: bool) -> int:
        """in_channels must be a multiple of this; `first`: the first unit of the network."""

    def plan(self, unit: UnitSpec, in_channels: int, *, first: bool) -> Plan:
        """The module's arguments.

        Raises:
            ArchitectureError: a channel rule is broken; unit, rule, value and what is allowed.
        """


def fail(unit: UnitSpec, rule: str, value: object, allowed: str) -> ArchitectureError:
    """The one form of message for a broken channel rule."""
    return ArchitectureError(
        f"unit {unit.kind}:{unit.out_channels}: {rule}; got {value}; {allowed}"
    )


def check_divides(unit: UnitSpec, name: str, value: int, divisor: int) -> None:
    """Raise unless `value` is a positive multiple of `divisor`."""
    if value <= 0 or value % divisor:
        up = max(1, math.ceil(value / divisor)) * divisor
        raise fail(
            unit, f"{name} must be a multiple of {divisor}", value, f"next allowed value is {up}"
        )


def check_grows(unit: UnitSpec, in_channels: int) -> None:
    """Raise unless a concatenating unit leaves its main branch at least one channel."""
    if unit.out_channels <= in_channels:
        raise fail(
            unit,
            f"a unit that concatenates its input needs out_channels > in_channels ({in_channels})",
            unit.out_channels,
            f"allowed from {in_channels + 1} on",
        )


def divided(channels: int, expansion: float) -> int | None:
    """channels / expansion if that is a whole number of at least one, else None."""
    share = Fraction(channels) / Fraction(expansion).limit_denominator(64)
    return share.numerator if share.denominator == 1 and share >= 1 else None


def make_divisible(value: float, divisor: int = 8) -> int:
    """Round to a multiple of `divisor`, never by more than 10 % down.

    Reference: Sandler et al. 2018, MobileNetV2, and MobileNeXt's released code.
    """
    rounded = max(divisor, int(value + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * value else rounded


class ShuffleV1Rule:
    """ShuffleNet v1: grouped bottleneck of out/expansion channels around a shuffle.

    Reference: Zhang et al. 2018, ShuffleNet, sec. 3.2-3.3; only the first unit of a network has a
    dense first pointwise convolution.
    """

    expansion = 4.0
    uses = frozenset({"groups", "expansion", "kernel_size"})
    options: Mapping[str, tuple[OptionValue, ...]] = {}
    grows = True

    def out_step(self, unit: UnitSpec) -> int:
        """The least width whose bottleneck is whole and divides into the groups."""
        ratio = Fraction(unit.expansion).limit_denominator(64)
        bottleneck = math.lcm(ratio.denominator, unit.groups)
        return math.lcm(bottleneck * ratio.numerator // ratio.denominator, unit.groups)

    def in_step(self, unit: UnitSpec, *, first: bool) -> int:
        """The groups, also for the first unit: its last convolution gives out - in channels."""
        return unit.groups

    def plan(self, unit: UnitSpec, in_channels: int, *, first: bool) -> Plan:
        """See `UnitRule.plan`."""
        groups, out = unit.groups, unit.out_channels
        mid = divided(out, unit.expansion)
        if mid is None:
            step = self.out_step(unit)
            raise fail(
                unit, f"out_channels / expansion ({unit.expansion:g}) must be whole", out,
                f"allowed are multiples of {step}",
            )  # fmt: skip
        joins = in_channels != out or unit.stride != 1
        if joins:
            check_grows(unit, in_channels)
        check_divides(unit, "the bottleneck, out_channels / expansion,", mid, groups)
        if not first:
            check_divides(unit, "in_channels", in_channels, groups)
        check_divides(unit, "what the last convolution gives", out - in_channels * joins, groups)
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
            plan["shuffle"] = groups < mid
        return plan


class ShuffleV2Rule:
    """ShuffleNet v2: split, one branch, concatenate, shuffle.

    Reference: Ma et al. 2018, ShuffleNet V2, sec. 3; authors' form of the stride-2 unit, whose main
    branch gives out - in channels.
    """

    expansion = 1.0
    uses = frozenset({"kernel_size"})
    options: Mapping[str, tuple[OptionValue, ...]] = {}
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
        if in_channels != unit.out_channels or unit.stride != 1:
            check_grows(unit, in_channels)
        return {
            "unit": "shuffle_v2",
            "in_channels": in_channels,
            "out_channels": unit.out_channels,
            "stride": unit.stride,
            "kernel_size": unit.kernel_size,
        }


class SandglassRule:
    """MobileNeXt's sandglass: depthwise on the wide tensors, bottleneck of in/expansion between.

    Authors' form: the bottleneck is at least out/6 rounded to 16; a unit that changes its width has
    no depthwise at stride 1 and only the last one at stride 2, but with expansion 2 has both
    (`depthwise` overrides that: the published table also has both in rows of one unit); identity on
    the first C // `identity` channels.

    Reference: Zhou et al. 2020, MobileNeXt, sec. 3, and its released code.
    """

    expansion = 6.0
    uses = frozenset({"expansion", "kernel_size"})
    options: Mapping[str, tuple[OptionValue, ...]] = {
        "depthwise": ("auto", "both", "last", "none"),
        "identity": (1, 2, 3, 4, 6, 8, 0),
    }
    grows = False

    def out_step(self, unit: UnitSpec) -> int:
        """Any width."""
        return 1

    def in_step(self, unit: UnitSpec, *, first: bool) -> int:
        """Any width."""
        return 1

    def plan(self, unit: UnitSpec, in_channels: int, *, first: bool) -> Plan:
        """See `UnitRule.plan`."""
        out = unit.out_channels
        hidden = int(in_channels / unit.expansion)
        if hidden < out / 6:
            hidden = make_divisible(math.ceil(out / 6), 16)
        depthwise = unit.option("depthwise", self.options)
        keeps = in_channels == out and unit.stride == 1
        if depthwise == "auto":
            both = in_channels == out or unit.expansion == 2
            depthwise = "both" if both else "last" if unit.stride == 2 else "none"
        if depthwise == "none" and unit.stride != 1:
            raise fail(
                unit, "stride 2 sits on the last depthwise", "depthwise none", "allowed: last, both"
            )
        plan: Plan = {
            "unit": "sandglass",
            "in_channels": in_channels,
            "out_channels": out,
            "hidden_channels": hidden,
            "stride": unit.stride,
            "depthwise": depthwise,
        }
        if depthwise != "none":
            plan["kernel_size"] = unit.kernel_size
        divisor = int(unit.option("identity", self.options))
        plan["identity_channels"] = out // divisor if keeps and divisor else 0
        return plan


UNIT_RULES: dict[str, UnitRule] = {
    "shuffle_v1": ShuffleV1Rule(),
    "shuffle_v2": ShuffleV2Rule(),
    "sandglass": SandglassRule(),
}


def rule_of(kind: str) -> UnitRule:
    """The channel rule of a kind of unit.

    Raises:
        ArchitectureError: no such kind; the nearest names are listed.
    """
    try:
        return UNIT_RULES[kind]
    except KeyError:
        raise ArchitectureError(
            f"unit kind: must be a known kind; got {kind!r}; allowed: {nearest(kind, UNIT_RULES)}"
        ) from None
