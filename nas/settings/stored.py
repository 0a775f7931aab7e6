"""Settings as a file beside the study they made, and what differs between two of them."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import yaml

from nas.errors import SettingsError, StudyError
from nas.masking import masked
from nas.settings import Settings
from nas.settings.keys import shown
from nas.settings.schema import typed

MAY_CHANGE = frozenset(
    {
        "study.trials",
        "study.max_proposals",
        "study.hours",
        "study.folder",
        "study.storage",
        "study.name",
        "study.sustained_seconds",
        "target.retry_seconds",
        "target.scheduler",
        "target.timeout",
        "study.report",
        "evaluation.seeds",
        "evaluation.seeded",
    }
)
"""What a resume may change beside `tracking` and `execution`: how long the study goes on and loads
its winners, where it lies, how its device is reached and how long it is waited for, how
finalists are judged; none changes what a trial means."""
FREE_SECTIONS = frozenset({"tracking", "execution"})

SECRET = (("study", "storage"), ("tracking", "uri"))
"""Settings that may hold a password."""


def write(settings: Settings, path: Path) -> None:
    """Write the settings as YAML, whole or not at all; no password is among them."""
    text = yaml.safe_dump(plain(settings), sort_keys=False, allow_unicode=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text("# What this study was started with; nas resume compares.\n" + text)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read(path: Path) -> Settings:
    """The way back from `write`; a setting the file does not have is at its default.

    Raises:
        StudyError: no such file, or it is damaged.
        SettingsError: a key or a value that this version does not know.
    """
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise StudyError(
            f"{path}: the settings of a study must be readable; got {type(error).__name__}: "
            f"{' '.join(str(error).split())}; allowed: the file as nas search wrote it"
        ) from error
    if not isinstance(value, dict) or not all(isinstance(v, dict) for v in value.values()):
        raise StudyError(
            f"{path}: must hold the sections of a study's settings; got {str(value)[:60]!r}; "
            "allowed: the file as nas search wrote it"
        )
    try:
        return typed(value)
    except SettingsError as error:
        raise SettingsError(f"{path}, {error}; was it written by another version?") from error


def plain(settings: Settings) -> dict[str, dict[str, Any]]:
    """Settings as plain values that may be kept, without passwords."""
    values = asdict(settings)
    for section, name in SECRET:
        if values[section][name] is not None:
            values[section][name] = masked(values[section][name])
    return values


def connected(stored: Settings, given: Settings) -> Settings:
    """Stored settings with the URIs of those that were given, passwords included."""
    study = replace(stored.study, storage=given.study.storage)
    return replace(stored, study=study, tracking=given.tracking)


def flat(settings: Settings) -> dict[str, Any]:
    """Each `section.name` with its value."""
    sections = asdict(settings)
    return {f"{s}.{name}": v for s, values in sections.items() for name, v in values.items()}


def difference(old: Settings, new: Settings) -> list[str]:
    """One readable line for each setting that differs: `study.trials: 20 -> 40`."""
    before, after = flat(old), flat(new)
    return [
        masked(f"{key}: {shown(value)} -> {shown(after[key])}")
        for key, value in before.items()
        if value != after[key]
    ]


def changes_meaning(old: Settings, new: Settings) -> list[str]:
    """The lines of `difference` that a resume must refuse, for they change what a trial means."""
    return [line for line in difference(old, new) if not _is_free(line.partition(":")[0])]


def _is_free(key: str) -> bool:
    return key in MAY_CHANGE or key.partition(".")[0] in FREE_SECTIONS
