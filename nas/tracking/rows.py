"""What MLflow is to show of a study and of each of its trials, as plain values.

A `Row` is a whole MLflow run as it should be; it is made from the study's records alone, so the
mirror can be rebuilt from them. `nas.tracking.runs` writes what differs.
"""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields

from nas.architecture import Architecture
from nas.errors import NasError
from nas.events import StudyInfo
from nas.outcome import Certificate, EpochResult, LayerCost, Outcome
from nas.tracking import legal
from nas.tracking.describe import description
from nas.tracking.histogram import histogram_svg
from nas.tracking.labels import run_name
from nas.tracking.state import Point, Status, StudyState, TrialState


@dataclass(frozen=True)
class Row:
    """One MLflow run as it should be; `trial` is None for the study's own.

    Times are seconds since 1970. `create` tells whether a run that is not there yet is made.
    `artifacts` gives the files (name -> text) when they are needed; `step` is that of the metrics,
    `noted` the time they were known; `dataset` is the name and the hash of the images it used.
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
    dataset: tuple[str, str] | None = None


def points_of(results: Sequence[EpochResult], started: float) -> tuple[Point, ...]:
    """The curves of a training that was not watched; times follow from the epochs' seconds."""
    points, now = [], started
    for result in results:
        now += result.seconds
        points += epoch_points(result, now)
    return tuple(points)


def epoch_points(result: EpochResult, now: float) -> list[Point]:
    """The two points of one epoch."""
    place = "epoch" if result.rung is None else f"rung{result.rung}/epoch"
    values = legal.metrics({f"{place}/accuracy": result.accuracy, f"{place}/loss": result.loss})
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
        "nas.unresolved": "yes" if outcome and outcome.unresolved else None,
        "nas.certified": _verdict(outcome),
        "nas.reason": outcome.reason or None if outcome else None,
        "nas.repeats": outcome.repeats if outcome else None,
        "nas.rung": _rung(outcome) if outcome else None,
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
        artifacts=lambda: _trial_files(run_name(record), architecture, outcome),
        create=state.create,
        dataset=_dataset(study) if outcome and outcome.evaluation else None,
    )


def _rung(outcome: Outcome) -> int | None:
    """The rung at which a candidate ended, where candidates climb any."""
    rungs = outcome.evaluation.rungs if outcome.evaluation else ()
    return len(rungs) - 1 if rungs else None


def _verdict(outcome: Outcome | None) -> str | None:
    """What was certified of the limits; "measured" where there is none on latency."""
    if outcome is None or outcome.certificate is None:
        return None
    return outcome.certificate.verdict or "measured"


_UNFINISHED: dict[Status, str] = {"RUNNING": "running", "KILLED": "stopped"}


def final_metrics(outcome: Outcome) -> dict[str, float | None]:
    """The numbers a candidate ends with; `seconds` is what was spent on it, in all stages."""
    costs, latency, evaluation = outcome.costs, outcome.latency, outcome.evaluation
    rungs = evaluation.rungs if evaluation else ()
    return {
        **_certified(outcome.certificate),
        "accuracy": evaluation.accuracy if evaluation else None,
        "score": evaluation.score if evaluation else None,
        "latency_ms": latency.ms if latency else None,
        "latency_low": latency.low if latency else None,
        "latency_high": latency.high if latency else None,
        "latency_ratio": latency.ratio if latency and latency.reference else None,
        "multiply_adds": costs.multiply_adds if costs else None,
        "parameters": costs.parameters if costs else None,
        "memory_access": costs.memory_access if costs else None,
        "seconds": sum(outcome.seconds.values()),
        **{f"rung{n}/accuracy": one.accuracy for n, one in enumerate(rungs)},
    }


def _certified(certificate: Certificate | None) -> dict[str, float | None]:
    if certificate is None:
        return {}
    latency = certificate.latency
    return {
        "certified/latency_ms": latency.ms,
        "certified/latency_low": latency.low,
        "certified/latency_high": latency.high,
        "certified/latency_ratio": latency.ratio,
        "certified/p50_ms": certificate.p50_ms,
        "certified/p95_ms": certificate.p95_ms,
        "certified/p99_ms": certificate.p99_ms,
        "certified/cold_ms": certificate.cold_ms,
        "certified/sustained_ms": certificate.sustained_ms,
    }


def _trial_files(name: str, architecture: Architecture, outcome: Outcome | None) -> dict[str, str]:
    files = {
        "architecture.json": _json(architecture.to_json()),
        "architecture.txt": architecture.text + "\n",
    }
    # Where a table told the costs nothing was counted, and torch is not loaded to count.
    if outcome and outcome.costs and outcome.costs.memory_access is not None:
        # A unit of the user's own may not be there any more when a study is mirrored later.
        with suppress(NasError):
            files["layers.csv"] = layer_table(architecture)
    if outcome:
        files["outcome.json"] = _json(outcome.to_json())
        if drawn := histogram_svg(outcome.latency, title=name):
            files["latency.svg"] = drawn
    return files


def layer_table(architecture: Architecture) -> str:
    """The layers and what each costs, one a line, as CSV (which the UI shows as a table).

    Units:
        input, output: channels x height x width; the others as in `LayerCost`.
    """
    from nas.costs import layers_of

    names = [one.name for one in fields(LayerCost) if one.name != "receptive_field"]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(names)
    for layer in layers_of(architecture):
        writer.writerow(_cell(getattr(layer, name)) for name in names)
    return table.getvalue()


def _cell(value: object) -> object:
    return "x".join(map(str, value)) if isinstance(value, tuple) else value


def study_row(state: StudyState, *, address: str = "", report: str = "") -> Row:
    """The parent run; `address` is that of its candidates in the UI, `report` that of its report,
    once it has one.
    """
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
        "mlflow.note.content": description(state, address=address, report=report),
        "mlflow.source.git.commit": _commit(state),
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
            certified = {k: v for k, v in found.items() if k.startswith("certified/")}
            metrics |= {f"{place}/{key}": value for key, value in certified.items()}
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
        artifacts=lambda: _study_files(state),
        dataset=_dataset(study),
    )


def _dataset(study: StudyInfo) -> tuple[str, str] | None:
    return (study.data, study.data_hash) if study.data_hash else None


def _commit(state: StudyState) -> str | None:
    commit = (state.origin or {}).get("git", {}).get("commit")
    return str(commit) if commit else None


def _study_files(state: StudyState) -> dict[str, str]:
    files = {"settings.json": legal.masked(_json(state.study.settings))}
    if state.origin:
        command = legal.masked(state.study.command)
        files["origin.json"] = _json({"command": command, **state.origin})
    return files


def _json(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str) + "\n"
