"""Ask, examine, tell, until the budget is used: the only place with state.

The state is what the trials on disk say, read once at the start; after a kill anywhere it is read
again and the loop goes on. Candidates are drawn, counted, measured and written by this thread, and
trained by an executor; a worker that is free gets the next one at once. What other drivers of the
same study did is learned before each proposal.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial

from optuna.trial import TrialState

from nas.errors import NasError, SpaceExhaustedError
from nas.events import Counts, Listener, Stage
from nas.execution import POLL_SECONDS, StoppedError
from nas.outcome import Outcome, TrialRecord
from nas.space import SearchSpace
from nas.study.budget import Budget, Stopped, ended, worked
from nas.study.candidates import Candidate, Examiner
from nas.study.company import Company
from nas.study.memory import Memory
from nas.study.proposals import Proposer, distributions
from nas.study.storage import StudyStorage
from nas.study.trainings import Trainings, same_network

TWINS = 5
"""As many proposals of networks that are under way are drawn before one of those has ended: a
sampler may have nothing else to propose until then."""


class StudyLoop:
    """A study being run by this process.

    `chance` is the accuracy told of a candidate that was not trained, `unmeasured_ms` the latency
    told of one that was not measured; `reference` the outcome of the reference network, which
    answers for a proposal that builds the same network. `finished` is called once a trial is told.
    `executor` trains `workers` candidates at a time, this thread gets up to `ahead` ready for them.
    """

    def __init__(
        self,
        storage: StudyStorage,
        space: SearchSpace,
        proposer: Proposer,
        examiner: Examiner,
        *,
        chance: float,
        unmeasured_ms: float,
        reference: Outcome | None = None,
        listeners: Sequence[Listener] = (),
        finished: Callable[[TrialRecord], None] = lambda _: None,
        stop: Callable[[], bool] = lambda: False,
        executor: Executor | None = None,
        workers: int = 1,
        ahead: int = 0,
    ) -> None:
        self._storage = storage
        self._space = space
        self._proposer = proposer
        self._examiner = examiner
        self._chance = chance
        self._unmeasured_ms = unmeasured_ms
        self._listeners = listeners
        self._finished = finished
        self._stop = stop
        self._executor = executor
        self._workers = workers
        self._ahead = ahead
        self._distributions = distributions(space.genes)
        self._memory = Memory(reference)
        self._distinct: set[tuple[object, ...]] = set()
        self._done: list[TrialRecord] = []
        self._failures: list[Outcome] = []
        self.counts = Counts()
        # Trials under way: found running, ready to be trained (or trained before a stop), being
        # trained, and those whose network is one of these.
        self._found: deque[TrialRecord] = deque()
        self._exhausted = ""
        self._ready: deque[tuple[TrialRecord, Candidate | Outcome]] = deque()
        self._training = Trainings(listeners)
        self._twins: list[TrialRecord] = []
        self._company = Company(storage, proposer)
        past, found = self._company.begin(storage.records())
        self._found.extend(found)
        for trial in (*past, *found, *self._company.running.values()):
            self._distinct.add(tuple(trial.genes.values()))
        for trial in past:
            self._remember(trial)
        self._spent = sum(reference.seconds.values()) if reference else 0.0

    def _remember(self, trial: TrialRecord) -> None:
        outcome = trial.outcome
        assert outcome is not None  # a finished trial was written before it was told
        self._memory.remember(trial)
        self._done.append(trial)
        kind = outcome.kind
        self.counts = replace(self.counts, **{kind: getattr(self.counts, kind) + 1})

    def run(self, budget: Budget) -> Stopped:
        """Go on until the budget is used or something ends the study.

        What was begun is finished, but for a signal; what has ended is kept in every case.

        Raises:
            NasError: the study cannot be written, the target cannot be used, a user's space broke
                its promise; every trial already written stays.
        """
        executor = self._executor or ThreadPoolExecutor(self._workers)
        try:
            while (stopped := self._step(executor, budget)) is None:
                pass
        except StoppedError:
            stopped = Stopped("signal", "stopped by a signal", self.counts)
        except NasError:
            with suppress(NasError):
                self.meanwhile()
            raise
        finally:
            if executor is not self._executor:
                executor.shutdown()
        self.meanwhile()
        return replace(stopped, counts=self.counts)

    def meanwhile(self) -> None:
        """Keep what trainings have brought, while something else is waited for or at the end."""
        while found := self._training.take_unwritten():
            trial, outcome = found
            if self._workers > 1:
                self._finish(trial, outcome)
            else:
                # Told when the next candidate is ready, as ever: no question of time decides.
                self._training.add_ended(self._written(trial, outcome), outcome)

    def _step(self, executor: Executor, budget: Budget) -> Stopped | None:
        """Whatever is next: start a training, get a candidate ready, or wait for a training."""
        if self._stop():
            return Stopped("signal", "stopped by a signal", self.counts)
        if self._begin(executor):
            return None
        if self._workers > 1:
            # One worker's results wait for the next candidate: no question of time decides.
            self._take(executor, wait=False)
        idle = self._workers - len(self._training)
        if len(self._ready) < idle + self._ahead and len(self._twins) < TWINS:
            if self._found:
                self._look(self._found.popleft())
                return None
            try:
                found = self._next(budget)
            except SpaceExhaustedError as error:
                self._exhausted = str(error)
                return None
            if isinstance(found, TrialRecord):
                self._look(found)
            if not isinstance(found, Stopped):
                return None
            if not (self._training or self._ready or self._company.running):
                return found
        if self._training:
            self._take(executor, wait=True)
        elif self._company.running:
            time.sleep(POLL_SECONDS)
            with self._company.alone():
                self._learn()
        return None

    def _begin(self, executor: Executor) -> bool:
        """Have what is ready trained, if there is a worker for it."""
        if not self._ready or len(self._training) >= self._workers:
            return False
        trial, found = self._ready.popleft()
        if isinstance(found, Outcome):
            self._training.add_ended(trial, found)
        else:
            self._enter(trial, "training")
            self._training.begin(executor, trial, partial(self._examiner.train, found))
        return True

    def _take(self, executor: Executor, *, wait: bool) -> None:
        if ended := self._training.take(wait=wait, stop=self._stop):
            try:
                self._begin(executor)  # the worker does not wait for what is written now
            finally:
                self._finish(*ended)

    def _next(self, budget: Budget) -> TrialRecord | Stopped | None:
        """A proposal, or why there is none; None where a dead driver left trials to take up."""
        with self._company.alone():
            self._learn()
            if self._found:
                return None
            begun = len(self._training) + len(self._ready) + len(self._company.running)
            why = ended(
                budget,
                self.counts,
                begun=begun,
                proposals=self.counts.proposals + begun + len(self._twins),
                failures=self._failures,
                exhausted=self._exhausted,
                distinct=len(self._distinct),
                size=self._space.size,
                seconds=lambda: self._spent + worked(self._done),
            )
            return self._propose() if why is None else why

    def _learn(self) -> None:
        """Take in what other drivers did."""
        news = self._company.news()
        self._distinct |= {tuple(trial.genes.values()) for trial in news.proposed}
        self._found.extend(news.left)
        for trial in news.ended:
            self._remember(trial)
            self._finished(trial)
            self._answer_twins(trial)

    def _propose(self) -> TrialRecord:
        proposal = self._proposer.draw()
        architecture = self._space.decode(proposal.genes)
        trial = self._storage.propose(proposal, architecture, self._distributions)
        self._distinct.add(tuple(proposal.genes.values()))
        self._company.add(trial)
        return trial

    def _look(self, trial: TrialRecord) -> None:
        """Answer a proposal from memory, refuse it, or get it ready to be trained."""
        for listener in self._listeners:
            listener.trial_started(trial)
        if trial.outcome is not None and "training" in trial.outcome.seconds:
            self._ready.append((trial, trial.outcome))
            return
        outcome = trial.outcome or self._memory.answer(trial)
        if outcome is None:
            under_way = [*self._training.trials, *(one for one, _ in self._ready)]
            if any(same_network(one, trial) for one in under_way) or not self._company.claim(trial):
                self._twins.append(trial)
                return
            found = self._examiner.screen(
                trial.architecture, trial.genes, enter=lambda stage: self._enter(trial, stage)
            )
            if isinstance(found, Candidate):
                self._ready.append((trial, found))
                if len(self._training) >= self._workers:
                    self._enter(trial, "waiting")
                return
            outcome = found
        self._finish(trial, outcome)

    def _enter(self, trial: TrialRecord, stage: Stage) -> None:
        if self._stop():
            raise StoppedError(f"{stage}: given up because the study is to stop")
        for listener in self._listeners:
            listener.stage(trial.number, stage)

    def _finish(self, trial: TrialRecord, outcome: Outcome) -> None:
        """Write and tell how a trial ended, and then its twins."""
        self._written(trial, outcome)
        finished = self._tell(trial.number, outcome)
        self._remember(finished)
        if outcome.kind == "failed":
            self._failures.append(outcome)
        elif outcome.kind == "evaluated":
            self._failures.clear()
        self._finished(finished)
        for listener in self._listeners:
            listener.trial_finished(finished, self.counts)
        self._answer_twins(trial)

    def _written(self, trial: TrialRecord, outcome: Outcome) -> TrialRecord:
        if trial.outcome is None:
            self._storage.write_outcome(trial.number, outcome)
        return replace(trial, outcome=outcome)

    def _answer_twins(self, trial: TrialRecord) -> None:
        twins = [twin for twin in self._twins if same_network(twin, trial)]
        self._twins = [twin for twin in self._twins if twin not in twins]
        for twin in twins:
            known = self._memory.answer(twin)
            assert known is not None  # it was remembered above
            self._finish(twin, known)

    def _tell(self, number: int, outcome: Outcome) -> TrialRecord:
        # COMPLETE, not PRUNED: NSGA-II, NSGA-III and the Gaussian process read no other state, and
        # would never learn where the limits are. A repeat is told as what it repeats.
        failed = self._memory.failed(outcome)
        state = TrialState.FAIL if failed else TrialState.COMPLETE
        objective = self._examiner.objective
        known = {"chance": self._chance, "unmeasured_ms": self._unmeasured_ms}
        told = None if failed else objective.values(outcome, **known)
        violation = objective.constraint(outcome)
        finished = self._storage.tell(number, state, told, violation)
        self._proposer.tell(number, state, told, violation)
        return finished
