"""Workers of a Dask cluster: places at which a task runs as in a process of this machine."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import CancelledError
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nas.cluster_worker import leave, work
from nas.errors import SettingsError, StudyError
from nas.execution import POLL_SECONDS, CrashError, StoppedError, thread_variables
from nas.scheduler import GPU, LATENCY, absent, check_workers, connect, facts

if TYPE_CHECKING:
    from distributed import Client, Future

WORKERS_SECONDS = 60.0
"""So long a scheduler that has no worker yet is given to get one."""


def _gone() -> StudyError:
    return StudyError(
        "execution.scheduler: must stay for as long as the study runs; got one that is gone; what "
        "was written stays; allowed: nas resume, with a scheduler that answers"
    )


class Cluster:
    """A Dask cluster: the one of a `scheduler`, or `number` workers of this machine.

    Each place there has `threads` threads; with `gpus` a GPU: of this machine's workers one of
    these, of a scheduler's the one that its worker sees.
    """

    def __init__(
        self,
        scheduler: str | None = None,
        *,
        number: int = 1,
        threads: int = 1,
        gpus: tuple[str, ...] = (),
        timeout: float | None = None,
    ) -> None:
        self._stack = contextlib.ExitStack()
        self._topic = f"nas-{uuid4().hex}"
        self._queues: dict[str, SimpleQueue[tuple[str, Any]]] = {}
        self._resources = {GPU: 1} if gpus else {}
        self._work = partial(
            work, topic=self._topic, variables=thread_variables(threads), timeout=timeout
        )
        with contextlib.ExitStack() as failing:
            failing.callback(self._stack.close)
            self.client = self._connected(scheduler, number, gpus)
            self.number = self._places()
            self.client.subscribe_topic(self._topic, self._take)
            self._stack.callback(self._left)
            failing.pop_all()

    def _connected(self, scheduler: str | None, number: int, gpus: tuple[str, ...]) -> Client:
        awaited = 1
        if scheduler is None:
            awaited, scheduler = number, self._own()
            self._start(scheduler, number, gpus)
        try:
            client = connect(scheduler)
            self._stack.callback(client.close)
            client.wait_for_workers(awaited, timeout=WORKERS_SECONDS)
            found = client.run(facts, on_error="return")
        except (OSError, ValueError) as error:
            raise SettingsError(
                "execution.scheduler: must be the address of a Dask scheduler that answers and has "
                f"a worker; got {scheduler!r} ({str(error).strip()[:200]}); nothing was begun; "
                "allowed: tcp://HOST:8786, or null for workers of this machine"
            ) from error
        check_workers(found)
        return client

    def _own(self) -> str:
        """The address of a scheduler in this process."""
        try:
            from distributed import LocalCluster
        except ImportError as error:
            raise absent(error) from error
        own = LocalCluster(
            n_workers=0, processes=False, protocol="tcp", host="127.0.0.1", dashboard_address=None
        )
        return str(self._stack.enter_context(own).scheduler_address)

    def _start(self, scheduler: str, number: int, gpus: tuple[str, ...]) -> None:
        """Worker processes of this machine, started anew when they die, gone with the scheduler."""
        scratch = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="latency-nas-"))
        command = [sys.executable, "-P", "-m", "distributed.cli.dask_worker", scheduler]
        command += ["--nthreads", "1", "--no-dashboard", "--memory-limit", "0"]
        command += ["--local-directory", scratch, "--death-timeout", "30"]
        for index in range(number):
            more = ["--resources", f"{GPU}=1"] if gpus else []
            own = {"CUDA_VISIBLE_DEVICES": gpus[index % len(gpus)]} if gpus else {}
            process = subprocess.Popen(
                [*command, *more],
                env={**os.environ, **own},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._stack.callback(_end, process)

    def _places(self) -> int:
        """How many tasks the workers that there are run at a time."""
        workers = self.client.scheduler_info()["workers"]
        there = [workers[at] for at in self._trainers() or workers]
        if not self._resources:
            # One that measures, too, keeps a thread for that: it would wait for a whole training.
            measuring = [bool(worker["resources"].get(LATENCY)) for worker in there]
            threads = [int(worker["nthreads"]) for worker in there]
            return sum(max(1, n - m) for n, m in zip(threads, measuring, strict=True))
        places = sum(int(worker["resources"].get(GPU, 0)) for worker in there)
        if not places:
            raise SettingsError(
                f"execution: training.device=cuda needs workers with the resource {GPU}; got none; "
                f"nothing was begun; allowed: dask worker SCHEDULER --resources {GPU}=1"
            )
        return places

    def _trainers(self) -> list[str] | None:
        """Who is to train, by address, where some workers are there to measure; None: anybody."""
        there = self.client.scheduler_info()["workers"]
        able = {at for at in there if not self._resources or there[at]["resources"].get(GPU)}
        measuring = {at for at in able if there[at]["resources"].get(LATENCY)}
        return sorted(able - measuring) or None if measuring else None

    def _take(self, event: tuple[float, bytes]) -> None:
        key, kind, value = pickle.loads(event[1])
        # A late one may come when nobody waits for it any more.
        if (queue := self._queues.get(key)) is not None:
            queue.put((kind, value))

    def run(
        self,
        task: Callable[..., Any],
        arguments: dict[str, Any],
        *,
        report: Callable[..., None] = lambda *_: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Any:
        """See `WorkerProcess.run`; in a process of a worker that has a place.

        Raises:
            CrashError: also where the worker is gone.
            StudyError: the scheduler is gone.
        """
        key = f"nas-{uuid4().hex}"
        events = self._queues[key] = SimpleQueue()
        try:
            among = self._trainers()
            future = self.client.submit(
                self._work, task, arguments, here=facts(), key=key, resources=self._resources,
                workers=among,
                # Another one need not have the resource, and Dask would not ask.
                allow_other_workers=bool(among) and not self._resources,
            )  # fmt: skip
        except (CancelledError, OSError):
            del self._queues[key]
            raise _gone() from None
        future.add_done_callback(lambda _: events.put(("done", None)))
        try:
            return self._awaited(future, events, report, stop, among)
        finally:
            future.cancel()
            del self._queues[key]

    def _awaited(
        self,
        future: Future[Any],
        events: SimpleQueue[tuple[str, Any]],
        report: Callable[..., None],
        stop: Callable[[], bool],
        among: list[str] | None,
    ) -> Any:
        at = ""
        while True:
            try:
                kind, value = events.get(timeout=POLL_SECONDS)
            except Empty:
                if stop():
                    raise StoppedError("training: given up because the study is to stop") from None
                waits = among and at in ("", *among)
                if waits and not set(among or ()) & set(self._trainers() or ()):
                    # Dask would wait for one of these, whoever else has come.
                    raise CrashError("training: its workers must stay; all are gone") from None
                continue
            if kind == "report":
                report(*value)
            elif kind == "done":
                return self._result(future)
            elif at:
                # The scheduler has given it to another one; how often that is done is ours to say.
                raise CrashError(f"training: its worker must stay; got {at}, which is gone")
            else:
                at = value

    def _result(self, future: Future[Any]) -> Any:
        from distributed import KilledWorker

        try:
            return future.result()
        except KilledWorker as error:
            gone = error.last_worker.address
            raise CrashError(f"training: its worker must stay; got {gone}, which is gone") from None
        except (CancelledError, OSError):  # what a task raises is never an OSError: see `portable`
            raise _gone() from None

    def close(self) -> None:
        """Leave the cluster: its workers keep no process of ours, those of this machine end."""
        self._stack.close()

    def _left(self) -> None:
        with contextlib.suppress(CancelledError, OSError):
            self.client.run(leave, on_error="ignore")


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
