"""A study and its trials as the mirror knows them, and what follows from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from nas.events import Counts, StopReason, StudyInfo
from nas.outcome import Outcome, TrialRecord
from nas.study.best import refuted

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]

STATUS_OF_REASON: dict[StopReason, Status] = {
    "finished": "FINISHED",
    "proposals": "FINISHED",
    "hours": "FINISHED",
    "exhausted": "FINISHED",
    "failures": "FAILED",
    "error": "FAILED",
    "signal": "KILLED",
}


@dataclass(frozen=True)
class Point:
    """One value of a curve. `time` is seconds since 1970."""

    key: str
    value: float
    step: int
    time: float


@dataclass(frozen=True)
class TrialState:
    """A trial as the mirror knows it; `points` were seen live, `status` tells how it stands.

    `create` tells whether a run that is not there yet is made.
    """

    record: TrialRecord
    status: Status
    points: tuple[Point, ...] = ()
    create: bool = True


@dataclass(frozen=True)
class StudyState:
    """The study itself as the mirror knows it.

    `best` are its best feasible trials, and once it is `concluded` the winners; `nearest` the
    refused trial nearest to its limits while there is none; `tested` the test accuracy (0..1) by
    trial, None being the reference. `origin` says where the study runs, and with what.
    """

    study: StudyInfo
    status: Status
    started: float
    noted: float
    ended: float | None = None
    counts: Counts = field(default_factory=Counts)
    reference: tuple[str, Outcome] | None = None
    best: tuple[TrialRecord, ...] = ()
    nearest: TrialRecord | None = None
    tested: Mapping[int | None, float] = field(default_factory=dict)
    concluded: bool = False
    message: str = ""
    origin: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Winners:
    """The trials that won, the first first; every other trial has not."""

    trials: tuple[int, ...]


def settled(record: TrialRecord, *, unfinished: Status) -> Status:
    """The status of a trial by how it ended; `unfinished` if it did not."""
    if record.outcome is None:
        return unfinished
    return "FAILED" if record.outcome.kind == "failed" else "FINISHED"


def counted(records: Iterable[TrialRecord]) -> Counts:
    """How many of these trials ended how."""
    kinds = [record.outcome.kind for record in records if record.outcome]
    return Counts(**{k: kinds.count(k) for k in ("evaluated", "refused", "repeated", "failed")})


def best_of(records: Iterable[TrialRecord], number: int = 3) -> tuple[TrialRecord, ...]:
    """The feasible trials of highest accuracy on the whole budget, then by latency and cost."""

    def rank(record: TrialRecord) -> tuple[float, float, float]:
        outcome = record.outcome
        assert outcome is not None  # filtered below
        assert outcome.evaluation is not None  # evaluated means that there is one
        return (
            -outcome.evaluation.value,
            outcome.latency.ms if outcome.latency else 0.0,
            outcome.costs.multiply_adds if outcome.costs else 0.0,
        )

    feasible = [
        record
        for record in records
        if record.outcome
        and record.outcome.kind == "evaluated"
        and record.outcome.feasible
        and record.outcome.evaluation
        and record.outcome.evaluation.whole
        and not refuted(record.outcome)
    ]
    return tuple(sorted(feasible, key=rank)[:number])


def nearest_of(records: Iterable[TrialRecord]) -> TrialRecord | None:
    """The trial whose worst violation is least, among those that break a limit."""
    broken = [
        (max(record.outcome.violations.values()), record.number, record)
        for record in records
        if record.outcome and any(value > 0 for value in record.outcome.violations.values())
    ]
    return min(broken)[2] if broken else None
