"""The end of a study: the best few, the reference network, and how they do on test images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any, Literal

from nas.certification import winners_of
from nas.composition import Parts
from nas.errors import NasError
from nas.execution import StoppedError
from nas.objective import rank
from nas.outcome import Outcome
from nas.quantities import span
from nas.result import Difference, Finalist, SearchResult, SeedResult
from nas.seeds import PROCESSES, Job, Seeds, seed_weights
from nas.settings import DataSettings
from nas.study.best import greatest_by_costs, refuted
from nas.study.budget import Stopped
from nas.study.records import certified
from nas.study.signals import StopSignals
from nas.study.storage import StudyStorage
from nas.workers import Workers

if TYPE_CHECKING:
    from nas.evaluation.full import Judgement

SHOWN = 3


@dataclass(frozen=True)
class Entry:
    """A network of the final table before it is judged, and with how many seeds it will be."""

    role: Literal["winner", "reference", "by_costs"]
    name: str
    trial: int | None
    outcome: Outcome
    seeds: int = 1


def finalists(
    parts: Parts,
    storage: StudyStorage,
    stopped: Stopped,
    *,
    worker: Workers | None,
    signals: StopSignals,
    told: Callable[[str], None] = lambda _: None,
) -> SearchResult:
    """What the study found, but for its time.

    Further seeds are trained and test images seen for the first time here, if there is a `worker`
    to see them; a signal gives that up, and what fails on the way is a problem, not the end.
    """
    best, noise = winners_of(parts, storage)
    evaluated = [
        (trial.number, trial.outcome)
        for trial in storage.records()
        if trial.outcome is not None and not refuted(trial.outcome)
    ]
    reference = _reference(storage)
    broken = tuple(
        Finalist(f"trial {t.number}", t.number, t.outcome, None)
        for t in storage.records()
        if t.outcome is not None and refuted(t.outcome)
    )
    entries = _entries(parts, best, reference, evaluated)
    checkpoints = storage.path / "checkpoints"
    seeds = Seeds(parts, storage, stop=signals.stop)
    if worker is not None:
        jobs = [job for entry in entries for job in _jobs(entry, checkpoints)]
        if missing := [job for job in set(jobs) if seeds.found(job) is None]:
            took = span(max(1.0, training_seconds(entries, missing)))
            told(
                f"finalists: {len(missing)} trainings with other seeds, {PROCESSES} at a time, "
                f"about {took}"
            )
        seeds.train(jobs, worker)
    tested = _Tested(parts, seeds, checkpoints, worker, signals.stop)
    shown = [(entry.role, tested.finalist(entry)) for entry in entries]
    winners = [one for role, one in shown if role == "winner"]
    if parts.objective.name == "constrained":
        winners = ranked(winners, noise=noise)
    known = next((one for role, one in shown if role == "reference"), None)
    result = SearchResult(
        study=storage.name,
        folder=str(storage.path),
        counts=stopped.counts,
        reason=stopped.reason,
        message=stopped.message,
        winners=tuple(winners),
        reference=known,
        baseline=tested.baseline(),
        noise=noise,
        seconds=0.0,
        signal=signals.number,
        broken=broken,
        problems=(*seeds.problems, *tested.problems),
        metric=parts.settings.objective.metric,
        by_costs=tuple(one for role, one in shown if role == "by_costs"),
        difference=tested.difference(winners[0], known) if winners and known else None,
        warnings=warnings_of([*winners, *([known] if known else [])]),
    )
    _write(storage, result)
    return result


def _reference(storage: StudyStorage) -> Outcome | None:
    written = storage.get("nas.reference")
    return written and certified(Outcome.from_json(written), storage.certificates())


def _entries(
    parts: Parts,
    best: list[tuple[int, Outcome]],
    reference: Outcome | None,
    evaluated: list[tuple[int, Outcome]],
) -> list[Entry]:
    """The best, the reference, and what costs alone would have chosen; in this order."""
    settings = parts.settings.evaluation
    many = SHOWN if settings.seeded == "all" else 1
    entries = [
        Entry("winner", f"trial {n}", n, o, settings.seeds if place < many else 1)
        for place, (n, o) in enumerate(best)
    ]
    if reference is not None:
        name = parts.settings.objective.reference
        entries.append(Entry("reference", name, None, reference, settings.seeds))
    known = {entry.outcome.architecture.fingerprint: entry.seeds for entry in entries}
    return entries + [
        # One network has the same numbers wherever it stands.
        Entry("by_costs", f"{name}: trial {n}", n, o, known.get(o.architecture.fingerprint, 1))
        for name, n, o in greatest_by_costs(evaluated)
    ]


def _jobs(entry: Entry, checkpoints: Path) -> list[Job]:
    """The trainings that an entry needs; the search's own only where it left no weights."""
    evaluation, architecture = entry.outcome.evaluation, entry.outcome.architecture
    own = Job(architecture, 0)
    whole = evaluation is not None and evaluation.whole
    missing = [] if whole and seed_weights(checkpoints, own).exists() else [own]
    return [*missing, *(Job(architecture, seed) for seed in range(1, entry.seeds))]


