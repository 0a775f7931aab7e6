"""The way back, from a network to genes, in the words of the space that is asked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from nas.architecture import Architecture, UnitSpec
from nas.errors import SpaceError
from nas.space import Genes, Option, SearchSpace
from search_spaces.stages import Choices, Stage, plain, rounded, same, with_field


def chosen(space: SearchSpace, genes: Mapping[str, Option]) -> dict[str, Any]:
    """The genes as the space's own options: 48.0, read from a file, becomes its 48.

    Raises:
        SpaceError: as `SearchSpace.validate`.
    """
    space.validate(genes)
    return {gene.name: gene.options[gene.options.index(genes[gene.name])] for gene in space.genes}


def confirmed(space: SearchSpace, candidates: Iterable[Genes], architecture: Architecture) -> Genes:
    """The first genes that decode to this architecture, to the last field.

    Raises:
        SpaceError: none does; what differs in the one with the most in common.
    """
    differences = []
    for genes in candidates:
        nearest = space.decode(genes)
        if nearest == architecture:
            return chosen(space, genes)
        differences.append(
            [
                f"space {space.name}, {name}: must be as this space builds it; got "
                f"{getattr(architecture, name)}; the nearest of its networks has "
                f"{getattr(nearest, name)}"
                for name in ("input", "classes", "stem", "units", "head")
                if getattr(nearest, name) != getattr(architecture, name)
            ]
        )
    raise SpaceError(min(differences, key=len)[0])


def split(where: str, units: Sequence[UnitSpec], count: int) -> tuple[Stage, ...]:
    """The stages of a network: each stride 2 begins one, and the first unit does.

    Raises:
        SpaceError: there are more or fewer than `count` stages, or a stage's units differ.
    """
    starts = [0, *(n for n, unit in enumerate(units) if n and unit.stride == 2)]
    if len(starts) != count:
        raise SpaceError(
            f"{where}: must have {count} stages that each begin with a stride of 2; got "
            f"{len(starts)}"
        )
    stages: list[Stage] = []
    for begin, end in zip(starts, [*starts[1:], len(units)], strict=True):
        stage = Stage(units[begin], end - begin)
        if stage.units(stage.unit) != tuple(units[begin:end]):
            raise SpaceError(
                f"{where}, stage {len(stages) + 1}: units must be alike but for the first's "
                f"stride; got units {begin} to {end - 1} of several forms"
            )
        stages.append(stage)
    return tuple(stages)


def option_for(
    where: str, stage: Stage, field: str, choices: Choices, in_channels: int, *, first: bool
) -> int | float:
    """The offered value of a field that builds this stage.

    Raises:
        SpaceError: none does; the field, its value and what the space offers.
    """
    value = getattr(stage.unit, field)
    offered: Sequence[int | float] = choices[field]
    for option in sorted(offered, key=lambda option: option != value):
        candidate = plain(with_field(stage.unit, field, option))
        if same(stage, candidate, stage.unit, in_channels, first=first):
            return option
    raise SpaceError(
        f"{where}, {field}: must be one this space offers; got {value:g}; "
        f"allowed: {', '.join(f'{option:g}' for option in offered)}"
    )


def width_for(
    where: str, unit: UnitSpec, in_channels: int, following: UnitSpec | None, widths: Sequence[int]
) -> int:
    """The offered width that is rounded to this unit's.

    Raises:
        SpaceError: none is; the width and what the space offers.
    """
    for option in sorted(widths, key=lambda option: option != unit.out_channels):
        asked = replace(unit, out_channels=option)
        if rounded(asked, in_channels, following) == unit.out_channels:
            return option
    raise SpaceError(
        f"{where}, width: must be one this space offers or what one of them is rounded to behind "
        f"{in_channels} channels; got {unit.out_channels}; allowed: {', '.join(map(str, widths))}"
    )
