"""How long a study goes on, and why it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from nas.events import Counts, StopReason
from nas.outcome import Outcome, TrialRecord

FAILURES_IN_A_ROW = 5
"""As many failures of one kind, one after the other, are the study's fault, not the candidates'."""


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


def ended(
    budget: Budget,
    counts: Counts,
    *,
    begun: int,
    proposals: int,
    failures: Sequence[Outcome],
    exhausted: str,
    distinct: int,
    size: int,
    seconds: Callable[[], float],
) -> Stopped | None:
    """Why nothing more is to be proposed, or None.

    `begun` candidates are under way and taken for evaluated, `proposals` is the number of all,
    `failures` the last ones in a row, `exhausted` what the sampler said, `distinct` how many
    of the `size` combinations of genes were proposed, `seconds` how long it was worked on.
    """
    if proposals < budget.first:
        return None
    if counts.evaluated + begun >= budget.trials:
        return Stopped("finished", "", counts)
    streak = failures[-FAILURES_IN_A_ROW:]
    if len(streak) == FAILURES_IN_A_ROW and len({one.failure for one in streak}) == 1:
        reason = f"{FAILURES_IN_A_ROW} candidates in a row failed alike: {streak[-1].reason}"
        return Stopped("failures", reason, counts)
    if proposals >= budget.max_proposals:
        reason = (
            f"study.max_proposals={budget.max_proposals} proposals were made before "
            f"{budget.trials} could be evaluated: the limits may be too tight"
        )
        return Stopped("proposals", reason, counts)
    if exhausted:
        return Stopped("exhausted", exhausted, counts)
    if distinct >= size:
        reason = f"every one of the space's {size} combinations was proposed"
        return Stopped("exhausted", reason, counts)
    if budget.seconds is not None and seconds() >= budget.seconds:
        return Stopped("hours", "study.hours are used up", counts)
    return None


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