def training_seconds(entries: Sequence[Entry], jobs: Sequence[Job]) -> float:
    """How long these trainings take, if each takes what that of the search took."""
    took = [(e.outcome.architecture.fingerprint, e.outcome.seconds) for e in entries]
    # The reference is a trial, too, that was answered from memory.
    known = dict(sorted((f, seconds.get("training", 0.0)) for f, seconds in took))
    return sum(known[job.architecture.fingerprint] for job in jobs) / PROCESSES


def ranked(winners: list[Finalist], *, noise: float) -> list[Finalist]:
    """The best first, by the mean of the seeds; of equal ones within the noise the fastest."""
    if len({len(one.seeds) for one in winners}) != 1:
        return winners  # a mean of three against a single lucky training would not be fair
    by_trial = {one.trial: one for one in winners}
    means = []
    for one in winners:
        evaluation, validation = one.outcome.evaluation, one.validation
        if one.trial is None or evaluation is None or validation is None:
            return winners
        value = replace(evaluation, score=validation)
        means.append((one.trial, replace(one.outcome, evaluation=value)))
    return [by_trial[number] for number, _ in rank(means, noise=noise)]


def warnings_of(networks: Sequence[Finalist]) -> tuple[str, ...]:
    """What to know before these are trusted."""
    known = [
        (one.name, one.validation, one.test_accuracy)
        for one in networks
        if one.validation is not None and one.test_accuracy is not None
    ]
    for (a, valid_a, test_a), (b, valid_b, test_b) in combinations(known, 2):
        if (valid_a - valid_b) * (test_a - test_b) < 0:
            better, worse = (a, b) if valid_a > valid_b else (b, a)
            return (
                f"validation and test images rank the finalists differently ({better} against "
                f"{worse}): differences of this size are luck",
            )
    return ()


def _write(storage: StudyStorage, result: SearchResult) -> None:
    """Who won is who is best after all; what else was found `nas.report` keeps with the study."""
    numbers = [one.trial for one in result.winners]
    others = [number for number in storage.get("nas.best") or () if number not in numbers]
    storage.set("nas.best", [*numbers, *others])


class _Tested:
    """What test images say, looked at where the training was."""

    def __init__(
        self,
        parts: Parts,
        seeds: Seeds,
        checkpoints: Path,
        worker: Workers | None,
        stop: Callable[[], bool],
    ) -> None:
        self.problems: list[str] = []
        self._settings = parts.settings
        self._seeds = seeds
        self._checkpoints = checkpoints
        self._worker = worker
        self._stop = stop
        self._judged: dict[Job, Judgement] = {}

    def finalist(self, entry: Entry) -> Finalist:
        """An entry judged by the test images, with as many seeds as there are."""
        outcome, architecture = entry.outcome, entry.outcome.architecture
        again = self._seeds.found(Job(architecture, 0))
        if again is not None and not (outcome.evaluation and outcome.evaluation.whole):
            outcome = replace(outcome, evaluation=again)
        found, results = None, []
        for seed in range(entry.seeds):
            job = Job(architecture, seed)
            evaluation = self._seeds.found(job) if seed else outcome.evaluation
            judged = self._judge(job) if evaluation and evaluation.whole else None
            if evaluation and judged:
                found = found or judged
                results.append(SeedResult(seed, evaluation.value, judged.value))
        return Finalist(
            entry.name,
            entry.trial,
            outcome,
            mean(one.test for one in results) if results else None,
            seeds=tuple(results),
            classes=found.classes if found else (),
            confusion=found.confusion if found else (),
        )

    def difference(self, winner: Finalist, reference: Finalist) -> Difference | None:
        """The winner less the reference on the same test images."""
        from nas.evaluation.metrics import paired_bootstrap

        first, second = self._right(winner), self._right(reference)
        if not first or not second:
            return None
        return paired_bootstrap(first, second, seed=self._settings.study.seed)

    def _right(self, finalist: Finalist) -> list[Any]:
        architecture = finalist.outcome.architecture
        return [self._judged[Job(architecture, one.seed)].right for one in finalist.seeds]

    def baseline(self) -> float | None:
        """What a logistic regression does on the same images."""
        found: float | None = self._run(_baseline, {"data": self._settings.data})
        return found

    def _judge(self, job: Job) -> Judgement | None:
        weights = seed_weights(self._checkpoints, job)
        if job not in self._judged and weights.exists():
            arguments = {
                "architecture": job.architecture,
                "weights": weights,
                "data": self._settings.data,
                "metric": self._settings.objective.metric,
            }
            if judged := self._run(_judged, arguments):
                self._judged[job] = judged
        return self._judged.get(job)

    def _run(self, task: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        if self._worker is None or self._stop():
            return None
        try:
            return self._worker.run(task, arguments, stop=self._stop)
        except StoppedError:
            return None
        except NasError as error:
            if not self._stop():
                self.problems.append(str(error))
            return None


def _judged(*, report: Callable[..., None], **arguments: Any) -> Judgement:
    from nas.evaluation.full import judge

    return judge(**arguments)


def _baseline(*, report: Callable[..., None], data: DataSettings) -> float:
    from nas.evaluation.full import baseline

    return baseline(data)
