"""The driver's end of one measuring process, here or on a device: start it, ask it, end it."""

from __future__ import annotations

import json
import os
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from nas.errors import MeasurementError, TargetError
from nas.latency.runtimes import RUNTIMES
from nas.latency.target import Reach
from nas.settings import TORCH_RUNTIMES

WORKER = Path(__file__).with_name("worker.py")
START_SECONDS = 60.0
POLL_SECONDS = 0.2
"""So often it is asked whether to go on waiting."""

SSH = (
    "ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10",
    "-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3",
)  # fmt: skip
"""Never asks a person; a device that is gone is noticed within a minute."""


class WorkerLostError(MeasurementError):
    """The measuring process ended, or did not answer in time; a new one may do better."""


class Asked(Protocol):
    """Whatever answers the requests of `nas.latency.worker`."""

    facts: dict[str, Any]
    """The reply to `hello`; may have the seconds `waited` for others before it began."""

    @property
    def pid(self) -> int:
        """The process here; 0 where there is none between two requests."""

    def ask(
        self, request: dict[str, Any], *, content: bytes = b"", seconds: float
    ) -> dict[str, Any]:
        """The reply to one request.

        Raises:
            WorkerLostError: it ended, said nonsense, or did not answer within `seconds`.
            TargetError: its runtime is missing.
            MeasurementError: it refused.
        """

    def close(self) -> None:
        """End it; a second time does nothing."""


