"""The lists a space is made with, checked: what a user may write in `space.widths` and the like."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from nas.architecture import KERNEL_SIZES, UnitSpec
from nas.architecture_text import read_block, write_block
from nas.errors import ArchitectureError, SpaceError
from nas.space import Gene, Genes
from nas.unit_rules import rule_of
from search_spaces.frame import SMALLEST_SIDE, Size, halvings, resized

Number = int | float
Value = TypeVar("Value", bound=str | int | float)


def _listed(
    where: str, values: Sequence[Value] | None, default: Sequence[Value]
) -> tuple[Value, ...]:
    if values is None:
        return tuple(default)
    if isinstance(values, str) or not values or len(set(values)) != len(values):
        raise SpaceError(
            f"{where}: must list one or more different values; got {values!r}; "
            "allowed: each value once"
        )
    return tuple(values)


def numbers(
    where: str, values: Sequence[Number] | None, default: Sequence[Number], *, least: Number
) -> tuple[Number, ...]:
    """The numbers, those without a fraction as int, none below `least`.

    Raises:
        SpaceError: which list, its offending value and what is allowed.
    """
    kept: list[Number] = []
    for value in _listed(where, values, default):
        if isinstance(value, bool) or not isinstance(value, int | float) or not value >= least:
            raise SpaceError(f"{where}: must be numbers; got {value!r}; allowed from {least:g} on")
        kept.append(int(value) if value == value // 1 else value)
    return tuple(kept)


def whole_numbers(
    where: str, values: Sequence[Number] | None, default: Sequence[int] = (), *, least: int = 1
) -> tuple[int, ...]:
    """The whole numbers of a list, none below `least`.

    Raises:
        SpaceError: which list, its offending value and what is allowed.
    """
    kept = numbers(where, values, default, least=least)
    for value in kept:
        if not isinstance(value, int):
            raise SpaceError(
                f"{where}: must be whole numbers; got {value!r}; allowed: {int(value)}, "
                f"{int(value) + 1}"
            )
    return tuple(int(value) for value in kept)


def among(
    where: str,
    values: Sequence[Value] | None,
    default: Sequence[Value],
    *,
    allowed: Sequence[Value],
) -> tuple[Value, ...]:
    """The values of a list, each one of `allowed`.

    Raises:
        SpaceError: which list, its offending value and what is allowed.
    """
    kept = _listed(where, values, default)
    for value in kept:
        if value not in allowed:
            raise SpaceError(
                f"{where}: must be among the allowed values; got {value!r}; "
                f"allowed: {', '.join(map(str, allowed))}"
            )
    return kept


def kernels(where: str, values: Sequence[int] | None, default: Sequence[int]) -> tuple[int, ...]:
    """Kernel sizes a unit can be built with."""
    return tuple(int(value) for value in among(where, values, default, allowed=KERNEL_SIZES))


def unit_kinds(where: str, values: Sequence[str] | None, default: Sequence[str]) -> tuple[str, ...]:
    """Kinds of unit, with options where the variant is meant: `shuffle_v2-se.true`.

    Raises:
        SpaceError: an unknown kind or option, the nearest names are listed; a block twice; or one
            that cannot open a stage.
    """
    kept = tuple(_block(where, value) for value in _listed(where, values, default))
    return _listed(where, kept, ())


def _block(where: str, text: str) -> str:
    """The block without options at their default, if it can be built at stride 2."""
    try:
        kind, given = read_block(text)
        rule = rule_of(kind)
        unit = UnitSpec(kind, 48, 2, expansion=rule.expansion, options=given)
        step = math.lcm(rule.out_step(unit), rule.in_step(unit, first=False))
        into = -(-24 // step) * step
        rule.plan(replace(unit, out_channels=2 * into), into, first=False)
    except ArchitectureError as error:
        raise SpaceError(f"{where}: {error}") from None
    return write_block(kind, unit.options)


def inputs(where: str, input: Size, resolutions: Sequence[int] | None) -> dict[int, Size]:
    """Resolution (the smaller side) -> input; the space's own input if none are listed.

    Raises:
        SpaceError: the input or a resolution is too small.
    """
    halvings(input)
    if resolutions is None:
        return {min(input[1:]): input}
    sides = whole_numbers(f"{where}, resolutions", resolutions, least=SMALLEST_SIDE)
    return {side: resized(input, side) for side in sides}


def resolution_gene(inputs: Mapping[int, Size]) -> tuple[Gene, ...]:
    """The gene that chooses among several resolutions; none if there is one only."""
    return (Gene("resolution", tuple(inputs)),) if len(inputs) > 1 else ()


def input_of(inputs: Mapping[int, Size], genes: Mapping[str, Any]) -> Size:
    """The input that the genes choose."""
    return inputs[genes["resolution"]] if len(inputs) > 1 else next(iter(inputs.values()))


def resolution_of(inputs: Mapping[int, Size], input: Size) -> Genes:
    """The gene's value for this input; nothing where there is no such gene."""
    return {"resolution": min(input[1:])} if len(inputs) > 1 else {}
