"""Finalists trained again with other seeds, two at a time, and never twice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nas.architecture import Architecture
from nas.composition import Parts
from nas.errors import NasError
from nas.examining import weights_path
from nas.execution import StoppedError
from nas.outcome import Evaluation
from nas.samplers import seed_of
from nas.study.storage import StudyStorage
from nas.workers import Workers

PROCESSES = 2
"""Each with the study's threads, one unless it says more: a second thread saves a tenth on small
images, a second process half."""

KEY = "nas.seeds"


@dataclass(frozen=True)
class Job:
    """A network and which of its seeds; 0 is that of the search itself."""

    architecture: Architecture
    seed: int


def seed_weights(checkpoints: Path, job: Job) -> Path:
    """Where the weights of a seed are kept."""
    path = weights_path(checkpoints, job.architecture)
    return path.with_name(f"{path.stem}.seed{job.seed}{path.suffix}") if job.seed else path


class Seeds:
    """What the seeds of a study's finalists gave; written into the study one by one."""

    def __init__(self, parts: Parts, storage: StudyStorage, *, stop: Callable[[], bool]) -> None:
        self.problems: list[str] = []
        self._parts = parts
        self._storage = storage
        self._stop = stop
        self._checkpoints = storage.path / "checkpoints"
        self._known: dict[str, dict[str, Any]] = storage.get(KEY) or {}

    def found(self, job: Job) -> Evaluation | None:
        """What a seed gave, if it was trained and its weights are still there."""
        written = self._known.get(job.architecture.fingerprint, {}).get(str(job.seed))
        if written is None or not seed_weights(self._checkpoints, job).exists():
            return None
        return Evaluation.from_json(written)

    def train(self, jobs: Sequence[Job], workers: Workers) -> None:
        """Train what is missing of these; a stop gives it up, a failure is a problem.

        The `workers` of the search do it, which have torch and the images, if they are enough.
        """
        missing = [job for job in dict.fromkeys(jobs) if self.found(job) is None]
        if not missing or self._stop():
            return
        number = min(PROCESSES, len(missing))
        with ExitStack() as stack:
            if workers.number < number:
                limit = self._parts.settings.execution.timeout
                own = Workers(number, timeout=limit, stop=self._stop)
                workers = stack.enter_context(closing(own))
            threads = ThreadPoolExecutor(number)
            stack.callback(threads.shutdown, cancel_futures=True)
            futures = {threads.submit(self._trained, job, workers): job for job in missing}
            for future in as_completed(futures):
                try:
                    self._note(futures[future], future.result())
                except StoppedError:
                    continue
                except NasError as error:
                    if not self._stop():
                        self.problems.append(f"another seed of a finalist: {error}")

    def _trained(self, job: Job, workers: Workers) -> Evaluation:
        from nas.evaluation.full import evaluate_full

        settings, fingerprint = self._parts.settings, job.architecture.fingerprint
        own = (job.seed,) if job.seed else ()
        found: Evaluation = workers.run(
            evaluate_full,
            {
                "architecture": job.architecture,
                "data": settings.data,
                "training": replace(settings.training, **self._parts.resolved),
                "seed": seed_of(settings.study.seed, fingerprint, *own),
                "weights": seed_weights(self._checkpoints, job),
                "metric": settings.objective.metric,
            },
        )
        return found

    def _note(self, job: Job, evaluation: Evaluation) -> None:
        seeds = self._known.setdefault(job.architecture.fingerprint, {})
        seeds[str(job.seed)] = replace(evaluation, epochs=()).to_json()
        self._storage.set(KEY, self._known)
