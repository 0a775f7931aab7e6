"""The driver's end of one measuring process: start it, ask it, end it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from nas.errors import MeasurementError, TargetError
from nas.latency.runtimes import runtime_of
from nas.latency.target import Target

WORKER = Path(__file__).with_name("worker.py")
START_SECONDS = 60.0


class WorkerLostError(MeasurementError):
    """The measuring process ended, or did not answer in time; a new one may do better."""


def environment(threads: int) -> dict[str, str]:
    """What the child sees.

    glibc gives large blocks back to the kernel and faults them in again, call by call and
    differently by the history of the process (one network: 1,650 faults a call, 16 % of its time):
    these settings keep them.
    """
    return {
        **os.environ,
        "MALLOC_MMAP_THRESHOLD_": str(2**30),
        "MALLOC_TRIM_THRESHOLD_": str(2**32),
        "MALLOC_TOP_PAD_": str(2**26),
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": str(threads),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


class Worker:
    """One measuring process. It ends with `close`, or with this process however that ends."""

    def __init__(self, target: Target, *, pin: int | None = None) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # closed with the process
        child = environment(target.threads)
        if runtime_of(target.runtime).package == "torch":
            # Pickled modules are imported by name from wherever this process has them.
            child["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        self._process = subprocess.Popen(
            [sys.executable, "-u", str(WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=child,
            bufsize=0,
        )
        self._rest = b""
        self.facts = self.ask(
            {
                "do": "hello",
                "threads": target.threads,
                "device": target.device,
                "pin": pin,
                "parent": os.getpid(),
                "main_thread": threading.current_thread() is threading.main_thread(),
            },
            seconds=START_SECONDS,
        )

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def ask(
        self, request: dict[str, Any], *, content: bytes = b"", seconds: float
    ) -> dict[str, Any]:
        """The reply to one request.

        Raises:
            WorkerLostError: the process ended, said nonsense, or did not answer within `seconds`.
            TargetError: its runtime is missing.
            MeasurementError: it refused.
        """
        assert self._process.stdin is not None
        line = json.dumps({**request, "bytes": len(content)}).encode() + b"\n"
        try:
            for part in (line, content):
                view = memoryview(part)
                while view:
                    view = view[self._process.stdin.write(view) :]
        except OSError as error:
            raise self._lost(f"it took no request ({error})") from error
        reply = self._read(time.monotonic() + seconds, seconds)
        if not reply.pop("ok", False):
            kind, text = reply.get("kind"), reply.get("error", "")
            if kind == "missing":
                raise TargetError(f"measuring process: its runtime must be installed; got {text}")
            raise MeasurementError(f"measuring process: must run every network; got {kind}: {text}")
        return reply

    def _read(self, deadline: float, seconds: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        stdout = self._process.stdout.fileno()
        parts = [self._rest]
        while b"\n" not in parts[-1]:
            ready, _, _ = select.select([stdout], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise self._lost(f"it did not answer within {seconds:.0f} s")
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
        """End the process; a second time does nothing."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(timeout=2)  # the end of its input ends it
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
