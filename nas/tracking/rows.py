"""What MLflow is to show of a study and of each of its trials, as plain values.

A `Row` is a whole MLflow run as it should be; it is made from the study's records alone, so the
mirror can be rebuilt from them. `nas.tracking.runs` writes what differs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from nas.events import Counts, StopReason, StudyInfo
from nas.outcome import EpochResult, Outcome, TrialRecord
from nas.tracking import legal
from nas.tracking.labels import run_name

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
class Row:
    """One MLflow run as it should be; `trial` is None for the study's own.

    Times are seconds since 1970. `create` tells whether a run that is not there yet is made.
    `artifacts` gives the files (name -> text) when they are needed; `step` is that of the metrics,
    `noted` the time they were known.
    """

    trial: int | None
    name: str
    status: Status
    started: float
    ended: float | None
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    noted: float
    step: int = 0
    points: tuple[Point, ...] = ()
    artifacts: Callable[[], Mapping[str, str]] = dict
    create: bool = True


@dataclass(frozen=True)
class TrialState:
    """A trial as the mirror knows it; `points` were seen live, `status` tells how it stands."""

    record: TrialRecord
    status: Status
    points: tuple[Point, ...] = ()
    create: bool = True


@dataclass(frozen=True)
class StudyState:
    """The study itself as the mirror knows it; `best` are its best feasible trials."""

    study: StudyInfo
    status: Status
    started: float
    noted: float
    ended: float | None = None
    counts: Counts = field(default_factory=Counts)
    reference: tuple[str, Outcome] | None = None
    best: tuple[TrialRecord, ...] = ()
    message: str = ""


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
    """The feasible evaluated trials of highest accuracy; equal ones by latency, then cost."""

    def rank(record: TrialRecord) -> tuple[float, float, float]:
        outcome = record.outcome
        assert outcome is not None  # filtered below
        assert outcome.evaluation is not None  # evaluated means that there is one
        return (
            -outcome.evaluation.accuracy,
            outcome.latency.ms if outcome.latency else 0.0,
            outcome.costs.multiply_adds if outcome.costs else 0.0,
        )

    feasible = [
        record
        for record in records
        if record.outcome and record.outcome.kind == "evaluated" and record.outcome.feasible
    ]
    return tuple(sorted(feasible, key=rank)[:number])


def points_of(results: Sequence[EpochResult], started: float) -> tuple[Point, ...]:
    """The curves of a training that was not watched; times follow from the epochs' seconds."""
    points, now = [], started
    for result in results:
        now += result.seconds
        points += epoch_points(result, now)
    return tuple(points)


def epoch_points(result: EpochResult, now: float) -> list[Point]:
    """The two points of one epoch."""
    values = legal.metrics({"epoch/accuracy": result.accuracy, "epoch/loss": result.loss})
    return [Point(key, value, result.epoch, now) for key, value in values.items()]


def trial_row(study: StudyInfo, state: TrialState) -> Row:
    """The run of one trial."""
    record, outcome = state.record, state.record.outcome
    architecture = record.architecture
    status = state.status
    tags = {
        "nas.study": study.name,
        "nas.identity": study.identity or None,
        "nas.trial": record.number,
        "nas.fingerprint": architecture.fingerprint,
        "nas.outcome": outcome.kind if outcome else _UNFINISHED[status],
        "nas.feasible": None if outcome is None else "yes" if outcome.feasible else "no",
        "nas.reason": outcome.reason or None if outcome else None,
        "nas.repeats": outcome.repeats if outcome else None,
        "mlflow.source.name": legal.masked(study.command) or None,
        "mlflow.source.type": "LOCAL",
    }
    trained = outcome.evaluation.epochs if outcome and outcome.evaluation else ()
    seen = {(point.key, point.step) for point in state.points}
    rest = [p for p in points_of(trained, record.started) if (p.key, p.step) not in seen]
    ended = (record.finished if outcome else None) or time.time()
    return Row(
        trial=record.number,
        name=run_name(record),
        status=status,
        started=record.started,
        ended=None if status == "RUNNING" else ended,
        params=legal.params({**record.genes, "architecture": architecture.text}),
        metrics=legal.metrics(final_metrics(outcome)) if outcome else {},
        tags=legal.tags(tags),
        noted=ended,
        points=(*state.points, *rest),
        artifacts=lambda: {"architecture.json": _json(architecture.to_json())},
        create=state.create,
    )


_UNFINISHED: dict[Status, str] = {"RUNNING": "running", "KILLED": "stopped"}


def final_metrics(outcome: Outcome) -> dict[str, float | None]:
    """The numbers a candidate ends with; `seconds` is what was spent on it, in all stages."""
    costs, latency, evaluation = outcome.costs, outcome.latency, outcome.evaluation
    return {
        "accuracy": evaluation.accuracy if evaluation else None,
        "latency_ms": latency.ms if latency else None,
        "latency_low": latency.low if latency else None,
        "latency_high": latency.high if latency else None,
        "latency_ratio": latency.ratio if latency else None,
        "multiply_adds": costs.multiply_adds if costs else None,
        "parameters": costs.parameters if costs else None,
        "memory_access": costs.memory_access if costs else None,
        "seconds": sum(outcome.seconds.values()),
    }


def study_row(state: StudyState) -> Row:
    """The parent run."""
    study, counts = state.study, state.counts
    tags = {
        "nas.study": study.name,
        "nas.identity": study.identity or None,
        "nas.goal": study.goal,
        "nas.limits": "; ".join(study.limits) or "none",
        "nas.target": study.target,
        "nas.data": study.data,
        "nas.space": study.space,
        "nas.message": state.message or None,
        "mlflow.source.name": legal.masked(study.command) or None,
        "mlflow.source.type": "LOCAL",
    }
    best = state.best[0].outcome if state.best else None
    metrics = {f"trials/{kind}": count for kind, count in vars(counts).items()}
    for place, outcome in (
        ("best", best),
        ("reference", state.reference and state.reference[1]),
    ):
        if outcome:
            found = final_metrics(outcome)
            names = ("accuracy", "latency_ms", "multiply_adds", "parameters")
            metrics |= {f"{place}/{key}": found[key] for key in names}
    return Row(
        trial=None,
        name=study.name,
        status=state.status,
        started=state.started,
        ended=state.ended,
        params={},
        metrics=legal.metrics(metrics),
        tags=legal.tags(tags),
        noted=state.noted,
        step=counts.proposals,
        artifacts=lambda: {"settings.json": legal.masked(_json(study.settings))},
    )


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n"
