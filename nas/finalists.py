"""The end of a study: the best few, the reference network, and how they do on test images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas.composition import Parts, weights_path
from nas.execution import WorkerProcess
from nas.objective import noise_of, rank
from nas.outcome import Outcome
from nas.pareto import front
from nas.result import Finalist, SearchResult
from nas.settings import DataSettings
from nas.study.loop import Stopped
from nas.study.storage import StudyStorage

SHOWN = 3


def finalists(
    parts: Parts,
    storage: StudyStorage,
    stopped: Stopped,
    *,
    reference: Outcome | None,
    worker: WorkerProcess | None,
    seconds: Callable[[], float],
    signal: int | None,
    problems: tuple[str, ...] = (),
) -> SearchResult:
    """What the study found. Test images are seen here for the first time, if there is a `worker`
    to see them.
    """
    evaluated = [
        (trial.number, trial.outcome)
        for trial in storage.records()
        if trial.outcome is not None and trial.outcome.kind == "evaluated"
    ]
    noise = noise_among(evaluated, parts.facts.validation_images)
    best = best_of(parts, evaluated, noise=noise)
    tested = _Tested(parts.settings.data, storage.path / "checkpoints", worker)
    return SearchResult(
        study=storage.name,
        folder=str(storage.path),
        counts=stopped.counts,
        reason=stopped.reason,
        message=stopped.message,
        winners=tuple(Finalist(f"trial {n}", n, o, tested.accuracy(o)) for n, o in best),
        reference=None if reference is None else _finalist_reference(parts, reference, tested),
        baseline=tested.baseline(),
        noise=noise,
        seconds=seconds(),
        signal=signal,
        problems=problems,
    )


def _finalist_reference(parts: Parts, reference: Outcome, tested: _Tested) -> Finalist:
    name = parts.settings.objective.reference
    return Finalist(name, None, reference, tested.accuracy(reference))


def noise_among(evaluated: list[tuple[int, Outcome]], images: int) -> float:
    """The standard error of the best feasible validation accuracy."""
    accuracies = [o.evaluation.accuracy for _, o in evaluated if o.feasible and o.evaluation]
    return noise_of(max(accuracies, default=0.0), images)


def best_of(
    parts: Parts, evaluated: list[tuple[int, Outcome]], *, noise: float
) -> list[tuple[int, Outcome]]:
    """The best three, or the whole front of the pareto objective by falling accuracy."""
    objective = parts.objective
    if objective.name == "constrained":
        return rank(evaluated, noise=noise)[:SHOWN]
    values = [
        objective.values(outcome, chance=parts.facts.chance, unmeasured_ms=0.0)
        for _, outcome in evaluated
    ]
    feasible = [i for i, (_, outcome) in enumerate(evaluated) if outcome.feasible]
    if objective.name == "weighted":
        order = sorted(feasible, key=lambda i: values[i][0], reverse=True)[:SHOWN]
        return [evaluated[i] for i in order]
    kept = front([values[i] for i in feasible], objective.directions)
    order = sorted((feasible[i] for i in kept), key=lambda i: -values[i][0])
    return [evaluated[i] for i in order]


class _Tested:
    """Test accuracies, computed where the training was."""

    def __init__(self, data: DataSettings, checkpoints: Path, worker: WorkerProcess | None) -> None:
        self._data = data
        self._checkpoints = checkpoints
        self._worker = worker

    def accuracy(self, outcome: Outcome) -> float | None:
        weights = weights_path(self._checkpoints, outcome.architecture)
        if self._worker is None or not weights.exists():
            return None
        arguments = {
            "architecture": outcome.architecture,
            "weights": weights,
            "data": self._data,
        }
        return float(self._worker.run(_test, arguments))

    def baseline(self) -> float | None:
        if self._worker is None:
            return None
        return float(self._worker.run(_baseline, {"data": self._data}))


def _test(*, report: Callable[..., None], **arguments: Any) -> float:
    from nas.evaluation.full import test_accuracy

    return test_accuracy(**arguments)


def _baseline(*, report: Callable[..., None], data: DataSettings) -> float:
    from nas.evaluation.full import baseline

    return baseline(data)
