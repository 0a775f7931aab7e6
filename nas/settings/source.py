"""`study.source`: the settings of another study, which a new one starts from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from nas.errors import SettingsError, nearest
from nas.settings import Settings
from nas.settings.objective import LIMIT_PAIRS
from nas.settings.stored import read

KEY = "study.source"
FILE = "settings.yaml"


def inherited(given: Mapping[str, object]) -> Settings | None:
    """The settings of the study that the overrides `given` name as source; None where none is.

    A limit that is given as a number takes the place of the source's limit by a network, and the
    other way round.

    Raises:
        SettingsError: there is no such study (the nearest names).
        StudyError: its settings cannot be read.
    """
    source = given.get(KEY)
    if source is None:
        return None
    folder = Path(str(given.get("study.folder") or "runs"))
    path = folder / str(source) / FILE
    if not path.is_file():
        known = [found.parent.name for found in folder.glob(f"[!.]*/{FILE}")]
        raise SettingsError(
            f"{KEY}: must be one of the studies in {folder}; got {str(source)!r}; allowed: "
            f"{nearest(str(source), known) or 'none yet'}"
        )
    old = read(path)
    objective = old.objective
    for one, other in (*LIMIT_PAIRS, *((b, a) for a, b in LIMIT_PAIRS)):
        if given.get(f"objective.{one}") is not None and f"objective.{other}" not in given:
            objective = replace(objective, **{other: None})  # type: ignore[arg-type]  # a limit
    study = replace(old.study, name=None, source=None, folder=str(folder))
    return replace(old, objective=objective, study=study)
