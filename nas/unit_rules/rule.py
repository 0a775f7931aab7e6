"""What a channel rule is, and the checks and roundings that rules share.

A rule turns a `UnitSpec` at its place in a network into a *plan*: the arguments its module is
built with. Fields without effect never reach the plan, so two units with equal plans are the
same layers, and the fingerprint of an architecture is a hash over plans.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Protocol

from nas.errors import ArchitectureError

if TYPE_CHECKING:
    from nas.architecture import UnitSpec

OptionValue = str | int | float | bool
Plan = dict[str, OptionValue]
"""Arguments of a unit's module, and under "unit" the name of that module in `nas.units.UNITS`."""


class UnitRule(Protocol):
    """What a kind of unit demands of the channels around it."""

    @property
    def expansion(self) -> float:
        """The published ratio between the widest and the narrowest tensor inside the unit."""

    @property
    def uses(self) -> frozenset[str]:
        """Which of groups, expansion, kernel_size change what is built."""

    @property
    def options(self) -> Mapping[str, tuple[OptionValue, ...]]:
        """Name of each further option -> its allowed values, the default first."""

    @property
    def grows(self) -> bool:
        """Whether a unit that changes width or size concatenates its input: out > in must hold."""

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


@dataclass(frozen=True)
class PlainRule:
    """The rule of a unit that takes any width; also a start for units of one's own.

    The plan holds `in_channels`, `out_channels`, `stride` and what the unit `uses`.
    """

    unit: str = ""
    expansion: float = 1.0
    uses: frozenset[str] = frozenset({"kernel_size"})
    options: Mapping[str, tuple[OptionValue, ...]] = field(default_factory=dict)
    grows: bool = False

    def out_step(self, unit: UnitSpec) -> int:
        """Any width."""
        return 1

    def in_step(self, unit: UnitSpec, *, first: bool) -> int:
        """Any width."""
        return 1

    def plan(self, unit: UnitSpec, in_channels: int, *, first: bool) -> Plan:
        """See `UnitRule.plan`."""
        plan: Plan = {
            "unit": self.unit,
            "in_channels": in_channels,
            "out_channels": unit.out_channels,
            "stride": unit.stride,
        }
        plan.update({name: getattr(unit, name) for name in sorted(self.uses)})
        plan.update({name: unit.option(name, self.options) for name in self.options})
        return plan
