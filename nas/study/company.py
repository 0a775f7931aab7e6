"""What other drivers of a study do: proposals they made, ended, or left behind when they died."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from optuna.trial import FrozenTrial

from nas.outcome import TrialRecord
from nas.study.proposals import CONSTRAINT, Proposer
from nas.study.records import record
from nas.study.storage import DRIVER, StudyStorage


@dataclass(frozen=True)
class News:
    """Trials that others proposed and that ended since, and those taken up from a dead driver."""

    proposed: tuple[TrialRecord, ...] = ()
    ended: tuple[TrialRecord, ...] = ()
    left: tuple[TrialRecord, ...] = ()


class Company:
    """The other drivers of a study; on SQLite there are none.

    `running` are their trials under way, by number.
    """

    def __init__(self, storage: StudyStorage, proposer: Proposer) -> None:
        self.running: dict[int, TrialRecord] = {}
        self._storage = storage
        self._proposer = proposer
        self._seen = 0

    def begin(self, trials: list[TrialRecord]) -> tuple[list[TrialRecord], list[TrialRecord]]:
        """Of the trials a study has those that have ended, and those this driver is to take up.

        What others did since the proposer read the study is left to `news`.
        """
        if self._storage.drivers is None:
            left = [trial for trial in trials if trial.finished is None]
            return [trial for trial in trials if trial.finished is not None], left
        self._seen = self._proposer.count
        known, running = trials[: self._seen], self._proposer.running
        self.running = {trial.number: trial for trial in known if trial.number in running}
        return [trial for trial in known if trial.number not in running], []

    @contextmanager
    def alone(self) -> Iterator[None]:
        """No other driver proposes meanwhile, or takes up what a dead one left."""
        drivers = self._storage.drivers
        if drivers is None:
            yield
            return
        with self._storage.said(), drivers.alone():
            yield

    def claim(self, trial: TrialRecord) -> bool:
        """Whether this trial, and no earlier one, is to examine its network."""
        drivers = self._storage.drivers
        if drivers is None:
            return True
        with self._storage.said():
            return drivers.claim(trial.architecture.fingerprint, trial.number) == trial.number

    def add(self, trial: TrialRecord) -> None:
        """A proposal of this driver, made while it was alone."""
        self._seen = trial.number + 1

    def news(self) -> News:
        """What happened since; to be asked while alone, so that one driver takes up what is left.

        The proposer's copy of the study is brought up to date.
        """
        if self._storage.drivers is None:
            return News()
        trials = self._storage.trials
        proposed = [record(trial) for trial in trials[self._seen :]]
        for trial in trials[self._seen :]:
            self._proposer.add(trial)
        told = [number for number in self.running if trials[number].state.is_finished()]
        for number in told:
            trial = trials[number]
            violation = trial.constraints.get(CONSTRAINT, 0.0)
            self._proposer.tell(number, trial.state, trial.values, violation)
        ended = [record(trials[number]) for number in told]
        ended += [one for one in proposed if one.finished is not None]
        self.running |= {one.number: one for one in proposed if one.finished is None}
        for one in ended:
            self.running.pop(one.number, None)
        self._seen = len(trials)
        left = self._take_up(trials)
        return News(tuple(proposed), tuple(ended), tuple(left))

    def _take_up(self, trials: list[FrozenTrial]) -> list[TrialRecord]:
        """Make this driver's what dead ones were at."""
        drivers = self._storage.drivers
        assert drivers is not None  # asked by news()
        if not self.running:
            return []
        with self._storage.said():
            alive = drivers.alive()
        left = [n for n in self.running if trials[n].user_attrs.get(DRIVER) not in alive]
        for number in left:
            self._storage.hand_over(number)
            del self.running[number]
        return [record(trials[number]) for number in left]
