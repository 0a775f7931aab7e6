"""The checks that settings share; each raises the error that names the setting."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nas.errors import SettingsError, nearest


def fail(where: str, rule: str, value: object, allowed: str) -> SettingsError:
    """The error of a setting: where, the rule, what it got, what is allowed."""
    return SettingsError(f"{where}: {rule}; got {value!r}; allowed: {allowed}")


def one_of(where: str, value: str, allowed: Sequence[str]) -> None:
    """Raise unless the value is one of the known names."""
    if value not in allowed:
        raise fail(where, "must be one of the known names", value, nearest(value, allowed))


def at_least(where: str, value: float | None, least: float, *, above: bool = False) -> None:
    """Raise unless the value is None, or finite and at least `least` (`above`: above it)."""
    if value is None:
        return
    if not math.isfinite(value) or value < least or (above and value == least):
        allowed = f"a finite number above {least:g}" if above else f"from {least:g} on"
        raise fail(where, "is out of range", value, allowed)


def share(where: str, value: float) -> None:
    """Raise unless 0 <= value < 1."""
    if not 0 <= value < 1:
        raise fail(where, "must be a share", value, "0 <= share < 1")
