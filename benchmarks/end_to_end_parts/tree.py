"""A program and its children: started, their CPU seconds read as they run, ended at a budget."""

from __future__ import annotations

import os
import subprocess
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

POLL_SECONDS = 1.0
ENDING_SECONDS = 120.0


class Tree:
    """A running program; `samples` are (seconds since 1970, CPU seconds so far), rising.

    CPU seconds are user and system of every process in the tree, and of those that ended in it.
    """

    def __init__(self, command: list[str], *, output: Path, budget_seconds: float) -> None:
        self.samples = [(time.time(), 0.0)]
        self._budget = budget_seconds
        self._until: float | None = None
        self._latest: list[psutil.Process] = []
        with output.open("w") as file:
            self._process = subprocess.Popen(
                command,
                stdout=file,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                # Both sides have one thread; the seats of the tool set their own.
                env={**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"},
            )

    def poll(self) -> bool:
        """Read the clock, end what is over its budget; whether it still runs."""
        if self._process.poll() is not None:
            _kill(self._latest)  # who was left behind by a program that ended at once
            return False
        self.samples.append((time.time(), max(self.samples[-1][1], self._seconds())))
        if self.samples[-1][1] >= self._budget:
            self.end()
        if self._until is not None and time.monotonic() > self._until:
            self.kill()
        return True

    def end(self) -> None:
        """Ask it to end, once; it is killed if it takes too long over that."""
        if self._until is None:
            # An interrupt would be ignored by what was started in the background of a shell.
            self._process.terminate()
            self._until = time.monotonic() + ENDING_SECONDS

    @property
    def ended_in_budget(self) -> bool:
        """Whether it ended by itself, which neither side should."""
        return self._process.poll() is not None and self._until is None

    def _seconds(self) -> float:
        total = 0.0
        self._latest = self._processes()
        for process in self._latest:
            with suppress(psutil.NoSuchProcess):
                used = process.cpu_times()
                total += used.user + used.system + used.children_user + used.children_system
        return total

    def _processes(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            own = psutil.Process(self._process.pid)
            return [own, *own.children(recursive=True)]
        return []

    def kill(self) -> None:
        _kill(self._processes())
        self._process.wait()


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def cpu_at(samples: list[tuple[float, float]], moment: float) -> float:
    """CPU seconds at a moment between two samples, as if they had passed evenly."""
    place = bisect_left(samples, (moment, 0.0))
    if place == 0:
        return samples[0][1]
    if place == len(samples):
        return samples[-1][1]
    (before, low), (after, high) = samples[place - 1], samples[place]
    return low + (high - low) * (moment - before) / (after - before)


def run_beside(trees: list[Tree], each: Sequence[Callable[[], None]], *, seconds: float) -> None:
    """Run trees to their ends at the same time, for so long at most.

    `each` is called at every look at them.
    """
    until = time.monotonic() + seconds
    try:
        while sum(tree.poll() for tree in trees):  # all are looked at, not the first that runs
            if time.monotonic() > until:
                for tree in trees:
                    tree.end()
            for look in each:
                look()
            time.sleep(POLL_SECONDS)
    except BaseException:
        for tree in trees:
            tree.kill()
        raise
