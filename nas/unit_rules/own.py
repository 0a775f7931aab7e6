"""Units of the user's own: kinds named `path/to/file.py:Name`.

`Name` is the unit's `nn.Module` class; its attribute `rule` is its channel rule. The plan's "unit"
is the kind, its "source" a hash of the file: the network is another one when the file changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from nas.errors import ArchitectureError, InputError
from nas.unit_rules.rule import OptionValue, Plan, UnitRule
from nas.user_file import digest, load

if TYPE_CHECKING:
    from nas.architecture import UnitSpec

_PARTS = ("expansion", "uses", "options", "grows", "out_step", "in_step", "plan")


def is_own(kind: str) -> bool:
    """Whether a kind names a file rather than a unit that is known."""
    return ".py:" in kind


def own_class(kind: str) -> Any:
    """The unit's class.

    Raises:
        ArchitectureError: the file cannot be read or run, or holds no unit of that name.
    """
    try:
        return load(kind)
    except InputError as error:
        raise ArchitectureError(f"unit kind {error}") from error


@dataclass(frozen=True)
class OwnRule:
    """The rule of the unit `kind`, with the file's hash in its plans."""

    kind: str
    source: str
    rule: UnitRule

    @property
    def expansion(self) -> float:
        """As the rule says."""
        return self.rule.expansion

    @property
    def uses(self) -> frozenset[str]:
        """As the rule says."""
        return frozenset(self.rule.uses)

    @property
    def options(self) -> Mapping[str, tuple[OptionValue, ...]]:
        """As the rule says."""
        return self.rule.options

    @property
    def grows(self) -> bool:
        """As the rule says."""
        return self.rule.grows

    def out_step(self, unit: UnitSpec) -> int:
        """As the rule says."""
        return self.rule.out_step(unit)

    def in_step(self, unit: UnitSpec, *, first: bool) -> int:
        """As the rule says."""
        return self.rule.in_step(unit, first=first)

    def plan(self, unit: UnitSpec, in_channels: int, *, first: bool) -> Plan:
        """As the rule says, with where the module is found."""
        plan = self.rule.plan(unit, in_channels, first=first)
        return {**plan, "unit": self.kind, "source": self.source}


def own_rule(kind: str) -> OwnRule:
    """The channel rule of a unit of the user's own.

    Raises:
        ArchitectureError: there is no such unit, or its rule lacks a part.
    """
    try:
        source = digest(kind)
    except InputError as error:
        raise ArchitectureError(f"unit kind {error}") from error
    return _rule_in(kind, source)


@lru_cache(maxsize=64)
def _rule_in(kind: str, source: str) -> OwnRule:
    """The same, kept while the file is as it was: searches ask thousands of times."""
    rule: Any = getattr(own_class(kind), "rule", None)
    missing = [part for part in _PARTS if not hasattr(rule, part)]
    if missing:
        raise ArchitectureError(
            f"unit kind {kind}: its class must have an attribute `rule`, a unit rule; got "
            f"{'none' if rule is None else f'one without {missing[0]}'}; allowed: "
            "nas.unit_rules.PlainRule(...) or an object with " + ", ".join(_PARTS)
        )
    return OwnRule(kind, source, rule)
