"""A measuring process on the worker of a Dask cluster that has the device.

Such a worker offers the resource `latency`. Each request is a task that takes it, so that one is
answered there at a time, whoever asks. The process is the value of a task: it ends when the driver
lets go of it, also by being killed, or with its worker.
"""

from __future__ import annotations

import platform
import threading
import time
import warnings
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from nas.errors import MeasurementError, TargetError
from nas.latency import lease
from nas.latency.process import POLL_SECONDS, Worker, WorkerLostError, start
from nas.latency.target import Reach, cores, machine_of
from nas.scheduler import LATENCY, check_workers, connect, facts, given_up, offering

if TYPE_CHECKING:
    from distributed import Client, Future

PRESENT_SECONDS = 1.0
"""So often it is asked whether the worker is there still."""

_LAST: dict[str, str] = {}
"""Of each scheduler the worker that measured last: several processes are on one machine."""


# What runs on the worker


def described(device: str) -> tuple[dict[str, str], str, int, str]:
    """The worker's facts, its machine as a target names it, its cores, and its host's name."""
    return facts(), machine_of(device), cores(), platform.node()


def begun(*, threads: int, device: str, pin: bool, runtime: str) -> Worker:
    """A measuring process there; whoever waits for its answers may give them up.

    Beside what it says of itself its facts have the seconds `worked`.
    """
    began = time.monotonic()
    found = start(
        Reach(), threads=threads, device=device, pin=pin, runtime=runtime, check=_still_wanted
    )
    assert isinstance(found, Worker)
    found.facts["worked"] = time.monotonic() - began
    return found


def _still_wanted() -> None:
    if given_up():
        raise MeasurementError("measuring process: nobody waits for its answer any more")


def greeting(worker: Worker) -> tuple[int, dict[str, Any]]:
    """The process and what it says of itself."""
    return worker.pid, worker.facts


def answered(
    worker: Worker,
    pid: int,
    device: str,
    request: dict[str, Any],
    content: bytes,
    seconds: float,
) -> dict[str, Any]:
    """The reply of the process, and how many seconds the `worked` of it took.

    As on the driver's machine: a network is timed, or has a first call that counts, while nothing
    trains there, and is loaded while nothing else is timed.
    """
    if worker.pid != pid:  # the worker was started again at the same address
        raise WorkerLostError(f"measuring process: must answer; got another than {pid}")
    alone = request["do"] in ("time", "profile") or request.get("cold", False)
    among = lease.shared(device) if request["do"] == "load" else nullcontext()
    with lease.exclusive(device) if alone else among:
        began = time.monotonic()
        reply = worker.ask(request, content=content, seconds=seconds)
    return {**reply, "worked": time.monotonic() - began}


# What runs in the driver


def place(client: Client, reach: Reach, device: str) -> tuple[str, str, int, str]:
    """The address of the worker to measure on, its machine, cores and host.

    Of several it is one of the reach's machine, the one that measured last if that is there still.

    Raises:
        WorkerLostError: there is none, or only of another machine.
        SettingsError: one runs another version than the driver.
    """
    asked = client.run(described, device, workers=offering(client, LATENCY), on_error="return")
    # One that cannot be reached is gone, as a device is: the scheduler lists it for minutes still.
    found = {at: one for at, one in asked.items() if not isinstance(one, OSError)}
    check_workers(
        {at: one if isinstance(one, Exception) else one[0] for at, one in found.items()},
        setting="target.scheduler",
    )
    fitting = {at: one for at, one in found.items() if reach.machine in ("", one[1])}
    if not fitting:
        others = ", ".join(sorted({one[1] for one in found.values()})) or "none"
        raise WorkerLostError(
            f"target.scheduler {reach.scheduler}: must have a worker with the resource {LATENCY}"
            f"{' on ' + reach.machine if reach.machine else ''}; got {others}; allowed: dask "
            f"worker {reach.scheduler} --nthreads 1 --resources {LATENCY}=1"
        )
    at = _LAST.get(reach.scheduler, "")
    if at not in fitting:
        at = min(fitting, key=lambda one: (fitting[one][1], one))
    _LAST[reach.scheduler] = at
    return (at, *fitting[at][1:])


