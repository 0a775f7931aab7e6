"""How long a study goes on, and why it ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nas.events import Counts, StopReason
from nas.outcome import TrialRecord


@dataclass(frozen=True)
class Budget:
    """When to stop: evaluated candidates in total, proposals in total, seconds in total.

    `first` proposals are made in any case: those taken over from another study cost nothing.
    """

    trials: int
    max_proposals: int
    seconds: float | None = None
    first: int = 0


@dataclass(frozen=True)
class Stopped:
    """Why the loop ended."""

    reason: StopReason
    message: str
    counts: Counts


def worked(trials: Iterable[TrialRecord]) -> float:
    """Seconds during which at least one of these finished trials was worked on.

    Not from start to end: a study that lay for a weekend spent nothing on it. Nor the sum of all
    trials: several workers do not use up a day in an hour.
    """
    spans = sorted(
        (trial.finished - sum(trial.outcome.seconds.values()), trial.finished)
        for trial in trials
        if trial.outcome is not None and trial.finished is not None
    )
    total, reached = 0.0, 0.0
    for start, end in spans:
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total