def start(
    reach: Reach,
    *,
    threads: int,
    device: str,
    pin: bool,
    runtime: str = "",
    check: Callable[[], None] = lambda: None,
) -> Asked:
    """A measuring process where the reach says.

    `check` is called several times a second while it is waited for; if it raises, the process ends.

    Raises:
        WorkerLostError: it does not start or does not answer.
    """
    if reach.kind == "command":
        from nas.latency.command import CommandWorker

        return CommandWorker(reach, threads=threads, check=check)
    if reach.kind == "dask":
        from nas.latency.dask_worker import DaskWorker

        return DaskWorker(
            reach, threads=threads, device=device, pin=pin, runtime=runtime, check=check
        )
    variables = environment(threads)
    source = b""
    if reach.kind == "ssh":
        source = WORKER.read_bytes()
        words = [f"{name}={value}" for name, value in variables.items()]
        boot = f"import sys;exec(compile(sys.stdin.buffer.read({len(source)}),'worker','exec'))"
        remote = shlex.join(["env", *words, *shlex.split(reach.python), "-u", "-c", boot])
        command = [*SSH, *reach.options, "--", reach.host, remote]
    else:
        command = [sys.executable, "-P", "-u", str(WORKER)]
        variables = {**os.environ, **variables}
        if runtime in TORCH_RUNTIMES:
            # Pickled modules are imported by name from wherever this process has them.
            variables["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    local = reach.kind == "local"
    # Compiled code goes to a folder that ends with the process.
    scratch = "TORCHINDUCTOR_CACHE_DIR" if runtime == "compile" else ""
    worker = Worker(
        command,
        environment=variables if local else None,
        source=source,
        scratch=scratch,
        check=check,
    )
    worker.hello(threads=threads, device=device, pin=pin, local=local)
    return worker


def environment(threads: int) -> dict[str, str]:
    """What a measuring process gets beside what there is.

    glibc gives large blocks back to the kernel and faults them in again, call by call and
    differently by the history of the process (one network: 1,650 faults a call, 16 % of its time):
    these settings keep them.
    """
    return {
        "MALLOC_MMAP_THRESHOLD_": str(2**30),
        "MALLOC_TRIM_THRESHOLD_": str(2**32),
        "MALLOC_TOP_PAD_": str(2**26),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


class Worker:
    """A process that speaks over its input and output; `source` is sent before anything else.

    It ends with `close`, when nobody has it any more, or with this process however that ends.
    `scratch` names the variable that gets the path of a folder which ends with it.
    """

    def __init__(
        self,
        command: list[str],
        *,
        environment: dict[str, str] | None = None,
        source: bytes = b"",
        scratch: str = "",
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._check = check
        self.facts: dict[str, Any] = {}
        self._rest = b""
        folder = tempfile.mkdtemp(prefix="latency-nas-") if scratch else ""
        if scratch:
            environment = {**(environment or os.environ), scratch: folder}
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                env=environment,
                bufsize=0,
            )
        except OSError as error:
            self._log.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise TargetError(
                f"measuring process: its program must start; got {command[0]}: {error.strerror}; "
                f"allowed: an installed {command[0]}"
            ) from error
        self._end = weakref.finalize(self, _end, self._process, folder)
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self._send(source)

    def hello(self, *, threads: int, device: str, pin: bool, local: bool) -> None:
        """Settle it into the target's options and keep what it says of itself."""
        self.facts = self.ask(
            {
                "do": "hello",
                "threads": threads,
                "device": device,
                "pin": pin,
                "parent": os.getpid() if local else None,
                "main_thread": threading.current_thread() is threading.main_thread(),
            },
            seconds=START_SECONDS,
        )

    @property
    def pid(self) -> int:
        """The process (of ssh, where the device is reached by it)."""
        return self._process.pid

    def ask(
        self, request: dict[str, Any], *, content: bytes = b"", seconds: float
    ) -> dict[str, Any]:
        """See `Asked.ask`."""
        self._send(json.dumps({**request, "bytes": len(content)}).encode() + b"\n" + content)
        reply = self._read(time.monotonic() + seconds, seconds)
        if not reply.pop("ok", False):
            kind, text = reply.get("kind"), reply.get("error", "")
            if kind == "missing":
                install = RUNTIMES[request["runtime"]].install
                raise TargetError(
                    f"measuring process: what a network needs must be installed; got {text}; the "
                    f"runtime is installed there with: {install}"
                )
            network = f", network {request['name']}" if "name" in request else ""
            raise MeasurementError(
                f"measuring process{network}: must run every network; got {kind}: {text}"
            )
        return reply

    def _send(self, content: bytes) -> None:
        assert self._process.stdin is not None
        pipe, view = self._process.stdin.fileno(), memoryview(content)
        try:
            while view:
                if select.select([], [pipe], [], POLL_SECONDS)[1]:
                    view = view[os.write(pipe, view) :]
                else:
                    self._still_wanted()
        except OSError as error:
            raise self._lost(f"it took no request ({error.strerror})") from error

    def _read(self, deadline: float, seconds: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        stdout = self._process.stdout.fileno()
        parts = [self._rest]
        while b"\n" not in parts[-1]:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([stdout], [], [], min(left, POLL_SECONDS))[0]:
                if not left:
                    raise self._lost(f"it did not answer within {seconds:.0f} s")
                self._still_wanted()
                continue
            part = os.read(stdout, 1 << 20)
            if not part:
                raise self._lost("it ended")
            parts.append(part)
        line, _, self._rest = b"".join(parts).partition(b"\n")
        try:
            reply = json.loads(line)
        except ValueError as error:
            raise self._lost(f"it answered nonsense: {line[:80]!r}") from error
        if not isinstance(reply, dict):
            raise self._lost(f"it answered nonsense: {line[:80]!r}")
        return reply

    def _still_wanted(self) -> None:
        try:
            self._check()
        except BaseException:
            self._process.kill()  # in the middle of an answer that nobody will read
            self.close()
            raise

    def _lost(self, what: str) -> WorkerLostError:
        self._process.kill()
        status = self._process.wait()
        self._log.seek(0)
        words = self._log.read().decode(errors="replace").strip().splitlines()
        last = f"; its last words: {words[-1][:300]}" if words else ""
        self.close()
        return WorkerLostError(
            f"measuring process: must answer; got {what} (exit status {status}){last}"
        )

    def close(self) -> None:
        """See `Asked.close`."""
        self._end()
        self._log.close()


def _end(process: subprocess.Popen[bytes], folder: str) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(timeout=2)  # the end of its input ends it
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(folder, ignore_errors=True)
