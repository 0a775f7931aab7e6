"""How a study finds costs, latency and accuracy of its candidates: for real, or from its table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from nas.architecture import Architecture
from nas.composition import Parts
from nas.execution import CrashError, StoppedError
from nas.limits import bounds_of
from nas.outcome import Costs, EpochResult, Evaluation, Latency, Outcome
from nas.samplers import seed_of
from nas.settings import TrainingSettings
from nas.space import Option
from nas.study.candidates import Examiner, Report
from nas.study.ladder import Ladder
from nas.workers import Workers

if TYPE_CHECKING:
    from nas.evaluation.table import Table
    from nas.latency.instrument import Instrument


def make_examiner(
    parts: Parts,
    instrument: Instrument | None,
    workers: Workers,
    checkpoints: Path,
    *,
    ladder: Ladder | None = None,
    measure: Callable[[Architecture], Latency] | None = None,
) -> Examiner:
    """How this study finds costs, latency and accuracy: from its table, or for real.

    With a `ladder` candidates climb it, and only the reference network is trained at once.
    `measure` stands in for the instrument's own way to settle the limits.
    """
    if parts.table is not None:
        return _examiner_of_table(parts, parts.table, instrument, workers)
    from nas.costs import count

    assert instrument is not None  # without a table latency is always measured
    bounds = bounds_of(parts.objective)
    settle = measure or (lambda architecture: instrument.settle(architecture, *bounds))
    trainer = _Trainer(parts, workers, checkpoints)
    return Examiner(
        objective=parts.objective,
        count=lambda architecture, genes: count(architecture),
        measure=lambda architecture, genes: settle(architecture),
        evaluate=lambda architecture, genes, report: trainer.whole(architecture, report),
        retries=parts.settings.execution.retries,
        climb=None if ladder is None else partial(trainer.climb, ladder),
    )


@dataclass(frozen=True)
class _Trainer:
    """Trains candidates in processes of their own."""

    parts: Parts
    workers: Workers
    checkpoints: Path

    @property
    def recipe(self) -> TrainingSettings:
        return replace(self.parts.settings.training, **self.parts.resolved)

    def whole(self, architecture: Architecture, report: Report) -> Evaluation:
        path = weights_path(self.checkpoints, architecture)
        return self._train(architecture, self.recipe, path, report)

    def climb(self, ladder: Ladder, known: Outcome, report: Report) -> Evaluation:
        architecture = known.architecture

        def train(rung: int, epochs: int) -> Evaluation:
            if epochs == self.recipe.epochs:
                return self.whole(architecture, report)
            path = weights_path(self.checkpoints, architecture)
            weights = path.with_name(f"{path.stem}.rung{rung}{path.suffix}")
            found = self._train(
                architecture,
                replace(self.recipe, epochs=epochs),
                weights,
                lambda result, of: report(replace(result, rung=rung), of),
            )
            weights.unlink(missing_ok=True)
            return replace(found, epochs=tuple(replace(e, rung=rung) for e in found.epochs))

        return ladder.climb(known, train)

    def _train(
        self, architecture: Architecture, recipe: TrainingSettings, weights: Path, report: Report
    ) -> Evaluation:
        from nas.evaluation.full import evaluate_full

        try:
            found: Evaluation = self.workers.run(
                evaluate_full,
                {
                    "architecture": architecture,
                    "data": self.parts.settings.data,
                    "training": recipe,
                    "seed": seed_of(self.parts.settings.study.seed, architecture.fingerprint),
                    "weights": weights,
                    "metric": self.parts.settings.objective.metric,
                },
                report=report,
            )
        except CrashError:
            # A signal to the whole group ends the child first: that is no fault of the candidate.
            if self.workers.stopping:
                raise StoppedError("training: given up because the study is to stop") from None
            raise
        return found


def _examiner_of_table(
    parts: Parts, table: Table, instrument: Instrument | None, workers: Workers
) -> Examiner:
    seconds = parts.settings.evaluation.seconds
    bounds = bounds_of(parts.objective)

    def count(architecture: Architecture, genes: Mapping[str, Option]) -> Costs:
        row = table.row(genes, architecture.fingerprint)
        if row.multiply_adds is None or row.parameters is None:
            from nas.costs import count as counted

            return counted(architecture)
        return Costs(row.multiply_adds, row.parameters, memory_access=None)

    def measure(architecture: Architecture, genes: Mapping[str, Option]) -> Latency | None:
        ms = table.row(genes, architecture.fingerprint).latency_ms
        if ms is not None:
            return table_latency(ms, parts.target)
        return instrument.settle(architecture, *bounds) if instrument else None

    def evaluate(
        architecture: Architecture, genes: Mapping[str, Option], report: Report
    ) -> Evaluation:
        accuracy = table.row(genes, architecture.fingerprint).accuracy
        if seconds:
            from nas.evaluation.table import wait

            workers.run(wait, {"seconds": seconds})
        report(EpochResult(epoch=1, accuracy=accuracy, loss=0.0, seconds=seconds), 1)
        return Evaluation(accuracy=accuracy, loss=0.0, seconds=seconds, seed=0)

    return Examiner(
        objective=parts.objective,
        count=count,
        measure=measure,
        evaluate=evaluate,
        retries=parts.settings.execution.retries,
    )


def table_latency(ms: float, target: str) -> Latency:
    """A latency that a table gives, in the form of a measured one."""
    return Latency(
        ms=ms, low=ms, high=ms, ratio=1.0, ratio_low=1.0, ratio_high=1.0,
        statistic="as in the table", clock="table", status="RESOLVED", target=target,
        reference="", reference_ms=ms, rounds=0, processes=0, seconds=0.0,
    )  # fmt: skip


def weights_path(checkpoints: Path, architecture: Architecture) -> Path:
    """Where the trained weights of a candidate are kept."""
    return checkpoints / f"{architecture.fingerprint}.safetensors"
