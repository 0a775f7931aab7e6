"""The contract of a unit: what is wrong with one, in words (see `nas.testing`)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nas.architecture import KERNEL_SIZES, UnitSpec
from nas.architecture_text import read_block, write_block
from nas.errors import ArchitectureError, InputError, nearest
from nas.unit_rules import Plan, UnitRule, rule_of
from nas.unit_rules.own import is_own, own_class

if TYPE_CHECKING:
    from torch import nn

_FIELDS = ("groups", "expansion", "kernel_size")
_WORD = re.compile(r"x-[a-z_][a-z0-9_]*\.[A-Za-z0-9_.]+")


def check_unit(kind: str) -> None:
    """Check a kind of unit: a built-in one, or the user's own as `path/to/file.py:Name`.

    Its rule's widths plan and build, with each option, at both strides, and the modules give what
    the plan says, on the meta device too, and export with a dynamic batch.

    Raises:
        ArchitectureError: the first thing that is wrong: where, the rule, what was got, what is
            allowed.
    """
    from torch import nn

    rule = rule_of(kind)
    where = f"unit {kind}"
    if is_own(kind):
        cls = own_class(kind)
        if not (isinstance(cls, type) and issubclass(cls, nn.Module)):
            raise ArchitectureError(f"{where}: must be a class of torch.nn.Module; got {cls!r}")
    _check_rule(where, rule)
    exported = set()
    planned: set[object] = {()}
    refused: dict[object, ArchitectureError] = {}
    for spec in _specs(kind, rule):
        for into, out in _widths(where, rule, spec):
            case = f"{where} with {_told(spec)}, {into} to {out} channels"
            try:
                plan = _planned(case, rule, spec, into, out)
            except ArchitectureError as error:
                # An option may be refused at one stride, if it can be had at the other.
                refused[spec.options] = error
                continue
            planned.add(spec.options)
            _check_unused(case, rule, spec, into, out)
            module = _module(case, plan)
            _check_shapes(case, module, into, (out, spec.stride))
            if (spec.stride, into == out) not in exported:
                exported.add((spec.stride, into == out))
                _check_exports(case, module, into)
    for options, refusal in refused.items():
        if options not in planned or not options:
            raise refusal


def _told(spec: UnitSpec) -> str:
    fields = {field: getattr(spec, field) for field in ("stride", *_FIELDS)}
    return ", ".join(f"{name} {value}" for name, value in {**fields, **dict(spec.options)}.items())


def _check_rule(where: str, rule: UnitRule) -> None:
    for field in rule.uses:
        if field not in _FIELDS:
            raise ArchitectureError(
                f"{where}, uses: must name fields of a unit; got {field!r}; allowed: "
                f"{nearest(str(field), _FIELDS)}; further choices belong into options"
            )
    for name, values in rule.options.items():
        if not isinstance(values, tuple) or not values:
            raise ArchitectureError(
                f"{where}, option {name}: must list its values; got {values!r}; allowed: a tuple, "
                "the default first"
            )
        for value in values:
            if not _is_word(name, value, values):
                raise ArchitectureError(
                    f"{where}, option {name}: must be a word of the text form; got the value "
                    f"{value!r}; allowed: small letters, digits and _ in the name; as value true, "
                    "false, a number from 0 on, or a word of letters, digits and _"
                )


def _is_word(name: str, value: Any, values: tuple[Any, ...]) -> bool:
    """Whether an option is read back from the text form, where it is `name.value`."""
    if not isinstance(value, str | int | float):
        return False
    text = write_block("x", ((name, value),))
    if not _WORD.fullmatch(text):
        return False
    ((_, again),) = read_block(text)[1]
    return again in values and values.index(again) == values.index(value)


def _specs(kind: str, rule: UnitRule) -> Iterator[UnitSpec]:
    """Both strides, with each value of each thing the rule says it uses, one at a time."""
    choices: dict[str, tuple[Any, ...]] = {}
    if "kernel_size" in rule.uses:
        choices["kernel_size"] = KERNEL_SIZES
    if "groups" in rule.uses:
        choices["groups"] = (2, 3)
    if "expansion" in rule.uses:
        choices["expansion"] = (2.0, 6.0)
    for stride in (1, 2):
        plain: dict[str, Any] = {"stride": stride, "expansion": rule.expansion}
        yield UnitSpec(kind, 48, **plain)
        for field, values in choices.items():
            for value in values:
                yield UnitSpec(kind, 48, **{**plain, field: value})
        for name, allowed in rule.options.items():
            for value in allowed[1:]:
                yield UnitSpec(kind, 48, **plain, options=((name, value),))


def _widths(where: str, rule: UnitRule, spec: UnitSpec) -> Iterator[tuple[int, int]]:
    """Widths the rule's own steps allow: one that grows, and at stride 1 one that stays."""
    steps = (rule.out_step(spec), rule.in_step(spec, first=False))
    for step in steps:
        if not isinstance(step, int) or step < 1:
            raise ArchitectureError(
                f"{where}, out_step and in_step: must be whole numbers from 1 on; got {step!r}"
            )
    step = math.lcm(*steps)
    narrow = -(-24 // step) * step
    yield narrow, 2 * narrow
    if spec.stride == 1:
        yield narrow, narrow


def _planned(case: str, rule: UnitRule, spec: UnitSpec, into: int, out: int) -> Plan:
    try:
        plan = rule.plan(replace(spec, out_channels=out), into, first=False)
    except InputError as error:
        raise ArchitectureError(
            f"{case}: multiples of out_step and in_step must be allowed; got: {error}; allowed: "
            "larger steps, or a rule that takes these"
        ) from error
    except Exception as error:
        raise ArchitectureError(
            f"{case}, plan: must give the module's arguments; got {type(error).__name__}: {error}"
            "; allowed: unit.option(name, self.options) for names listed in options only"
        ) from error
    plain = isinstance(plan, Mapping) and all(
        isinstance(value, str | int | float) for value in plan.values()
    )
    if not plain or "unit" not in plan:
        raise ArchitectureError(
            f"{case}, plan: must hold text, numbers and truths, and 'unit'; got {plan!r}"
        )
    return plan


def _check_unused(case: str, rule: UnitRule, spec: UnitSpec, into: int, out: int) -> None:
    """A field that the rule does not use must not change the plan."""
    plain = replace(spec, out_channels=out)
    others = {"groups": 2, "expansion": plain.expansion + 1, "kernel_size": 5}
    for field, value in others.items():
        if field in rule.uses:
            continue
        other = replace(plain, **{field: value})  # type: ignore[arg-type]
        if rule.plan(other, into, first=False) != rule.plan(plain, into, first=False):
            raise ArchitectureError(
                f"{case}, uses: must list every field that changes the plan; got another plan "
                f"for another {field}; allowed: add {field!r} to uses, or leave it out of the plan"
            )


def _module(case: str, plan: Plan) -> nn.Module:
    import torch

    from nas.units import build_unit

    try:
        with torch.device("meta"):
            build_unit(plan)
        return build_unit(plan).eval()
    except Exception as error:
        raise ArchitectureError(
            f"{case}: the module must build from its plan, on the meta device too; got "
            f"{type(error).__name__}: {error}, for {plan}; allowed: a keyword argument for each "
            "name of the plan"
        ) from error


def _check_shapes(case: str, module: nn.Module, into: int, made: tuple[int, int]) -> None:
    import torch

    out, stride = made
    for height, width in ((8, 8), (7, 10), (1, 1)):
        image = torch.rand(2, into, height, width)
        before = image.clone()
        try:
            with torch.no_grad():
                shape = tuple(module(image).shape)
        except Exception as error:
            raise ArchitectureError(
                f"{case}: the module must run on {height}x{width}; got {type(error).__name__}: "
                f"{error}"
            ) from error
        expected = (2, out, -(-height // stride), -(-width // stride))
        if shape != expected:
            raise ArchitectureError(
                f"{case}: must give the channels and the size the rule says; got {shape} from "
                f"{tuple(image.shape)}; allowed: {expected}, half the size rounded up at stride 2"
            )
        if not torch.equal(image, before):
            raise ArchitectureError(
                f"{case}: must leave the tensor it is given as it is; got it changed; allowed: "
                "no operation in place on the input"
            )


def _check_exports(case: str, module: nn.Module, into: int) -> None:
    import torch

    shapes = ({0: torch.export.Dim("batch")},)
    try:
        torch.export.export(module, (torch.rand(2, into, 8, 8),), dynamic_shapes=shapes)
    except Exception as error:
        raise ArchitectureError(
            f"{case}: must export for the runtimes that measure it; got {type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''}; allowed: a forward without "
            "branches on values and without sizes of the batch as numbers"
        ) from error
