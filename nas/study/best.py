"""Which trials are the best: one rule for the final table, the status and the kept weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nas.objective import Objective, noise_of, rank
from nas.outcome import Outcome, TrialRecord
from nas.pareto import front

KEPT = 10
"""As many candidates keep their weights beside the best and the reference network: a thousand would
fill a disk, and only finalists are ever looked at again."""

Trials = list[tuple[int, Outcome]]


def contenders(trials: list[TrialRecord]) -> Trials:
    """Evaluated trials, but for those whose certified latency is over a limit."""
    outcomes = [(t.number, t.outcome) for t in trials if t.outcome is not None]
    return [(n, o) for n, o in outcomes if _whole(o) and not refuted(o)]


def refuted(outcome: Outcome) -> bool:
    """Whether the last word on a network is that it does not keep its limits."""
    return outcome.certificate is not None and not outcome.certificate.within


def noise_among(evaluated: Trials, images: int) -> float:
    """The standard error of the best feasible validation accuracy."""
    accuracies = [
        o.evaluation.value
        for _, o in evaluated
        if o.feasible and o.evaluation and o.evaluation.whole
    ]
    return noise_of(max(accuracies, default=0.0), images)


def best_of(objective: Objective, evaluated: Trials, *, noise: float) -> Trials:
    """Feasible trials evaluated on the whole budget, the best first; of pareto only the front.

    Equal accuracy within `noise`: the lower latency, then fewer multiply-adds.
    """
    if objective.name == "constrained":
        return rank(evaluated, noise=noise)
    feasible = [
        (n, o)
        for n, o in evaluated
        if o.kind == "evaluated" and o.feasible and o.evaluation and o.evaluation.whole
    ]
    values = [objective.values(o, chance=0.0, unmeasured_ms=0.0) for _, o in feasible]
    if objective.name == "weighted":
        indices = range(len(feasible))
    else:
        indices = front(values, objective.directions)  # type: ignore[assignment]
    return [feasible[i] for i in sorted(indices, key=lambda i: -values[i][0])]


def greatest_by_costs(evaluated: Trials) -> list[tuple[str, int, Outcome]]:
    """What one would choose without any training: the greatest that keeps the limits.

    By multiply-adds and by latency, each with its name; the earlier of equal ones. Any rung counts,
    for it is the same candidates that a choice by costs would have had.
    """
    feasible = [(n, o) for n, o in evaluated if o.kind == "evaluated" and o.feasible]
    counted = [(n, o, float(o.costs.multiply_adds)) for n, o in feasible if o.costs]
    measured = [(n, o, o.latency.ms) for n, o in feasible if o.latency]
    return [
        (name, *max(found, key=lambda one: one[2])[:2])
        for name, found in (("most FLOPs", counted), ("slowest", measured))
        if found
    ]


@dataclass
class BestKeeper:
    """Is shown every finished trial, tells who is best, removes the weights of all others.

    `told` gets the numbers of the best trials, the best first, whenever one more is evaluated.
    """

    objective: Objective
    images: int
    folder: Path
    reference: str
    told: Callable[[list[int]], None]

    def __post_init__(self) -> None:
        self._evaluated: Trials = []
        self._kept: set[str] = set()

    def take(self, trials: list[TrialRecord]) -> None:
        """Begin with the trials a study already has."""
        self._evaluated = contenders(trials)
        self._kept = {o.architecture.fingerprint for _, o in self._evaluated}

    def add(self, trial: TrialRecord) -> None:
        """Look at a finished trial."""
        if trial.outcome is None or not _whole(trial.outcome):
            return  # below the whole budget nobody wins, and no weights are kept
        self._evaluated.append((trial.number, trial.outcome))
        self._kept.add(trial.outcome.architecture.fingerprint)
        noise = noise_among(self._evaluated, self.images)
        best = best_of(self.objective, self._evaluated, noise=noise)
        self.told([number for number, _ in best[:KEPT]])
        others = sorted(self._evaluated, key=_accuracy, reverse=True)
        by_costs = [(number, outcome) for _, number, outcome in greatest_by_costs(self._evaluated)]
        worth = {o.architecture.fingerprint for _, o in [*best[:KEPT], *others[:KEPT], *by_costs]}
        if self.objective.name == "pareto":
            worth |= {o.architecture.fingerprint for _, o in best}
        for fingerprint in self._kept - worth - {self.reference}:
            (self.folder / f"{fingerprint}.safetensors").unlink(missing_ok=True)
        self._kept &= worth


def _whole(outcome: Outcome) -> bool:
    evaluation = outcome.evaluation
    return outcome.kind == "evaluated" and evaluation is not None and evaluation.whole


def _accuracy(trial: tuple[int, Outcome]) -> float:
    evaluation = trial[1].evaluation
    return evaluation.value if evaluation else 0.0
