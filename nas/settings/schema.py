"""Settings between plain values, OmegaConf's typed nodes and the frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
)

from nas.errors import SettingsError
from nas.settings import Settings
from nas.settings.keys import unknown_key, wrong_value


def schema(settings: Settings | type[Settings] = Settings) -> DictConfig:
    """The typed node of these settings (of the defaults), which values can be merged into."""
    node: DictConfig = OmegaConf.structured(settings)
    _unlock(node)
    return node


def _unlock(node: DictConfig) -> None:
    # A frozen dataclass makes a read-only node, which nothing can be merged into.
    OmegaConf.set_readonly(node, None)
    for key in node:
        child = node._get_node(key)
        if isinstance(child, DictConfig):
            _unlock(child)


def settings_of(node: DictConfig) -> Settings:
    """The frozen, validated settings of a typed node.

    Raises:
        SettingsError: a value is not allowed, missing, or refers to something that is not there.
    """
    try:
        settings = OmegaConf.to_object(node)
    except OmegaConfBaseException as error:
        raise message(error) from error
    assert isinstance(settings, Settings)
    return settings


def typed(values: Mapping[str, Any]) -> Settings:
    """The settings of plain nested values; what is left out is at its default.

    Raises:
        SettingsError: an unknown key or a value that is not allowed.
    """
    node = schema()
    try:
        node.merge_with(OmegaConf.create(dict(values)))
    except OmegaConfBaseException as error:
        raise message(error) from error
    return settings_of(node)


def message(error: OmegaConfBaseException) -> SettingsError:
    """What OmegaConf found wrong, in the four parts of this project's messages."""
    key = str(error.full_key or error.key or "settings")
    if isinstance(error, ConfigKeyError | ConfigAttributeError):
        return unknown_key(key)
    if isinstance(error, MissingMandatoryValue):
        return SettingsError(f"{key}: must be given; got ???; allowed: {key}=VALUE")
    if str(error).startswith("Merge error"):
        return SettingsError(
            f"{key}: a group must hold keys with values; got something else; allowed: lines "
            "of `key: value`"
        )
    if isinstance(error, InterpolationResolutionError):
        first = str(error).splitlines()[0]
        return SettingsError(
            f"{key}: refers to a value that cannot be read; got {first!r}; allowed: the name of "
            "another setting, as in ${study.seed}"
        )
    return wrong_value(key, error.value)
