"""One proposal looked at, the cheap before the dear.

Multiply-adds, parameters and memory access, then latency, then accuracy; what breaks a limit on
the way is refused there and then, by how much, and never trained.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from nas.architecture import Architecture
from nas.errors import DataError, MemoryRanOutError, SettingsError, StudyError, TargetError
from nas.events import Stage
from nas.execution import CrashError, StoppedError
from nas.objective import Objective
from nas.outcome import Costs, EpochResult, Evaluation, Latency, Outcome
from nas.quantities import unsettled
from nas.space import Option

Report = Callable[[EpochResult, int], None]
Genes = Mapping[str, Option]


@dataclass(frozen=True)
class Examiner:
    """How costs, latency and accuracy of a candidate are found.

    Each is called with the architecture and its genes (none for the reference network): a table
    answers by genes, everything else by architecture. `measure` gives None where nobody asks for
    latency. A crash of the process that trains is tried again `retries` times. `climb` trains in
    the place of `evaluate` where candidates climb rungs; the reference network has all its epochs.
    `idle` tells the seconds in which a device that was gone was waited for: they are not spent on a
    candidate.
    """

    objective: Objective
    count: Callable[[Architecture, Genes], Costs]
    measure: Callable[[Architecture, Genes], Latency | None]
    evaluate: Callable[[Architecture, Genes, Report], Evaluation]
    retries: int = 1
    climb: Callable[[Outcome, Report], Evaluation] | None = None
    idle: Callable[[], float] = lambda: 0.0

    def examine(
        self,
        architecture: Architecture,
        genes: Genes,
        *,
        enter: Callable[[Stage], None],
        report: Report,
        refuse: bool = True,
    ) -> Outcome:
        """`screen`, and `train` what is not refused."""
        found = self.screen(architecture, genes, enter=enter, refuse=refuse)
        if isinstance(found, Outcome):
            return found
        enter("training")
        return self.train(found, report)

    def screen(
        self,
        architecture: Architecture,
        genes: Genes,
        *,
        enter: Callable[[Stage], None],
        refuse: bool = True,
    ) -> Outcome | Candidate:
        """What is left to train, or the outcome of one that is refused or failed on the way.

        With `refuse=False` a broken limit is written down and the network trained all the same:
        the reference network is what candidates are compared with.

        Raises:
            StoppedError: the study is to stop.
            TargetError: the device cannot be used; no fault of the candidate.
            SettingsError, DataError: nor is a setting that cannot work, or images that are gone.
            StudyError: the study cannot be written.
        """
        found = Candidate(architecture, genes, self.idle)
        with found.failing(self.objective) as failed:
            with found.stage("counting", enter):
                found.costs = self.count(architecture, genes)
            if refuse and (reason := self._broken(found)):
                return found.outcome("refused", self.objective, reason)
            with found.stage("measuring", enter):
                found.latency = self.measure(architecture, genes)
            if refuse and (reason := self._broken(found)):
                return found.outcome("refused", self.objective, reason)
        return failed[0] if failed else found

    def train(self, found: Candidate, report: Report) -> Outcome:
        """The outcome of a candidate that was screened; may be called in any thread.

        Raises:
            StoppedError, TargetError, SettingsError, DataError, StudyError: as `screen`.
        """
        with found.failing(self.objective) as failed, found.stage("training"):
            found.evaluation = self._evaluate(found, found.genes, report)
        return failed[0] if failed else found.outcome("evaluated", self.objective, "")

    def _broken(self, found: Candidate) -> str:
        """The limit that is broken most, in words, or an empty string."""
        violations = self.objective.violations(
            found.architecture.fingerprint, found.costs, found.latency
        )
        worst = max(violations, key=lambda name: violations[name], default=None)
        if worst is None or violations[worst] <= 0:
            return ""
        limit = next(limit for limit in self.objective.limits if limit.name == worst)
        over = f"{100 * _over(violations[worst]):.1f} %"
        if limit.quantity == "latency" and found.predicted:
            return f"{limit.sentence}: predicted from its blocks to exceed it, not measured"
        if limit.quantity == "latency" and found.unresolved:
            reason = f"{limit.sentence}: unresolved, its interval reaches {over} over it"
            return "; ".join(filter(None, (reason, unsettled(found.latency))))
        return f"{limit.sentence}: exceeded by {over}"

    def _evaluate(self, found: Candidate, genes: Genes, report: Report) -> Evaluation:
        for _ in range(self.retries):
            try:
                return self._trained(found, genes, report)
            except (CrashError, MemoryRanOutError):
                continue
        return self._trained(found, genes, report)

    def _trained(self, found: Candidate, genes: Genes, report: Report) -> Evaluation:
        if self.climb is not None and genes:
            return self.climb(found.outcome("evaluated", self.objective, ""), report)
        return self.evaluate(found.architecture, genes, report)


@dataclass
class Candidate:
    """A network and what is known of it so far."""

    architecture: Architecture
    genes: Genes
    idle: Callable[[], float]
    costs: Costs | None = None
    latency: Latency | None = None
    evaluation: Evaluation | None = None
    at: Stage = "counting"
    failure: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def unresolved(self) -> bool:
        """Whether the limit on latency lies inside the interval."""
        return bool(self.latency and self.latency.conditions.get("verdict") == "unresolved")

    @property
    def predicted(self) -> bool:
        """Whether no process measured it."""
        return bool(self.latency and self.latency.clock == "block table")

    @contextmanager
    def stage(
        self, stage: Stage, enter: Callable[[Stage], None] = lambda _: None
    ) -> Iterator[None]:
        """Time a stage; `enter` is told of it."""
        self.at = stage
        enter(stage)
        # No training waits for the device.
        idle = self.idle if stage == "measuring" else lambda: 0.0
        start = time.perf_counter() - idle()
        try:
            yield
        finally:
            self.seconds[stage] = round(time.perf_counter() - idle() - start, 4)

    @contextmanager
    def failing(self, objective: Objective) -> Iterator[list[Outcome]]:
        """Gets the failed outcome if something goes wrong that is the candidate's own end."""
        failed: list[Outcome] = []
        try:
            yield failed
        except (StoppedError, TargetError, StudyError, SettingsError, DataError):
            raise
        except Exception as error:
            # Whatever else goes wrong is this candidate's end, not the study's: it is written
            # down with its reason, and five of a kind in a row stop the study.
            self.failure = f"{self.at}: {type(error).__name__}"
            words = _words(error).removeprefix(f"{self.at}: ")
            failed.append(self.outcome("failed", objective, f"{self.at}: {words}"))

    def outcome(self, kind: str, objective: Objective, reason: str) -> Outcome:
        """What is known, as the outcome of that kind."""
        violations = objective.violations(self.architecture.fingerprint, self.costs, self.latency)
        return Outcome(
            kind=kind,  # type: ignore[arg-type]  # called with the literals above only
            architecture=self.architecture,
            costs=self.costs,
            latency=self.latency,
            evaluation=self.evaluation,
            violations=violations,
            feasible=kind != "failed" and objective.keeps(violations),
            unresolved=self.unresolved,
            reason=reason,
            failure=self.failure,
            seconds=self.seconds,
        )


def _over(violation: float) -> float:
    """How far above the limit, as a share of it."""
    return math.exp(violation) - 1


def _words(error: Exception) -> str:
    text = str(error).strip() or "no message"
    kind = type(error)
    return text if kind.__module__.startswith("nas.") else f"{kind.__name__}: {text}"
