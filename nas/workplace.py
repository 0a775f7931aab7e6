"""The processes that a study trains in, as its settings say: here, or the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from nas.cluster import Cluster
from nas.composition import Parts
from nas.errors import SettingsError
from nas.scheduler import GPU
from nas.settings import ExecutionSettings, TrainingSettings
from nas.workers import Workers, plan, teachable


def workers_of(parts: Parts, *, stop: Callable[[], bool]) -> Workers:
    """The processes this study trains in.

    Raises:
        SettingsError: there are fewer GPUs than asked for, or no cluster that could be used.
    """
    execution, trials = parts.settings.execution, parts.settings.study.trials
    threads, visible = 1, tuple[str, ...]()
    if parts.table is None:
        training = replace(parts.settings.training, **parts.resolved)
        threads, visible = training.threads, _gpus(training, execution)
    planned = plan(
        execution,
        trials=trials,
        threads=threads,
        gpus=len(visible),
        trained=parts.table is None,
        elsewhere=parts.settings.target.where != "local",
    )
    cluster = None
    if execution.name == "dask":
        cluster = Cluster(
            execution.scheduler,
            number=planned.workers,
            threads=threads,
            gpus=visible,
            timeout=execution.timeout,
        )
        workers = execution.workers or min(cluster.number, teachable(trials))
        planned = replace(planned, workers=workers)
    return Workers(
        planned.workers,
        ahead=planned.ahead,
        threads=threads,
        gpus=visible,
        timeout=execution.timeout,
        stop=stop,
        cluster=cluster,
    )


def _gpus(training: TrainingSettings, execution: ExecutionSettings) -> tuple[str, ...]:
    """The GPUs to train on: those of this machine, or of the workers of a scheduler."""
    if training.device != "cuda":
        found: tuple[str, ...] = ()
    elif execution.scheduler is not None:
        found = ("of a worker",)
    else:
        from nas.training import gpus

        found = tuple(gpus())
    asked = execution.gpus
    if asked is not None and execution.scheduler is not None:
        raise SettingsError(
            f"execution.gpus: counts the GPUs of this machine; got {asked} with "
            f"execution.scheduler, whose workers tell theirs by the resource {GPU}; nothing was "
            "begun; allowed: null"
        )
    if asked is not None and len(found) < asked:
        raise SettingsError(
            f"execution.gpus: so many must be here, and be trained on; got {asked}, while "
            f"training.device={training.device} has {len(found)}; nothing was begun; allowed: "
            f"{f'1 to {len(found)}, or ' if found else ''}null"
        )
    return found[:asked]
