"""The end of a search: what only its end knows is kept with the study, and its report written."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

from nas.result import ENDED, Finalist, SearchResult
from nas.study.storage import StudyStorage


def concluded(
    storage: StudyStorage, result: SearchResult, *, written: bool
) -> tuple[Path | None, tuple[str, ...]]:
    """Keep what the finalists showed and write the report, if it is `written`.

    Returns:
        The page, and what went wrong in a sentence: a report never costs a search its result.
    """
    try:
        storage.set(ENDED, _end(result))
        if not written:
            return None, ()
        from nas.report.write import write_report

        return write_report(storage.path, ended=True).page, ()
    except Exception as error:
        # The study is whole and its winners are about to be shown; the report can be made again.
        again = f"nas report {storage.name} tries again"
        said = str(error) or type(error).__name__
        return None, (f"report of {storage.name}: could not be written; got {said}; {again}",)


def _end(result: SearchResult) -> dict[str, Any]:
    finalists = [*result.winners, *([result.reference] if result.reference else [])]
    return {
        "time": time.time(),
        "finalists": [_plain(one) for one in finalists],
        "baseline": result.baseline,
        "difference": _json(result.difference),
    }


def _plain(finalist: Finalist) -> dict[str, Any]:
    """Everything that is known of a finalist beside its outcome, which the study has."""
    values = {
        f.name: getattr(finalist, f.name)
        for f in dataclasses.fields(finalist)
        if f.name != "outcome"
    }
    return {name: _json(value) for name, value in values.items()}


def _json(value: Any) -> Any:
    if hasattr(value, "to_json"):
        return value.to_json()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _json(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, list | tuple):
        return [_json(inner) for inner in value]
    return value
