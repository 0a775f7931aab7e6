"""The study itself: who proposes, how much, where it is kept, mirrored and run."""

from __future__ import annotations

import re
from dataclasses import dataclass

from nas.masking import masked
from nas.settings.checks import at_least, fail, one_of

POSTGRES = re.compile(r"postgres(ql)?(\+psycopg)?://[^/]*/[^/?]+")

EXECUTIONS = ("auto", "serial", "processes", "dask")
SAMPLERS = ("hamming_gp", "tpe", "nsga2", "nsga3", "gp", "qmc", "mutation", "random")


@dataclass(frozen=True)
class SamplerSettings:
    """Who proposes. `startup_trials` random proposals come first where the sampler has such."""

    name: str = "hamming_gp"
    startup_trials: int = 10
    population: int = 20

    def __post_init__(self) -> None:
        one_of("sampler.name", self.name, SAMPLERS)
        at_least("sampler.startup_trials", self.startup_trials, 1)
        at_least("sampler.population", self.population, 2)


@dataclass(frozen=True)
class StudySettings:
    """How much, where it is kept, and the seed of everything.

    `trials` counts evaluated candidates in total; `max_proposals` (null: 20 x trials) and `hours`
    bound the whole. `source` names another study whose trials this one begins with, told again
    under its own limits. `storage` is where its database is: null for a SQLite file in its folder,
    or a PostgreSQL server, where several drivers may share it. `report` says whether the end of a
    search writes its report.
    `sustained_seconds` is the lasting load at the end under which winners are measured once more
    (null: 5 s on this machine, 60 s on a device elsewhere).
    """

    name: str | None = None
    trials: int = 20
    max_proposals: int | None = None
    hours: float | None = None
    seed: int = 0
    folder: str = "runs"
    sustained_seconds: float | None = None
    report: bool = True
    source: str | None = None
    storage: str | None = None

    def __post_init__(self) -> None:
        at_least("study.trials", self.trials, 1)
        at_least("study.max_proposals", self.max_proposals, 1)
        at_least("study.hours", self.hours, 0, above=True)
        at_least("study.seed", self.seed, 0)
        if self.storage is not None and not POSTGRES.match(self.storage):
            raise fail(
                "study.storage",
                "must be null or the URI of a PostgreSQL database",
                masked(self.storage),
                "postgresql://USER@HOST/DATABASE",
            )
        if self.storage is not None and self.source is not None:
            raise fail(
                "study.source",
                "starts a study in a file of its own",
                self.source,
                "null beside study.storage",
            )
        at_least("study.sustained_seconds", self.sustained_seconds, 0)
        if self.name is not None and (
            not self.name or self.name.startswith(".") or set(self.name) & set("/\\:\"'<>|?*\0")
        ):
            raise fail("study.name", "must be a plain folder name", self.name, "digits-mixed-001")


@dataclass(frozen=True)
class TrackingSettings:
    """The MLflow mirror. `uri` null is SQLite in the study's folder of runs."""

    enabled: bool = True
    uri: str | None = None


@dataclass(frozen=True)
class ExecutionSettings:
    """Where candidates are trained: one at a time, by processes of this machine, or by a cluster.

    `auto` is `processes` with a worker per core (per GPU), as many as memory holds, and `serial`
    on one core that also measures. `workers` null counts them so. `gpus` is how many GPUs there
    must be (null: as many as there are). `scheduler` is the address of the one of `dask`; null
    starts workers here.
    `timeout` is how many seconds a training may take to end an epoch; one that hangs, like one
    whose process was killed, is taken up behind its last epoch, `retries` times.
    """

    name: str = "auto"
    workers: int | None = None
    gpus: int | None = None
    retries: int = 1
    timeout: float | None = None
    scheduler: str | None = None

    def __post_init__(self) -> None:
        one_of("execution.name", self.name, EXECUTIONS)
        at_least("execution.workers", self.workers, 1)
        at_least("execution.gpus", self.gpus, 1)
        at_least("execution.retries", self.retries, 0)
        at_least("execution.timeout", self.timeout, 0, above=True)
        if self.name == "serial" and self.workers not in (None, 1):
            raise fail(
                "execution.workers",
                "execution=serial has one worker",
                self.workers,
                f"1, or execution=processes execution.workers={self.workers}",
            )
        if self.scheduler is not None and self.name != "dask":
            raise fail(
                "execution.scheduler",
                "is that of execution=dask",
                self.scheduler,
                f"null, or execution=dask execution.scheduler={self.scheduler}",
            )
