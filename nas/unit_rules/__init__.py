"""The channel rules of each kind of unit, free of torch, one file per family.

`rule_of(kind)` is the way in: a kind is a name in `UNIT_RULES` or a unit of the user's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nas.errors import ArchitectureError, nearest
from nas.unit_rules.mobilenet import InvertedResidualRule
from nas.unit_rules.own import is_own, own_rule
from nas.unit_rules.resnet import BottleneckRule
from nas.unit_rules.rule import (
    OptionValue,
    PlainRule,
    Plan,
    UnitRule,
    check_divides,
    check_grows,
    divided,
    fail,
    make_divisible,
)
from nas.unit_rules.sandglass import SandglassRule
from nas.unit_rules.shuffle_v1 import ShuffleV1Rule
from nas.unit_rules.shuffle_v2 import ShuffleV2Rule

if TYPE_CHECKING:
    from nas.architecture import UnitSpec

__all__ = [
    "UNIT_RULES",
    "OptionValue",
    "PlainRule",
    "Plan",
    "UnitRule",
    "check_divides",
    "check_grows",
    "divided",
    "fail",
    "make_divisible",
    "plans",
    "rule_of",
]

UNIT_RULES: dict[str, UnitRule] = {
    "shuffle_v1": ShuffleV1Rule(),
    "shuffle_v2": ShuffleV2Rule(),
    "sandglass": SandglassRule(),
    "inverted_residual": InvertedResidualRule(),
    # Howard et al. 2017, MobileNets, sec. 3.1: any widths, no shortcut.
    "separable": PlainRule("separable"),
    "bottleneck": BottleneckRule(),
    "resnext": BottleneckRule(expansion=2.0, grouped=True),
    # Zhang et al. 2018, ShuffleNet, sec. 4.4: the same layers as v1 with one group.
    "xception": ShuffleV1Rule(grouped=False),
    # Simonyan and Zisserman 2015, in the frame of ShuffleNet's Table 4.
    "vgg": PlainRule("vgg"),
}


def rule_of(kind: str) -> UnitRule:
    """The channel rule of a kind of unit.

    Raises:
        ArchitectureError: no such kind; the nearest names are listed.
    """
    if kind in UNIT_RULES:
        return UNIT_RULES[kind]
    if is_own(kind):
        return own_rule(kind)
    raise ArchitectureError(
        f"unit kind: must be a known kind; got {kind!r}; allowed: {nearest(kind, UNIT_RULES)}, "
        "or path/to/file.py:Name"
    )


def plans(units: Sequence[UnitSpec], in_channels: int, *, first: bool) -> list[Plan]:
    """What units in a row build behind `in_channels`; `first`: they begin a network.

    Raises:
        ArchitectureError: a unit's channel rule is broken.
    """
    known: dict[tuple[UnitSpec, int, bool], Plan] = {}
    found = []
    for index, unit in enumerate(units):
        key = (unit, in_channels, first and index == 0)
        if key not in known:  # most units of a stage are alike
            known[key] = rule_of(unit.kind).plan(unit, in_channels, first=key[2])
        found.append(known[key])
        in_channels = unit.out_channels
    return found
