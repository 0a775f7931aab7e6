"""How long a running search still takes: by the epochs that end, and by what its end needs."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from statistics import fmean
from typing import Any

from nas.certification import SHOWN, SUSTAINED_ELSEWHERE, SUSTAINED_HERE
from nas.latency.levels import CERTIFY
from nas.outcome import EpochResult, Outcome, TrialRecord
from nas.seeds import PROCESSES

RECENT = 0.5
"""Of the time since the first epoch, the share whose pace counts: the random candidates that come
first are refused more often, and training processes start slowly."""

ONE = 1 - 1e-9
"""A candidate's work, added up from its epochs."""

REPORT_SECONDS = 8.0
"""Test images, the logistic regression and the report, where this was written."""


class Pace:
    """How many candidates were trained by when, parts of them by their epochs.

    Times are seconds of one clock. What a process before this one trained does not count.
    """

    def __init__(self) -> None:
        self._under_way: dict[int, float] = {}
        self._together = 1
        self._times: list[float] = []
        self._trained: list[float] = []
        self._seconds: list[float] = []

    def epoch(self, number: int | None, result: EpochResult, of: int, now: float) -> None:
        """An epoch of a candidate ended (None: the reference network, which is none)."""
        if number is None or result.rung is not None:
            return  # how far a candidate will climb is not known: it counts when it has ended
        share = result.epoch / of
        self._add(share - self._under_way.get(number, share - 1 / of), now)
        self._under_way[number] = share
        self._together = max(self._together, len(self._under_way))

    def finished(self, trial: TrialRecord, now: float) -> None:
        """A candidate ended; one that was not trained whole, or here, is no work done."""
        known, outcome = self._under_way.pop(trial.number, 0.0), trial.outcome
        seconds = outcome.seconds.get("training", 0.0) if outcome else 0.0
        if outcome is not None and outcome.kind == "evaluated" and (known or seconds):
            self._add(1.0 - known, now)
            self._seconds.append(seconds)
        elif known:
            self._add(-known, now)

    def _add(self, candidates: float, now: float) -> None:
        self._times.append(now)
        self._trained.append((self._trained[-1] if self._trained else 0.0) + candidates)

    def left(self, missing: int, now: float) -> float | None:
        """Seconds until so many more candidates are trained; None until every worker did one."""
        if missing <= 0:
            return 0.0
        least = self._together * ONE
        if not self._times or self._trained[-1] - self._trained[0] < least:
            return None
        begin = now - RECENT * (now - self._times[0])
        # The latest moment before that which has a candidate of every worker behind it.
        at = max(0, bisect_right(self._times, begin) - 1)
        while at and self._trained[-1] - self._trained[at] < least:
            at -= 1
        pace = (self._trained[-1] - self._trained[at]) / (now - self._times[at])
        shares = self._under_way.values()
        left = max(0.0, missing - sum(shares)) / pace
        # However many workers there are, the candidate that is furthest back is waited for.
        back = 1.0 if missing > len(shares) else 1.0 - min(shares)
        return max(left, back * fmean(self._seconds)) if self._seconds else left

    def idle(self, now: float) -> float:
        """Seconds since the last epoch or end of a candidate."""
        return now - self._times[-1] if self._times else 0.0

    def ending(self, settings: Mapping[str, Any], reference: Outcome | None) -> float:
        """Seconds from the last candidate to the end: certificates, further seeds, the report."""
        evaluation, study = settings.get("evaluation", {}), settings.get("study", {})
        if evaluation.get("name", "table") == "table" or reference is None or not self._seconds:
            return 0.0
        winners = SHOWN if evaluation["seeded"] == "all" else 1
        trainings = winners * fmean(self._seconds) + reference.seconds.get("training", 0.0)
        seconds = (int(evaluation["seeds"]) - 1) * trainings / PROCESSES
        if reference.latency is not None and reference.latency.clock != "table":
            here = settings.get("target", {}).get("where") == "local"
            load = study.get("sustained_seconds")
            if load is None:
                load = SUSTAINED_HERE if here else SUSTAINED_ELSEWHERE
            networks = SHOWN + 2  # the reference, and one of another kind
            seconds += CERTIFY.processes * networks * CERTIFY.seconds + float(load)
        return seconds + (REPORT_SECONDS if study.get("report") else 0.0)
