"""Candidates that are being trained, and what is heard of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from nas.events import Listener
from nas.execution import POLL_SECONDS
from nas.outcome import EpochResult, Outcome, TrialRecord
from nas.study.candidates import Report


@dataclass(frozen=True)
class _Epoch:
    """A worker's report."""

    number: int
    result: EpochResult
    of: int


class Trainings:
    """Trials under way with an executor; `listeners` are told of their epochs, by the one thread
    that calls these methods."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = listeners
        self._under_way: dict[Future[Outcome], TrialRecord] = {}
        self._events: SimpleQueue[_Epoch | Future[Outcome]] = SimpleQueue()

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def trials(self) -> list[TrialRecord]:
        """Those under way."""
        return list(self._under_way.values())

    def begin(
        self, executor: Executor, trial: TrialRecord, train: Callable[[Report], Outcome]
    ) -> None:
        """Have a trial trained."""

        def report(result: EpochResult, of: int) -> None:
            self._events.put(_Epoch(trial.number, result, of))

        self._add(executor.submit(train, report), trial)

    def add_ended(self, trial: TrialRecord, outcome: Outcome) -> None:
        """A trial whose training ended before, to be taken in its turn."""
        future: Future[Outcome] = Future()
        future.set_result(outcome)
        self._add(future, trial)

    def _add(self, future: Future[Outcome], trial: TrialRecord) -> None:
        self._under_way[future] = trial
        future.add_done_callback(self._events.put)

    def take(
        self, *, wait: bool, stop: Callable[[], bool] = lambda: False
    ) -> tuple[TrialRecord, Outcome] | None:
        """The next one that has ended; None where there is none, with `wait` only on `stop`.

        Raises:
            NasError: what ended a training without an outcome.
        """
        while True:
            try:
                event = self._events.get(timeout=POLL_SECONDS if wait else 0.0)
            except Empty:
                if not wait or stop():
                    return None
                continue
            if isinstance(event, Future):
                return self._under_way.pop(event), event.result()
            self._tell(event)

    def _tell(self, said: _Epoch) -> None:
        for listener in self._listeners:
            listener.epoch(said.number, said.result, said.of)

    def take_unwritten(self) -> tuple[TrialRecord, Outcome] | None:
        """The next one that has been evaluated and is not written down; never raises or waits.

        One at a time: whatever keeps it from being written, the others are there still.
        What failed is left: where a signal ends the study, that may be all that is wrong with it.
        """
        found, left = None, list[Future[Outcome]]()
        with suppress(Empty):
            while found is None:
                event = self._events.get_nowait()
                if isinstance(event, _Epoch):
                    self._tell(event)
                elif self._under_way[event].outcome is None and _evaluated(event):
                    found = self._under_way.pop(event), event.result()
                else:
                    left.append(event)
        for event in left:
            self._events.put(event)
        return found


def same_network(one: TrialRecord, other: TrialRecord) -> bool:
    """Whether two trials are of one network."""
    return one.architecture.fingerprint == other.architecture.fingerprint


def _evaluated(future: Future[Outcome]) -> bool:
    return future.exception() is None and future.result().kind == "evaluated"
