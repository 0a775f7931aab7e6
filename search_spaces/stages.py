"""From what genes ask of each stage to units that build: rounding, and one value a network.

Rounding goes left to right. A width goes up to the next multiple that its own unit and the next
stage's allow; a unit that concatenates its input gets at least one such step more than that input;
the stem goes up to a multiple the first unit allows. A width that already fits stays, so published
widths are fixed points.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from nas.architecture import UnitSpec
from nas.errors import ArchitectureError
from nas.unit_rules import OptionValue, plans, rule_of

FIELDS = ("groups", "expansion", "kernel_size")

UnitOptions = tuple[tuple[str, OptionValue], ...]
"""Further options of a unit, as `UnitSpec.options` has them."""

Choices = Mapping[str, Sequence[Any]]
"""groups, expansion, kernel_size -> the values the space offers; block -> (kind, options) pairs."""


@dataclass(frozen=True)
class Stage:
    """What is asked of one stage: its first unit with the width before rounding, and its depth."""

    unit: UnitSpec
    depth: int

    def units(self, unit: UnitSpec) -> tuple[UnitSpec, ...]:
        """The stage's units when the first is `unit`: the others have stride 1."""
        return (unit, *[replace(unit, stride=1)] * (self.depth - 1))


def default(kind: str, field: str) -> Any:
    """A unit's field when nothing is said of it: what the papers publish."""
    return {"groups": 1, "kernel_size": 3, "expansion": rule_of(kind).expansion}[field]


def with_field(unit: UnitSpec, field: str, value: Any) -> UnitSpec:
    """The unit with one of FIELDS changed."""
    return replace(unit, **{field: value})


def plain(unit: UnitSpec) -> UnitSpec:
    """The unit with the fields its kind never uses at their default."""
    uses = rule_of(unit.kind).uses
    return replace(unit, **{f: default(unit.kind, f) for f in FIELDS if f not in uses})


def multiple(value: int, step: int) -> int:
    """The least multiple of `step` that is not below `value`."""
    return -(-value // step) * step


def steps(unit: UnitSpec) -> tuple[int, int]:
    """Of what the unit's output must be a multiple, and of what its input, wherever it stands."""
    rule = rule_of(unit.kind)
    inner, opening = rule.in_step(unit, first=False), rule.in_step(unit, first=True)
    return rule.out_step(unit), math.lcm(inner, opening)


def rounded(unit: UnitSpec, in_channels: int, following: UnitSpec | None) -> int:
    """The width a stage of this unit gets behind `in_channels` and before `following`."""
    step = math.lcm(*steps(unit), 1 if following is None else steps(following)[1])
    least = in_channels + step if rule_of(unit.kind).grows else 1
    return multiple(max(unit.out_channels, least), step)


def same(stage: Stage, one: UnitSpec, other: UnitSpec, in_channels: int, *, first: bool) -> bool:
    """Whether a stage builds and rounds alike with either unit."""
    if one == other:
        return True
    return steps(one) == steps(other) and (
        plans(stage.units(one), in_channels, first=first)
        == plans(stage.units(other), in_channels, first=first)
    )


def _unaliased(stage: Stage, in_channels: int, choices: Choices, *, first: bool) -> UnitSpec:
    """The unit under the plainest name that the space offers for what it builds.

    "xception", for example, is shuffle_v1 with one group, and the residual of a shuffle_v2 needs a
    second unit in its stage. The kind of the module comes first, then the fewest options.
    """
    unit = stage.unit
    plan = plans([unit], in_channels, first=first)[0]
    module, groups = str(plan["unit"]), int(plan.get("groups", 1))
    blocks = choices.get("block", ())
    for kind, given in sorted(blocks, key=lambda block: (block[0] != module, len(block[1]))):
        if (kind, given) == (unit.kind, unit.options):
            break
        if kind not in (module, unit.kind):
            continue
        named = replace(unit, kind=kind, options=given)
        named = plain(named if kind == unit.kind else replace(named, groups=groups))
        if "groups" in rule_of(kind).uses and named.groups not in choices.get("groups", ()):
            continue
        for expansion in (named.expansion, *choices.get("expansion", ())):
            candidate = plain(replace(named, expansion=expansion))
            # A block that cannot stand here is none that builds the same.
            with suppress(ArchitectureError):
                if same(stage, candidate, unit, in_channels, first=first):
                    return candidate
    return unit


def settled(stage: Stage, in_channels: int, choices: Choices, *, first: bool) -> UnitSpec:
    """The stage's unit, each field without effect here at the first value that builds the same.

    A sandglass stage of one unit, for example, may get its floor of hidden channels at expansion
    4 and at 6: one network, so one value.
    """
    unit = _unaliased(stage, in_channels, choices, first=first)
    for field in FIELDS:
        for value in (default(unit.kind, field), *choices.get(field, ())):
            candidate = with_field(unit, field, value)
            if same(stage, candidate, unit, in_channels, first=first):
                unit = candidate
                break
    return unit


def lay_out(
    stages: Sequence[Stage], stem_channels: int, choices: Choices
) -> tuple[int, tuple[UnitSpec, ...]]:
    """The stem's width and the units of all stages, rounded so that they build."""
    stages = [replace(stage, unit=plain(stage.unit)) for stage in stages]
    channels = multiple(stem_channels, steps(stages[0].unit)[1])
    stem = channels
    units: list[UnitSpec] = []
    for index, stage in enumerate(stages):
        following = stages[index + 1].unit if index + 1 < len(stages) else None
        width = rounded(stage.unit, channels, following)
        fitting = replace(stage, unit=replace(stage.unit, out_channels=width))
        unit = settled(fitting, channels, choices, first=index == 0)
        units += fitting.units(unit)
        channels = width
    return stem, tuple(units)