def connected(reach: Reach) -> Client:
    """A client of the reach's scheduler.

    Raises:
        WorkerLostError: it does not answer.
    """
    try:
        return connect(reach.scheduler)
    except (OSError, ValueError) as error:
        raise WorkerLostError(
            f"target.scheduler: must be the address of a Dask scheduler that answers; got "
            f"{reach.scheduler!r} ({str(error).strip()[:200]}); allowed: tcp://HOST:8786"
        ) from error


def seen(reach: Reach, device: str) -> tuple[str, int]:
    """The machine that measures, as a target names it, and its cores.

    Raises:
        TargetError: there is no such worker.
    """
    try:
        with connected(reach) as client:
            _, machine, number, _ = place(client, reach, device)
    except WorkerLostError as error:
        raise TargetError(f"target {reach.name}: must answer; {error}") from error
    return machine, number


class DaskWorker:
    """Answers the requests of `nas.latency.worker` by a process on a worker with the device."""

    def __init__(
        self,
        reach: Reach,
        *,
        threads: int,
        device: str,
        pin: bool,
        runtime: str,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._check, self._device = check, device
        self._client = connected(reach)
        try:
            self._at, _, _, host = place(self._client, reach, device)
            asked = time.monotonic()
            self._process = self._submit(
                partial(begun, threads=threads, device=device, pin=pin, runtime=runtime)
            )
            self._there, said = self._result(self._submit(greeting, self._process))
        except BaseException:
            self.close()
            raise
        waited = time.monotonic() - asked - said.pop("worked")
        self.facts: dict[str, Any] = {
            **said, "worker": f"{self._at} ({host})", "waited": waited,
        }  # fmt: skip

    @property
    def pid(self) -> int:
        """See `nas.latency.process.Asked.pid`."""
        return 0

    def ask(
        self, request: dict[str, Any], *, content: bytes = b"", seconds: float
    ) -> dict[str, Any]:
        """See `nas.latency.process.Asked.ask`; `seconds` begin when it is this request's turn.

        The reply has the seconds `waited` for that.
        """
        asked = time.monotonic()
        reply: dict[str, Any] = self._result(
            self._submit(
                answered, self._process, self._there, self._device, request, content, seconds
            )
        )
        worked: float = reply.pop("worked")
        return {**reply, "waited": time.monotonic() - asked - worked}

    def _submit(self, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        try:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Sending large graph")  # a network is large
                return self._client.submit(
                    function,
                    *arguments,
                    key=f"nas-latency-{uuid4().hex}",
                    resources={LATENCY: 1},
                    workers=[self._at],
                    priority=1,  # before a training that waits for the same worker
                )
        except (CancelledError, OSError) as error:
            raise self._lost("its scheduler is gone") from error

    def _result(self, future: Future[Any]) -> Any:
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        look = time.monotonic() + PRESENT_SECONDS
        try:
            while not done.wait(POLL_SECONDS):
                self._check()
                if time.monotonic() >= look:
                    self._present()
                    look = time.monotonic() + PRESENT_SECONDS
            return future.result()
        except (CancelledError, OSError) as error:
            raise self._lost("its scheduler is gone") from error
        finally:
            future.cancel()

    def _present(self) -> None:
        # A task that may run there only waits for ever when that is gone.
        if self._at not in offering(self._client, LATENCY):
            raise self._lost("its Dask worker is gone")

    def _lost(self, what: str) -> WorkerLostError:
        return WorkerLostError(f"measuring process at {self._at}: must answer; got none: {what}")

    def close(self) -> None:
        """See `nas.latency.process.Asked.close`."""
        self._client.close()
