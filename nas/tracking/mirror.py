"""A running study mirrored into MLflow; the study is the memory, MLflow a picture of it."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from nas.events import Counts, Stage, StopReason, StudyInfo, Waiting
from nas.outcome import Certificate, EpochResult, Outcome, TrialRecord
from nas.result import Finalist
from nas.tracking import store
from nas.tracking.origin import origin
from nas.tracking.rows import epoch_points, study_row, trial_row
from nas.tracking.runs import StudyRuns
from nas.tracking.state import (
    STATUS_OF_REASON,
    Point,
    StudyState,
    TrialState,
    Winners,
    best_of,
    counted,
    nearest_of,
    settled,
)
from nas.tracking.writer import Writer

LIVE_AFTER_SECONDS = 60.0
LIVE_EVERY_SECONDS = 10.0
"""A trial that takes over a minute shows its epochs while it runs, ten seconds apart."""

FINISH_SECONDS = 30.0
SIGNAL_SECONDS = 3.0
"""How long the end of a study waits for its mirror; stopped by a signal, it must be gone in 5 s."""


class MlflowMirror:
    """The listener that mirrors one study into one MLflow store.

    Every call returns at once, `stopped` after at most FINISH_SECONDS. Nothing is raised: what
    went wrong is in `problems`, one sentence each, told once, and what could not be written is
    written when the store answers again, at the end, or by the next resume.
    """

    def __init__(self, uri: str | None, *, runs: Path, study: str) -> None:
        self.uri = store.resolve(uri, runs)
        self.problems: list[str] = []
        self._folder = runs
        self._name = study
        self._state: StudyState | None = None
        self._runs: StudyRuns | None = None
        self._writer: Writer[_Item] | None = None
        self._past: frozenset[int] = frozenset()
        self._finished: list[TrialRecord] = []
        self._running: dict[int, _Watched] = {}
        self._measuring: set[int | None] = set()
        self._study_put = 0.0
        self._origin: dict[str, Any] | None = None

    # The calls of nas.events.Listener

    def started(self, study: StudyInfo, past: list[TrialRecord]) -> None:
        """Put everything the study already has; what MLflow has of it is left alone."""
        now = time.time()
        began = min((record.started for record in past), default=now)
        self._runs = StudyRuns(self.uri, study, runs=self._folder)
        self._past = frozenset(record.number for record in past)
        self._finished = [record for record in past if record.outcome]
        self._state = StudyState(
            study=study,
            status="RUNNING",
            started=began,
            noted=now,
            counts=counted(past),
            best=best_of(past),
        )
        self._writer = self._new_writer()
        self._writer.put(None, self._state)
        for record in past:
            state = TrialState(record, settled(record, unfinished="RUNNING"))
            self._writer.put(record.number, replace(state, create=record.outcome is not None))
        self._writer.start()

    def reference_known(self, name: str, outcome: Outcome) -> None:
        """The study's own run shows the reference beside the best."""
        self._measuring.discard(None)
        self._put_study(reference=(name, outcome))

    def note(self, message: str) -> None:
        """Nothing: the study's log has it."""

    def device_lost(self, waiting: Waiting) -> None:
        """Nothing is measured now: write."""
        if self._writer is not None:
            self._writer.hold(False)

    def device_back(self, waiting: Waiting) -> None:
        """Hold back again."""
        self._hold()

    def trial_started(self, trial: TrialRecord) -> None:
        """Watch it; a run of it that says KILLED says RUNNING again."""
        self._running[trial.number] = _Watched(trial)
        self._put(TrialState(trial, "RUNNING", create=False))

    def stage(self, number: int | None, stage: Stage) -> None:
        """Write nothing while a latency is being measured."""
        if stage == "measuring":
            self._measuring.add(number)
        else:
            self._measuring.discard(number)
        self._hold()

    def epoch(self, number: int | None, result: EpochResult, of: int) -> None:
        """Keep the epoch; show it now if the trial is a long one."""
        watched = self._running.get(number) if number is not None else None
        if watched is None:
            return
        watched.points += epoch_points(result, time.time())
        now = time.monotonic()
        if now - watched.began >= LIVE_AFTER_SECONDS and now - watched.put >= LIVE_EVERY_SECONDS:
            watched.put = now
            self._put(TrialState(watched.record, "RUNNING", tuple(watched.points)))

    def trial_finished(self, trial: TrialRecord, counts: Counts) -> None:
        """Put the whole trial, and now and then the study's own run."""
        watched = self._running.pop(trial.number, None)
        points = tuple(watched.points) if watched else ()
        self._measuring.discard(trial.number)
        self._hold()
        self._finished.append(trial)
        self._put(TrialState(trial, settled(trial, unfinished="KILLED"), points))
        if time.monotonic() - self._study_put >= LIVE_EVERY_SECONDS:
            self._put_study(**self._found())

    def certified(self, name: str, certificate: Certificate) -> None:
        """Nothing: `conclude` has it with the winners."""

    def stopped(self, reason: StopReason, message: str, counts: Counts) -> None:
        """Put the end and wait, not for ever, until everything is written."""
        if self._writer is None:
            return
        for watched in self._running.values():
            self._put(TrialState(watched.record, "KILLED", tuple(watched.points)))
        self._running = {}
        status = STATUS_OF_REASON[reason]
        self._put_study(status=status, ended=time.time(), message=message, **self._found())
        self._finish(SIGNAL_SECONDS if reason == "signal" else FINISH_SECONDS)

    # After the study has stopped

    def conclude(
        self,
        winners: Sequence[Finalist],
        reference: Finalist | None,
        *,
        broken: Sequence[Finalist] = (),
        report: Path | None = None,
    ) -> None:
        """Tag the winners, show what was certified (also of the `broken`, which did not keep their
        limits then), and how winners and reference do on test images; keep the report."""
        if self._state is None:
            return
        finalists = [*winners, *([reference] if reference else [])]
        trials = {record.number: record for record in self._finished}
        known = {f.trial: f.outcome for f in (*winners, *broken) if f.trial in trials}
        certified = {n: replace(trials[n], outcome=o) for n, o in known.items() if n is not None}
        best = tuple(certified[one.trial] for one in winners if one.trial in certified)
        self._writer = self._new_writer()
        for record in certified.values():
            self._put(TrialState(record, settled(record, unfinished="KILLED")))
        if reference:
            self._put_study(reference=(reference.name, reference.outcome))
        self._put_study(
            best=best,
            tested={f.trial: f.test_accuracy for f in finalists if f.test_accuracy is not None},
            concluded=True,
        )
        if report is not None:
            self._writer.put(_REPORT, report)
        self._writer.put(_WINNERS, Winners(tuple(record.number for record in best)))
        self._writer.start()
        self._finish(FINISH_SECONDS)

    def _found(self) -> dict[str, Any]:
        """What the finished trials say; the counts of a study that an error ended are not known
        to the one who tells of it.
        """
        best = best_of(self._finished)
        nearest = None if best else nearest_of(self._finished)
        return {"counts": counted(self._finished), "best": best, "nearest": nearest}

    def _finish(self, seconds: float) -> None:
        assert self._writer is not None  # started() made it
        left = self._writer.finish(seconds)
        if left:
            self._tell(
                f"tracking: {left} runs of {self._name} are not in MLflow yet; the study has them: "
                f"nas track {self._name} writes them"
            )

    # What the writer's thread calls

    def _prepare(self) -> None:
        assert self._runs is not None  # started() made it
        first = not self._runs.experiment
        self._runs.open()
        if first:
            self._runs.settle(self._past.__contains__)

    def _write(self, item: _Item) -> None:
        assert self._runs is not None
        assert self._state is not None  # both made by started()
        with store.said(self.uri):
            if isinstance(item, Winners):
                self._runs.mark(item)
            elif isinstance(item, Path):
                self._runs.keep(item)
                self._write_study(self._state)
            elif isinstance(item, StudyState):
                self._write_study(item)
            else:
                self._runs.write(trial_row(self._state.study, item))

    def _write_study(self, state: StudyState) -> None:
        assert self._runs is not None
        if self._origin is None:
            self._origin = origin()
        whole = replace(state, origin=self._origin)
        runs = self._runs
        runs.write(study_row(whole, address=runs.address, report=runs.report))

    def _tell(self, problem: str) -> None:
        if problem not in self.problems:
            self.problems.append(problem)

    # Shorter ways to the writer

    def _put(self, state: TrialState) -> None:
        assert self._writer is not None  # started() comes first
        self._writer.put(state.record.number, state)

    def _new_writer(self) -> Writer[_Item]:
        return Writer(prepare=self._prepare, write=self._write, told=self._tell)

    def _put_study(self, **changes: object) -> None:
        assert self._writer is not None
        assert self._state is not None  # started() comes first
        self._study_put = time.monotonic()
        self._state = replace(self._state, noted=time.time(), **changes)  # type: ignore[arg-type]
        self._writer.put(None, self._state)

    def _hold(self) -> None:
        if self._writer is not None:
            self._writer.hold(bool(self._measuring))


_Item = TrialState | StudyState | Winners | Path
_WINNERS, _REPORT = -1, -2
"""The keys of winners and report, beside the numbers of trials and None for the study."""


class _Watched:
    """A trial that runs: its epochs so far, and when they were last put."""

    def __init__(self, record: TrialRecord) -> None:
        self.record = record
        self.points: list[Point] = []
        self.began = time.monotonic()
        self.put = -math.inf
