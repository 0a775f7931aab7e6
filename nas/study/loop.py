"""Ask, examine, tell, until the budget is used: the only place with state.

The state is what the trials on disk say, read once at the start; after a kill anywhere it is read
again and the loop goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from optuna.trial import TrialState

from nas.events import Counts, Listener, Stage, StopReason
from nas.execution import StoppedError
from nas.outcome import EpochResult, Outcome, TrialRecord
from nas.space import SearchSpace
from nas.study.candidates import Examiner
from nas.study.proposals import Proposer, distributions
from nas.study.storage import StudyStorage

FAILURES_IN_A_ROW = 5
"""As many failures of one kind, one after the other, are the study's fault, not the candidates'."""


@dataclass(frozen=True)
class Budget:
    """When to stop: evaluated candidates in total, proposals in total, seconds in total."""

    trials: int
    max_proposals: int
    seconds: float | None = None


@dataclass(frozen=True)
class Stopped:
    """Why the loop ended."""

    reason: StopReason
    message: str
    counts: Counts


class StudyLoop:
    """A study being run by this process.

    `chance` is the accuracy told of a candidate that was not trained, `unmeasured_ms` the latency
    told of one that was not measured; `reference` the outcome of the reference network, which
    answers for a proposal that builds the same network. `finished` is called once a trial is told.
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
    ) -> None:
        self._storage = storage
        self._space = space
        self._proposer = proposer
        self._examiner = examiner
        self._chance = chance
        self._unmeasured_ms = unmeasured_ms
        self._reference = reference
        self._listeners = listeners
        self._finished = finished
        self._stop = stop
        self._distributions = distributions(space.genes)
        self._memory: dict[str, tuple[int, Outcome]] = {}
        self._distinct: set[tuple[object, ...]] = set()
        self._running: list[TrialRecord] = []
        self._failures: list[Outcome] = []
        self._spent = sum(reference.seconds.values()) if reference else 0.0
        self.counts = Counts()
        for trial in storage.records():
            self._distinct.add(tuple(trial.genes.values()))
            if trial.finished is None:
                self._running.append(trial)
            else:
                self._remember(trial)

    def _remember(self, trial: TrialRecord) -> None:
        outcome = trial.outcome
        assert outcome is not None  # a finished trial was written before it was told
        self._memory.setdefault(trial.architecture.fingerprint, (trial.number, outcome))
        kind = outcome.kind
        self.counts = replace(self.counts, **{kind: getattr(self.counts, kind) + 1})
        # Not from start to end: a study that lay for a weekend spent nothing on it.
        self._spent += sum(outcome.seconds.values())

    def run(self, budget: Budget) -> Stopped:
        """Go on until the budget is used or something ends the study.

        Raises:
            NasError: the study cannot be written, the target cannot be used, a user's space broke
                its promise; every trial already written stays.
        """
        try:
            for trial in self._running:
                self._look(trial)
            self._running = []
            while (stopped := self._ended(budget)) is None:
                self._look(self._propose())
        except StoppedError:
            return Stopped("signal", "stopped by a signal", self.counts)
        return stopped

    def _ended(self, budget: Budget) -> Stopped | None:
        if self._stop():
            return Stopped("signal", "stopped by a signal", self.counts)
        if self.counts.evaluated >= budget.trials:
            return Stopped("finished", "", self.counts)
        streak = self._failures[-FAILURES_IN_A_ROW:]
        if len(streak) == FAILURES_IN_A_ROW and len({one.failure for one in streak}) == 1:
            return Stopped(
                "failures",
                f"{FAILURES_IN_A_ROW} candidates in a row failed alike: {streak[-1].reason}",
                self.counts,
            )
        if self.counts.proposals >= budget.max_proposals:
            return Stopped(
                "proposals",
                f"study.max_proposals={budget.max_proposals} proposals were made before "
                f"{budget.trials} could be evaluated: the limits may be too tight",
                self.counts,
            )
        if len(self._distinct) >= self._space.size:
            return Stopped(
                "exhausted",
                f"every one of the space's {self._space.size} combinations was proposed",
                self.counts,
            )
        if budget.seconds is not None and self._spent >= budget.seconds:
            return Stopped("hours", "study.hours are used up", self.counts)
        return None

    def _propose(self) -> TrialRecord:
        proposal = self._proposer.draw()
        architecture = self._space.decode(proposal.genes)
        trial = self._storage.propose(proposal, architecture, self._distributions)
        self._distinct.add(tuple(proposal.genes.values()))
        return trial

    def _look(self, trial: TrialRecord) -> None:
        for listener in self._listeners:
            listener.trial_started(trial)
        outcome = trial.outcome
        if outcome is None:
            outcome = self._answered(trial) or self._examined(trial)
            self._storage.write_outcome(trial.number, outcome)
        finished = self._tell(trial.number, outcome)
        self._remember(finished)
        if outcome.kind == "failed":
            self._failures.append(outcome)
        elif outcome.kind == "evaluated":
            self._failures.clear()
        self._finished(finished)
        for listener in self._listeners:
            listener.trial_finished(finished, self.counts)

    def _answered(self, trial: TrialRecord) -> Outcome | None:
        """The outcome from memory, if this network was proposed before or is the reference."""
        fingerprint = trial.architecture.fingerprint
        if fingerprint in self._memory:
            number, known = self._memory[fingerprint]
            return replace(
                known,
                kind="repeated",
                repeats=known.repeats if known.repeats is not None else number,
                reason=f"the network of trial {number}, which was {known.kind}",
                seconds={},
                certificate=None,
            )
        reference = self._reference
        if reference is not None and reference.architecture.fingerprint == fingerprint:
            return self._as_candidate(reference)
        return None

    def _as_candidate(self, reference: Outcome) -> Outcome:
        kind = "evaluated" if reference.feasible else "refused"
        return replace(
            reference,
            kind=kind,  # type: ignore[arg-type]
            evaluation=reference.evaluation if reference.feasible else None,
            reason="" if reference.feasible else "the reference itself breaks a limit",
            seconds={},
            certificate=None,
        )

    def _examined(self, trial: TrialRecord) -> Outcome:
        def enter(stage: Stage) -> None:
            if self._stop():
                raise StoppedError(f"{stage}: given up because the study is to stop")
            for listener in self._listeners:
                listener.stage(trial.number, stage)

        def report(result: EpochResult, of: int) -> None:
            for listener in self._listeners:
                listener.epoch(trial.number, result, of)

        return self._examiner.examine(trial.architecture, trial.genes, enter=enter, report=report)

    def _tell(self, number: int, outcome: Outcome) -> TrialRecord:
        # COMPLETE, not PRUNED: NSGA-II, NSGA-III and the Gaussian process read no other state, and
        # would never learn where the limits are. A repeat is told as what it repeats.
        failed = outcome.kind == "failed" or _repeats_failure(outcome, self._memory)
        state = TrialState.FAIL if failed else TrialState.COMPLETE
        objective = self._examiner.objective
        told = (
            None
            if failed
            else objective.values(outcome, chance=self._chance, unmeasured_ms=self._unmeasured_ms)
        )
        violation = objective.constraint(outcome)
        finished = self._storage.tell(number, state, told, violation)
        self._proposer.tell(number, state, told, violation)
        return finished


def _repeats_failure(outcome: Outcome, memory: dict[str, tuple[int, Outcome]]) -> bool:
    if outcome.kind != "repeated":
        return False
    _, known = memory[outcome.architecture.fingerprint]
    return known.kind == "failed"
