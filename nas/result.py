"""What a search returns and what `nas status` and `nas search --dry-run` show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nas.events import Counts, Waiting
from nas.outcome import Certificate, Outcome
from nas.sketch import SketchPoint


@dataclass(frozen=True)
class Finalist:
    """A network of the final table; `trial` is None for the reference network.

    Test accuracy (0..1) is computed for finalists only and never steers the search; None where
    accuracy came from a table.
    """

    name: str
    trial: int | None
    outcome: Outcome
    test_accuracy: float | None

    @property
    def certificate(self) -> Certificate | None:
        """What fresh processes found for it at the end; None where nothing was measured then."""
        return self.outcome.certificate


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    `winners` holds up to three feasible networks, the best first (equal accuracy within `noise`:
    the lower latency, then fewer multiply-adds), or for the pareto objective the whole front by
    falling accuracy; `broken` those that would be there, had they kept their limits when they were
    certified. `baseline` is the test accuracy of a logistic regression. `reason` is why
    the study stopped (see `nas.events.StopReason`), `signal` the number of the signal that did,
    `problems` what went wrong beside the study (its mirror in MLflow), one sentence each. `report`
    is the page that was written, empty if none was.
    """

    study: str
    folder: str
    counts: Counts
    reason: str
    message: str
    winners: tuple[Finalist, ...]
    reference: Finalist | None
    baseline: float | None
    noise: float
    seconds: float
    signal: int | None = None
    broken: tuple[Finalist, ...] = ()
    problems: tuple[str, ...] = ()
    report: str = ""


@dataclass(frozen=True)
class StudyStatus:
    """One study as `nas status` shows it.

    `state` is live, waiting (live, while its device is gone: `waiting` says since when), stopped,
    finished, or damaged (then `goal` says why); `best` the best feasible outcome so far; `driver`
    names host and pid of the process that drives a live study; `points` are the networks that have
    an accuracy and a latency.
    """

    name: str
    folder: str
    state: str
    driver: str
    counts: Counts
    trials: int
    goal: str
    limits: tuple[str, ...]
    best: Outcome | None
    best_trial: int | None
    reference: Outcome | None
    waiting: Waiting | None = None
    points: tuple[SketchPoint, ...] = ()


@dataclass(frozen=True)
class DryRun:
    """What a search would do, found by probing.

    `kept` of `draws` random candidates keep every limit that was checked; `checked` names the
    limits those draws were checked against; `advice` is empty unless none keeps them.
    """

    target: str
    goal: str
    limits: tuple[str, ...]
    draws: int
    kept: int
    checked: tuple[str, ...]
    seconds_per_candidate: float
    hours: float
    disk_mb: float
    advice: str
    settings: dict[str, Any]
