"""How the studies in a folder of runs stand, read without torch and without MLflow."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from nas.errors import SettingsError, StudyError
from nas.events import Counts, Waiting
from nas.outcome import Outcome, TrialRecord
from nas.result import StudyStatus
from nas.settings.stored import read
from nas.sketch import Sign, SketchPoint
from nas.study.folder import studies
from nas.study.storage import StudyStorage


def status(folder: Path, study: str | None = None) -> list[StudyStatus]:
    """One study, or all of them by name.

    Raises:
        StudyError: no such study (the nearest names), or one that cannot be read.
    """
    if study is not None:
        return [_status(folder / study)]
    return [_readable(folder / name) for name in studies(folder)]


def _readable(path: Path) -> StudyStatus:
    """The status of one of many: a damaged study must not hide the others."""
    try:
        return _status(path)
    except (StudyError, SettingsError) as error:
        return StudyStatus(
            name=path.name,
            folder=str(path),
            state="damaged",
            driver="",
            counts=Counts(),
            trials=0,
            goal=str(error),
            limits=(),
            best=None,
            best_trial=None,
            reference=None,
        )


def _status(path: Path) -> StudyStatus:
    storage = StudyStorage.open(path)
    try:
        records = storage.records()
        settings = read(path / "settings.yaml")
        reference = storage.get("nas.reference")
        counts = counted(records)
        holder = storage.driver
        gone = storage.get("nas.waiting") if holder else None
        state = "waiting" if gone else "live"
        finished = counts.evaluated >= settings.study.trials
        best_trial = next(iter(storage.get("nas.best") or ()), None)
        best = None if best_trial is None else records[best_trial].outcome
        return StudyStatus(
            name=storage.name,
            folder=str(path),
            state=state if holder else "finished" if finished else "stopped",
            driver=holder,
            counts=counts,
            trials=settings.study.trials,
            goal=storage.get("nas.goal") or "",
            limits=tuple(storage.get("nas.limits") or ()),
            best=best,
            best_trial=best_trial,
            reference=Outcome.from_json(reference) if reference else None,
            waiting=Waiting(**gone) if gone else None,
            points=_points(records, reference, best_trial),
            spent=_spent(records),
        )
    finally:
        storage.close()


def _spent(records: list[TrialRecord]) -> dict[str, float]:
    """The seconds of all trials by stage, the most first: what a study waits for."""
    found: Counter[str] = Counter()
    for record in records:
        found.update(record.outcome.seconds if record.outcome else {})
    return {stage: round(seconds, 1) for stage, seconds in found.most_common() if seconds}


def _points(
    records: list[TrialRecord], reference: dict[str, Any] | None, best: int | None
) -> tuple[SketchPoint, ...]:
    """The networks that were trained whole and have a latency, for a plot."""
    signs: list[tuple[Sign, Outcome]] = []
    for record in records:
        outcome = record.outcome
        if outcome is not None and outcome.kind == "evaluated":
            kept: Sign = "candidate" if outcome.feasible else "infeasible"
            signs.append(("best" if record.number == best else kept, outcome))
    if reference:
        signs.append(("reference", Outcome.from_json(reference)))
    return tuple(
        SketchPoint(outcome.latency.ms, outcome.evaluation.accuracy, sign)
        for sign, outcome in signs
        if outcome.latency and outcome.evaluation and outcome.evaluation.whole
    )


def counted(records: list[TrialRecord]) -> Counts:
    """How many of these trials ended how; running ones are not counted."""
    kinds = [r.outcome.kind for r in records if r.outcome is not None and r.finished is not None]
    return Counts(
        evaluated=kinds.count("evaluated"),
        refused=kinds.count("refused"),
        repeated=kinds.count("repeated"),
        failed=kinds.count("failed"),
    )
