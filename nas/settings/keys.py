"""The names and types of all settings, read off the dataclasses, and messages about them."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from nas.errors import SettingsError, nearest
from nas.settings import Settings

SHOWN = 12
"""So many allowed names are listed in a message, the nearest first."""


@cache
def keys() -> dict[str, Any]:
    """Each `section.name` with its type, and each section with its dataclass."""
    found: dict[str, Any] = {}
    for section, kind in typing.get_type_hints(Settings).items():
        found[section] = kind
        if is_dataclass(kind):
            hints = typing.get_type_hints(kind)
            found |= {f"{section}.{f.name}": hints[f.name] for f in fields(kind)}
    return found


def sections() -> tuple[str, ...]:
    """The groups of settings, in the order of the dataclass."""
    return tuple(f.name for f in fields(Settings))


def phrase(kind: Any) -> str:
    """What a value of this type looks like, for people."""
    arguments = typing.get_args(kind)
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        inner = [phrase(k) for k in arguments if k is not type(None)]
        return " or ".join([*inner, *(["null"] if type(None) in arguments else [])])
    if typing.get_origin(kind) is list:
        example = {"int": "[1,2]", "float": "[0.5,1.0]"}.get(arguments[0].__name__, "[a,b]")
        return f"a list such as {example}"
    named = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    return named.get(kind, "a value")


def unknown_key(key: str, groups: Iterable[str] = ()) -> SettingsError:
    """The message for a key that no setting has."""
    section, _, name = key.partition(".")
    inside = [k for k in keys() if k.startswith(f"{section}.")]
    if name and inside:
        rule = "is no setting"
        if key == "space.input":
            rule = "is no setting (the size of the images follows from data)"
        return SettingsError(f"{key}: {rule}; got {name!r}; allowed: {listed(key, inside)}")
    groups = {*sections(), *groups}
    hint = [k for k in keys() if k.endswith(f".{section}")] if not name else []
    allowed = listed(key, hint) if hint else listed(section, groups)
    return SettingsError(f"{key}: is no setting or group; got {key!r}; allowed: {allowed}")


def unknown_option(group: str, option: object, options: Iterable[str]) -> SettingsError:
    """The message for an option that a group does not have."""
    allowed = listed(str(option), options) or "none; --config-dir DIR adds your own"
    return SettingsError(f"{group}: has no such option; got {str(option)!r}; allowed: {allowed}")


def wrong_value(key: str, value: object) -> SettingsError:
    """The message for a value of the wrong type."""
    allowed = phrase(keys().get(key.partition("[")[0]))
    return SettingsError(f"{key}: is of another type; got {shown(value)}; allowed: {allowed}")


def listed(name: str, allowed: Iterable[str]) -> str:
    """The allowed names as one phrase, the nearest first, cut to a readable length."""
    names = nearest(name, allowed).split(", ")
    more = [f"and {len(names) - SHOWN} more"] if len(names) > SHOWN else []
    return ", ".join([*names[:SHOWN], *more])


def shown(value: object) -> str:
    """A value as it would be typed."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else repr(value)
