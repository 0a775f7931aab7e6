"""The channel rule of MobileNeXt's sandglass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nas.unit_rules.rule import OptionValue, Plan, fail, make_divisible

if TYPE_CHECKING:
    from nas.architecture import UnitSpec


class SandglassRule:
    """MobileNeXt's sandglass: depthwise on the wide tensors, bottleneck of in/expansion between.

    Variant `authors` (released code): the bottleneck is at least out/6 rounded to 16; a unit that
    changes its width has no depthwise at stride 1 and only the last one at stride 2, but both with
    expansion 2. Variant `paper`: the bottleneck is in/expansion, and both are everywhere.
    `depthwise` overrides which there are (the authors' table also has both in rows of one unit);
    "inside" is the placement the paper rejects, one in the bottleneck. The identity is on the
    first C // `identity` channels, on none if that is 0.

    Reference: Zhou et al. 2020, MobileNeXt, sec. 3 and 4, and its released code.
    """

    expansion = 6.0
    uses = frozenset({"expansion", "kernel_size"})
    options: Mapping[str, tuple[OptionValue, ...]] = {
        "depthwise": ("auto", "both", "last", "none", "inside"),
        "identity": (1, 2, 3, 4, 6, 8, 0),
        "variant": ("authors", "paper"),
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
        depthwise = self._depthwise(unit, in_channels)
        plan: Plan = {
            "unit": "sandglass",
            "in_channels": in_channels,
            "out_channels": out,
            "hidden_channels": self._hidden(unit, in_channels),
            "stride": unit.stride,
            "depthwise": depthwise,
        }
        if depthwise != "none":
            plan["kernel_size"] = unit.kernel_size
        divisor = int(unit.option("identity", self.options))
        keeps = in_channels == out and unit.stride == 1
        plan["identity_channels"] = out // divisor if keeps and divisor else 0
        return plan

    def _hidden(self, unit: UnitSpec, in_channels: int) -> int:
        hidden = int(in_channels / unit.expansion)
        if unit.option("variant", self.options) == "paper":
            return max(1, hidden)
        if hidden < unit.out_channels / 6:
            return make_divisible(math.ceil(unit.out_channels / 6), 16)
        return hidden

    def _depthwise(self, unit: UnitSpec, in_channels: int) -> str:
        asked = str(unit.option("depthwise", self.options))
        if asked == "none" and unit.stride != 1:
            raise fail(
                unit,
                "stride 2 needs a depthwise convolution to sit on",
                "depthwise none",
                "allowed: auto, both, last, inside",
            )
        if asked != "auto":
            return asked
        paper = unit.option("variant", self.options) == "paper"
        if paper or in_channels == unit.out_channels or unit.expansion == 2:
            return "both"
        return "last" if unit.stride == 2 else "none"
