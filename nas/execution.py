"""Where candidates are trained: a child process that may crash without taking the study along.

The child is this very Python, started fresh with one pipe; it imports nothing of the caller's
main program (a script or notebook that calls `nas.search` needs no `if __name__ == "__main__"`),
and it ends when the pipe or its parent does.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any

from nas.errors import MemoryRanOutError, NasError, TrainingError

POLL_SECONDS = 0.1


class CrashError(NasError):
    """The child process ended in the middle of a task: killed, out of memory, or a fault."""


class HungError(CrashError):
    """The child process gave no sign of life for too long, and was ended."""


class StoppedError(NasError):
    """A task was given up because the study is to stop."""


def thread_variables(threads: int) -> dict[str, str]:
    """What a child that computes with so many threads gets beside its parent's environment."""
    return {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}


class WorkerProcess:
    """A child process that runs one function at a time; started at the first call.

    `variables` are added to its environment. A task must report or end within `timeout` seconds of
    its beginning and of each report; None is without.
    """

    def __init__(
        self, *, variables: Mapping[str, str] | None = None, timeout: float | None = None
    ) -> None:
        self._variables = dict(variables or {})
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def run(
        self,
        task: Callable[..., Any],
        arguments: dict[str, Any],
        *,
        report: Callable[..., None] = lambda *_: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> Any:
        """task(**arguments, report=...) in the child; its reports are handed to `report`.

        Both must be importable by name in a fresh Python, arguments and result picklable.

        Raises:
            CrashError: the child ended; with the signal or exit status.
            HungError: it neither reported nor ended in time; the child is ended.
            StoppedError: `stop()` became true; the child is ended.
            Exception: whatever the task raised.
        """
        pipe = self._start()
        try:
            pipe.send((task, arguments))
            while True:
                self._wait(pipe, stop)
                kind, value = pipe.recv()
                if kind == "report":
                    report(*value)
                elif kind == "error":
                    raise value
                else:
                    return value
        except (EOFError, BrokenPipeError, ConnectionResetError):
            raise CrashError(f"training process: ended in the middle; {self._end()}") from None

    def _wait(self, pipe: Connection, stop: Callable[[], bool]) -> None:
        began = time.monotonic()
        while not pipe.poll(POLL_SECONDS):
            if stop():
                self.close()
                raise StoppedError("training: given up because the study is to stop")
            if self._timeout is not None and time.monotonic() - began > self._timeout:
                self.close()
                raise HungError(
                    "training process: must end an epoch within execution.timeout; got none for "
                    f"{self._timeout:g} s; allowed: a longer execution.timeout"
                )

    def _start(self) -> Connection:
        if self._process is not None and self._process.poll() is None and self._pipe is not None:
            return self._pipe
        self.close()
        here, there = multiprocessing.Pipe()
        self._process = subprocess.Popen(
            # -P: a file of the user's, such as a torch.py in this folder, must not be imported.
            [sys.executable, "-P", "-m", "nas.execution", str(there.fileno()), str(os.getpid())],
            pass_fds=[there.fileno()],
            env={**os.environ, **self._variables},
            stdin=subprocess.DEVNULL,
            # Ctrl-C in a terminal reaches the whole group; the study decides what ends when.
            start_new_session=True,
        )
        there.close()
        self._pipe = here
        return here

    def _end(self) -> str:
        assert self._process is not None
        status = self._process.wait()
        self.close()
        if status < 0:
            hint = ", perhaps for want of memory" if -status == signal.SIGKILL else ""
            return f"got {signal.Signals(-status).name}{hint}"
        return f"got exit status {status}"

    def close(self) -> None:
        """End the child; the next `run` starts another."""
        if self._pipe is not None:
            self._pipe.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._pipe = self._process = None


def portable(error: BaseException) -> BaseException:
    """The error as it may cross the pipe: ours as they are, others as a TrainingError."""
    if isinstance(error, NasError):
        return error
    # Torch tells a failed allocation on a CPU by a plain RuntimeError.
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return MemoryRanOutError(f"training: memory ran out; {str(error).strip()[:500]}")
    last = traceback.extract_tb(error.__traceback__)[-1:]
    place = f" ({os.path.basename(last[0].filename)}:{last[0].lineno})" if last else ""
    return TrainingError(f"training: {type(error).__name__}: {str(error).strip()[:500]}{place}")


def serve(pipe: Connection) -> None:
    """The child's loop: take a task, run it, answer."""
    while True:
        try:
            task, arguments = pipe.recv()
        except EOFError:
            return
        try:
            answer = (
                "result",
                task(**arguments, report=lambda *value: pipe.send(("report", value))),
            )
        except Exception as error:
            answer = ("error", portable(error))
        pipe.send(answer)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def main() -> None:
    """Serve the pipe whose number is the first argument, while the second, a pid, is the parent."""
    pipe, parent = int(sys.argv[1]), int(sys.argv[2])
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    with contextlib.suppress(BrokenPipeError):
        serve(Connection(pipe))


if __name__ == "__main__":
    main()
