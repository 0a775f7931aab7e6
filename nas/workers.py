"""The processes that train, behind one `concurrent.futures.Executor`.

What is submitted runs in a thread of the driver, which hands the work to a process of its own by
`run` and waits for it: the process may crash or hang, the study is written by the driver alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from queue import LifoQueue
from typing import Any

from nas.cluster import Cluster
from nas.execution import StoppedError, WorkerProcess, thread_variables
from nas.settings import ExecutionSettings

GIB_PER_WORKER = 2.0
"""torch takes 0.3, images and a batch of activations the rest."""

ROUNDS = 5
"""The sampler shall learn from at least so many rounds of results: more workers at a time than a
fifth of the candidates would make a study random."""


@dataclass(frozen=True)
class Plan:
    """How candidates are trained here.

    Up to `ahead` candidates are drawn, counted and measured while all `workers` train.
    """

    workers: int
    ahead: int


def plan(
    settings: ExecutionSettings,
    *,
    trials: int,
    threads: int = 1,
    gpus: int = 0,
    trained: bool = True,
    elsewhere: bool = False,
) -> Plan:
    """How many workers there are, of so many threads each; `gpus` where training uses them.

    Where nothing is trained (a table answers) `auto` is serial, and so it is on one core, where
    candidates are measured on that same core: not `elsewhere`, and not while a GPU trains.
    """
    if settings.name == "serial" or (settings.name == "auto" and not trained):
        return Plan(workers=1, ahead=0)
    workers = settings.workers or _fitting(trials, threads=threads, gpus=gpus)
    one_core = workers == 1 and not gpus and not elsewhere
    if settings.name == "auto" and settings.workers is None and one_core:
        return Plan(workers=1, ahead=0)
    return Plan(workers=workers, ahead=1)


def _fitting(trials: int, *, threads: int, gpus: int) -> int:
    import psutil

    places = gpus or len(os.sched_getaffinity(0)) // threads
    memory = int(psutil.virtual_memory().available / 2**30 / GIB_PER_WORKER)
    return max(1, min(places, memory, teachable(trials)))


def teachable(trials: int) -> int:
    """The most workers at a time from which the sampler of so many candidates learns."""
    return max(2, trials // ROUNDS)


class Workers(ThreadPoolExecutor):
    """So many training processes, each with its own threads and, of `gpus`, its own GPU.

    Several may share a GPU. `ahead` is how many candidates are got ready meanwhile. With a
    `cluster` they are its workers', and it is closed with these. `stop` asks whether the study is
    to stop; it is asked ten times a second by every thread that waits.
    """

    def __init__(
        self,
        number: int = 1,
        *,
        ahead: int = 0,
        threads: int = 1,
        gpus: Sequence[str] = (),
        timeout: float | None = None,
        stop: Callable[[], bool] = lambda: False,
        cluster: Cluster | None = None,
    ) -> None:
        super().__init__(max_workers=number, thread_name_prefix="nas-worker")
        self.number = number
        self.ahead = ahead
        self._stop = stop
        self._closed = False
        self._idle: LifoQueue[WorkerProcess | Cluster] = LifoQueue()
        for index in reversed(range(number)):
            if cluster:
                self._idle.put(cluster)
                continue
            variables = thread_variables(threads)
            if gpus:
                variables["CUDA_VISIBLE_DEVICES"] = gpus[index % len(gpus)]
            self._idle.put(WorkerProcess(variables=variables, timeout=timeout))

    def run(
        self,
        task: Callable[..., Any],
        arguments: dict[str, Any],
        *,
        report: Callable[..., None] = lambda *_: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Any:
        """task(**arguments, report=...) in an idle process; see `WorkerProcess.run`."""
        worker = self._idle.get()
        try:
            # What is queued behind a stop shall not start a process each, only to end it.
            if stop() or self.stopping:
                raise StoppedError("training: given up because the study is to stop")
            return worker.run(task, arguments, report=report, stop=lambda: stop() or self.stopping)
        finally:
            self._idle.put(worker)

    @property
    def stopping(self) -> bool:
        """Whether what runs is to be given up."""
        return self._closed or self._stop()

    def close(self) -> None:
        """Give up what runs, and end the processes."""
        self._closed = True
        self.shutdown(wait=True, cancel_futures=True)
        for _ in range(self.number):
            self._idle.get().close()
