"""Trained weights of the best candidates, and of no others."""

from __future__ import annotations

from pathlib import Path

from nas.objective import rank
from nas.outcome import Outcome, TrialRecord

KEPT = 10
"""As many candidates keep their weights, beside the reference network: a thousand would fill a
disk, and only finalists are ever looked at again."""


class BestWeights:
    """Is shown every finished trial; removes the weights of those out of the running."""

    def __init__(self, folder: Path, *, reference: Outcome | None) -> None:
        self._folder = folder
        self._reference = reference.architecture.fingerprint if reference else ""
        self._best: list[tuple[int, Outcome]] = []

    def add(self, trial: TrialRecord) -> None:
        """Look at a finished trial; weights that no longer matter go."""
        if trial.outcome is None or trial.outcome.kind != "evaluated":
            return
        entrants = [*self._best, (trial.number, trial.outcome)]
        feasible = rank(entrants, noise=0.0)
        others = [e for e in entrants if e not in feasible]
        self._best = [*feasible, *sorted(others, key=_accuracy, reverse=True)][:KEPT]
        for number, outcome in entrants:
            if (number, outcome) not in self._best:
                self._remove(outcome.architecture.fingerprint)

    def _remove(self, fingerprint: str) -> None:
        if fingerprint != self._reference:
            (self._folder / f"{fingerprint}.safetensors").unlink(missing_ok=True)


def _accuracy(trial: tuple[int, Outcome]) -> float:
    evaluation = trial[1].evaluation
    return evaluation.accuracy if evaluation else 0.0
