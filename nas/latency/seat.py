"""A place at which networks are measured: a process, the networks in it, its quiet floor."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from nas.latency.process import Worker, WorkerLostError
from nas.latency.protocol import (
    REGIME_WIDTH,
    Group,
    Sample,
    quiet_floor,
    read_samples,
    wall_ns,
)
from nas.latency.runtimes import Prepared, check_outputs, runtime_of
from nas.latency.target import Target

T = TypeVar("T")

REFERENCE = "reference"
DUPLICATE = "duplicate"
HISTORY = 4000
LEAST_SECONDS = 30.0
SLOWER_THAN_WARM = 50
"""A schedule that takes this many times what its warm calls promise hangs."""


class Seat:
    """A measuring process that is started when needed, and once again when it is lost.

    `always` holds the networks it keeps: the reference and its hidden duplicate.
    """

    def __init__(self, target: Target, always: Mapping[str, Prepared], *, pin: int | None) -> None:
        self.target = target
        self.versions: dict[str, Any] = {}
        self.call_ns: dict[str, float] = {}
        self._always = dict(always)
        self._pin = pin
        self._worker: Worker | None = None
        self._references: deque[Group] = deque(maxlen=HISTORY)

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._worker.pid if self._worker else None

    @property
    def floor(self) -> float:
        """ns of a quiet reference call here, by the target's clock."""
        return quiet_floor([group.mean for group in self._references])

    def reference_ns(self, statistic: str, samples: Sequence[Sample] | None = None) -> float:
        """Wall time of a reference call, in these samples or in all there were here.

        The median is that of the calls near the floor, if any is; the 95th percentile of all.
        """
        groups = list(self._references)
        if samples is not None:
            groups = [group for one in samples for group in (one.before, one.after)]
        most = (1 + REGIME_WIDTH) * self.floor
        quiet = [group for group in groups if group.mean <= most]
        return wall_ns(groups if statistic == "p95" or not quiet else quiet, statistic)

    def load(self, networks: Mapping[str, Prepared]) -> None:
        """Load what is not loaded yet, and check its outputs against eager's.

        Raises:
            MeasurementError: the runtime cannot take a network or gives other outputs; or the
                process was lost twice.
        """
        self._twice(lambda: self._load(networks))

    def _twice(self, action: Callable[[], T]) -> T:
        """The action; once more in a new process if its process is lost."""
        try:
            return action()
        except WorkerLostError:
            self._forget()
        try:
            return action()
        except WorkerLostError:
            self._forget()
            raise

    def _load(self, networks: Mapping[str, Prepared]) -> None:
        runtime = runtime_of(self.target.runtime)
        if self._worker is None:
            self._worker = Worker(self.target, pin=self._pin)
            self.versions = {k: v for k, v in self._worker.facts.items() if isinstance(v, str)}
        for name, prepared in {**self._always, **networks}.items():
            if name in self.call_ns:
                continue
            reply = self._worker.ask(
                {
                    "do": "load",
                    "name": name,
                    "runtime": runtime.name,
                    "shape": prepared.shape,
                    "seed": prepared.seed,
                    "channels_last": self.target.memory_format == "channels_last",
                },
                content=prepared.content,
                seconds=runtime.load_seconds,
            )
            check_outputs(prepared, reply["outputs"], runtime)
            self.versions["runtime"] = reply["version"]
            self.call_ns[name] = float(reply["ns"])

    def time(
        self,
        networks: Mapping[str, Prepared],
        schedule: Sequence[Sequence[str]],
        repeats: Mapping[str, int],
    ) -> tuple[list[Sample], list[dict[str, float]]]:
        """Run a schedule; give its samples and the machine's state in each round.

        Raises:
            MeasurementError: the process was lost twice, or gave impossible times.
        """
        return self._twice(lambda: self._time(networks, schedule, repeats))

    def _time(
        self,
        networks: Mapping[str, Prepared],
        schedule: Sequence[Sequence[str]],
        repeats: Mapping[str, int],
    ) -> tuple[list[Sample], list[dict[str, float]]]:
        self._load(networks)
        assert self._worker is not None
        names = [name for turn in schedule for name in turn]
        work = {name: ns * repeats[name] for name, ns in self.call_ns.items() if name in repeats}
        expected = 4e-9 * (sum(work[name] for name in names) + len(names) * work[REFERENCE])
        reply = self._worker.ask(
            {"do": "time", "schedule": schedule, "reference": REFERENCE, "repeats": repeats},
            seconds=LEAST_SECONDS + SLOWER_THAN_WARM * expected,
        )
        cpu_clock = self.target.clock != "wall"
        try:
            samples = read_samples(reply["samples"], cpu_clock=cpu_clock)
        except (KeyError, ValueError) as error:
            self._worker.close()
            raise WorkerLostError(f"measuring process: must give times; got {error}") from error
        for sample in samples:
            self._references += (sample.before, sample.after)
        return samples, reply.get("states", [])

    def drop(self, names: Sequence[str]) -> None:
        """Forget networks."""
        loaded = [name for name in names if self.call_ns.pop(name, math.inf) < math.inf]
        if self._worker is not None and loaded:
            try:
                self._worker.ask({"do": "drop", "names": loaded}, seconds=LEAST_SECONDS)
            except WorkerLostError:
                self._forget()  # a new process has forgotten everything

    def _forget(self) -> None:
        # The floor stays: it is the machine's, and the next process runs the same reference.
        self._worker = None
        self.call_ns.clear()

    def close(self) -> None:
        """End the process."""
        if self._worker is not None:
            self._worker.close()
        self._forget()
