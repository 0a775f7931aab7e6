"""`nas track`: the whole mirror of a study made from the study, adding what is missing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nas.events import StopReason, StudyInfo
from nas.outcome import Outcome, TrialRecord
from nas.tracking import legal, store
from nas.tracking.rows import study_row, trial_row
from nas.tracking.runs import StudyRuns
from nas.tracking.state import (
    STATUS_OF_REASON,
    Status,
    StudyState,
    TrialState,
    best_of,
    counted,
    nearest_of,
    settled,
)


@dataclass(frozen=True)
class Tracked:
    """What `track` did: runs written to, runs that were whole already, and where they are."""

    uri: str
    experiment: str
    run: str
    written: int
    whole: int


def track(
    study: StudyInfo,
    past: Sequence[TrialRecord],
    *,
    runs: Path,
    uri: str | None = None,
    reason: StopReason | None = None,
    message: str = "",
    reference: tuple[str, Outcome] | None = None,
    report: Path | None = None,
) -> Tracked:
    """Write into MLflow whatever of this study is missing there.

    `reason` is why the study stopped, None if it is being run now (or was killed); its unfinished
    trials are then left RUNNING, else KILLED. `report` is the study's page, if there is one.

    Raises:
        TrackingError: the store does not answer or refuses; what was written stays.
    """
    where = store.resolve(uri, runs)
    status: Status = "RUNNING" if reason is None else STATUS_OF_REASON[reason]
    unfinished: Status = "RUNNING" if reason is None else "KILLED"
    mirror = StudyRuns(where, replace(study, resumed=True), runs=runs)
    mirror.open()
    mirror.settle({record.number for record in past}.__contains__)

    def ended(record: TrialRecord) -> bool:
        return record.outcome is not None or reason is not None

    now = time.time()
    last = max((r.finished or r.started for r in past), default=now)
    state = StudyState(
        study=study,
        status=status,
        started=min((record.started for record in past), default=now),
        noted=last,
        ended=None if reason is None else last,
        counts=counted(past),
        reference=reference,
        best=best_of(past),
        nearest=nearest_of(past),
        message=message,
    )
    # Trials hang under the study's own run; one that is there is written once, with all addresses.
    wrote = [mirror.parent is None and mirror.write(study_row(state, address=mirror.address))]
    for record in past:
        trial = TrialState(record, settled(record, unfinished=unfinished), create=ended(record))
        wrote.append(mirror.write(trial_row(study, trial)))
    if report is not None:
        mirror.keep(report)
    # Now there are addresses.
    wrote[0] |= mirror.write(study_row(state, address=mirror.address, report=mirror.report))
    assert mirror.parent is not None  # written above
    return Tracked(
        legal.masked(where), mirror.experiment, mirror.parent, sum(wrote), len(wrote) - sum(wrote)
    )
