"""What a search returns and what `nas status` and `nas search --dry-run` show."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any

from nas.events import Counts, Waiting
from nas.outcome import Certificate, Outcome
from nas.sketch import SketchPoint

ENDED = "nas.end"
"""Under which name a study keeps what only its end knows of the finalists."""


@dataclass(frozen=True)
class ClassScore:
    """One row of the per-class table; shares 0..1, 0 where nothing was predicted or there."""

    name: str
    images: int
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class Difference:
    """Winner less reference on the same images: the mean and a 95 % interval.

    `tie` where the interval holds 0.
    """

    mean: float
    low: float
    high: float

    @property
    def tie(self) -> bool:
        """Whether nothing can be said of which is better."""
        return self.low <= 0 <= self.high


@dataclass(frozen=True)
class SeedResult:
    """One training of a finalist; `seed` 0 is the search's own.

    Units:
        validation, test: the study's metric of these images, 0..1.
    """

    seed: int
    validation: float
    test: float


@dataclass(frozen=True)
class Finalist:
    """A network of the final table; `trial` is None for the reference network.

    Test accuracy (0..1, of the study's metric; the mean of all seeds) is computed for finalists
    only and never steers the search; None where accuracy came from a table. `classes` and
    `confusion` (rows are the true classes) are of the test images and the search's own training.
    """

    name: str
    trial: int | None
    outcome: Outcome
    test_accuracy: float | None
    seeds: tuple[SeedResult, ...] = ()
    classes: tuple[ClassScore, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()

    @property
    def validation(self) -> float | None:
        """The study's metric of the validation images, the mean of all seeds."""
        if self.seeds:
            return mean(one.validation for one in self.seeds)
        return self.outcome.evaluation.value if self.outcome.evaluation else None

    @property
    def shown(self) -> str:
        """Its name, and from which weights its training began where a file was given."""
        conditions = self.outcome.evaluation.conditions if self.outcome.evaluation else {}
        if "init" not in conditions:
            return self.name
        if not conditions["loaded"]:
            return f"{self.name}, from scratch"
        return f"{self.name}, fine-tuned" if self.trial is None else self.name

    @property
    def test_deviation(self) -> float | None:
        """Standard deviation between the seeds, None of a single one."""
        return stdev(one.test for one in self.seeds) if len(self.seeds) > 1 else None

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
    certified. `by_costs` holds what choosing by multiply-adds alone, or by latency alone, among the
    same candidates would have given: the greatest that keeps the limits. `difference` is the winner
    less the reference on the same test images, `warnings` what to know before either is trusted.
    `baseline` is the test accuracy of a logistic regression. `reason` is why
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
    metric: str = "accuracy"
    by_costs: tuple[Finalist, ...] = ()
    difference: Difference | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudyStatus:
    """One study as `nas status` shows it.

    `state` is live, waiting (live, while its device is gone: `waiting` says since when), stopped,
    finished, or damaged (then `goal` says why); `best` the best feasible outcome so far; `driver`
    names host and pid of the process that drives a live study; `points` are the networks that have
    an accuracy and a latency; `spent` the seconds by stage, of all trials, as they add up.
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
    spent: Mapping[str, float] = field(default_factory=dict)


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
