"""A scheduler and workers of Dask for tests, each a process of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from nas.scheduler import connect

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


@contextmanager
def one_core() -> Iterator[None]:
    """What is started meanwhile is on a machine of one core."""
    whole = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(whole)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, whole)


@contextmanager
def cable(port: int, *, cut: threading.Event) -> Iterator[int]:
    """A port of this machine that leads to another one until it is cut.

    Then nothing passes any more and nothing is closed: the silence of a network that is gone.
    """
    with ExitStack() as stack:
        door = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def carry(source: socket.socket, sink: socket.socket) -> None:
            with suppress(OSError):
                while (data := source.recv(1 << 16)) and not cut.is_set():
                    sink.sendall(data)
                if not cut.is_set():
                    sink.shutdown(socket.SHUT_WR)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    ends = door.accept()[0], socket.create_connection(("127.0.0.1", port))
                    for one, other in (ends, ends[::-1]):
                        stack.callback(one.close)
                        threading.Thread(target=carry, args=(one, other), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield int(door.getsockname()[1])


def there(address: str, number: int) -> None:
    """Until the scheduler has so many workers."""
    with closing(connect(address)) as client:
        wait(lambda: len(client.scheduler_info()["workers"]) == number)


def wait(event: Callable[[], object], search: subprocess.Popen[bytes] | None = None) -> None:
    """Until it is so, while the search runs."""
    deadline = time.monotonic() + 200
    while not event():
        assert search is None or search.poll() is None, search.communicate()[0].decode()
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.1)
