"""A scheduler and workers of Dask for tests, each a process of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

Worker = Callable[..., "subprocess.Popen[bytes]"]


def dask(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", f"distributed.cli.dask_{words[0]}", *words[1:]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


@contextmanager
def scheduled(folder: Path) -> Iterator[tuple[str, Worker]]:
    """The address of a scheduler, and how to start a worker of it; all end with this."""
    file = folder / "scheduler.json"
    plain = ("--no-dashboard", "--scheduler-file", str(file))
    with ExitStack() as stack:

        def begun(*words: str) -> subprocess.Popen[bytes]:
            process = dask(*words)
            stack.callback(process.wait)
            stack.callback(process.kill)
            return process

        begun("scheduler", *plain, "--port", "0", "--host", "127.0.0.1")
        wait(file.exists)
        address = file.read_text().split('"address": "')[1].split('"')[0]

        def worker(*words: str) -> subprocess.Popen[bytes]:
            own = ("--no-nanny", "--nthreads", "1", "--local-directory", str(folder))
            return begun("worker", *plain, *own, *words)

        yield address, worker


def wait(event: Callable[[], object], search: subprocess.Popen[bytes] | None = None) -> None:
    """Until it is so, while the search runs."""
    deadline = time.monotonic() + 200
    while not event():
        assert search is None or search.poll() is None, search.communicate()[0].decode()
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.1)
