"""A place at which networks are measured: a process, the networks in it, its quiet floor."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from nas.errors import TargetError
from nas.events import Waiting
from nas.latency.process import POLL_SECONDS, Asked, WorkerLostError, start
from nas.latency.protocol import (
    REGIME_WIDTH,
    Group,
    Sample,
    quiet_floor,
    read_samples,
    untimed_for,
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

LOCAL_TRIES = 2
REMOTE_TRIES = 3
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0


@dataclass(frozen=True)
class Patience:
    """What to do while a device is gone: `told` hears of every pause, `back` of its return.

    `check` is called several times a second whenever a process is waited for; it raises to give up.
    `meanwhile` is called as often, but only between two tries, when nothing is timed.
    """

    told: Callable[[Waiting], None]
    back: Callable[[Waiting], None] = lambda _: None
    check: Callable[[], None] = lambda: None
    meanwhile: Callable[[], None] = lambda: None
    first_pause: float = FIRST_PAUSE


class Seat:
    """A measuring process that is started when needed, and again when it is lost.

    `always` holds the networks it keeps: the reference and its hidden duplicate. A process here is
    started once more; a device elsewhere is tried three times and then, with `patience`, waited
    for. `away` are the seconds so far in which it was gone, or others had it.
    """

    def __init__(
        self, target: Target, always: Mapping[str, Prepared], *, patience: Patience | None = None
    ) -> None:
        self.target = target
        self.facts: dict[str, Any] = {}
        self.call_ns: dict[str, float] = {}
        self.first_ns: dict[str, float] = {}
        self.away = 0.0
        self._always = dict(always)
        self._patience = patience
        self._worker: Asked | None = None
        self._references: deque[Group] = deque(maxlen=HISTORY)

    @property
    def pid(self) -> int | None:
        """The process, while there is one."""
        return self._worker.pid if self._worker else None

    @property
    def used(self) -> bool:
        """Whether anything was timed here."""
        return bool(self._references)

    @property
    def floor(self) -> float:
        """ns of a quiet reference call here, by the target's clock."""
        return quiet_floor([group.typical for group in self._references])

    def reference_ns(self, statistic: str, samples: Sequence[Sample] | None = None) -> float:
        """Wall time of a reference call, in these samples or in all there were here.

        The median is that of the calls near the floor, if any is; the 95th percentile of all.
        """
        groups = list(self._references)
        if samples is not None:
            groups = [group for one in samples for group in (one.before, one.after)]
        most = (1 + REGIME_WIDTH) * self.floor
        quiet = [group for group in groups if group.typical <= most]
        return wall_ns(groups if statistic == "p95" or not quiet else quiet, statistic)

    def load(self, networks: Mapping[str, Prepared], *, cold: bool = False) -> None:
        """Load what is not loaded yet, and check its outputs against eager's.

        A device elsewhere is told whether first calls count (`cold`): it is had alone for them.

        Raises:
            MeasurementError: the runtime cannot take a network or gives other outputs; or the
                process was lost time and again.
        """
        self._again(lambda: self._load(networks, cold=cold))

    def _load(self, networks: Mapping[str, Prepared], *, cold: bool = False) -> None:
        runtime, target = runtime_of(self.target.runtime), self.target
        if self._worker is None:
            self._worker = start(
                target.reach,
                threads=target.threads,
                device=target.device,
                pin=target.threads == 1 and target.device == "cpu",
                runtime=runtime.name,
                check=self._patience.check if self._patience else lambda: None,
            )
            self.facts = dict(self._worker.facts)
            self.away += self.facts.pop("waited", 0.0)
        for name, prepared in {**self._always, **networks}.items():
            if name in self.call_ns:
                continue
            reply = self._ask(
                {
                    "do": "load",
                    "name": name,
                    "cold": cold,
                    "runtime": runtime.name,
                    "shape": prepared.shape,
                    "seed": prepared.seed,
                    "channels_last": target.memory_format == "channels_last",
                    "dtype": target.dtype,
                    "cuda_graphs": target.cuda_graphs,
                },
                content=prepared.content,
                seconds=runtime.load_seconds,
            )
            check_outputs(prepared, reply["outputs"], target)
            self.facts["versions"] = {**self.facts["versions"], "runtime": reply["version"]}
            self.call_ns[name] = float(reply["ns"])
            self.first_ns[name] = float(reply["first_ns"])

    def time(
        self,
        networks: Mapping[str, Prepared],
        schedule: Sequence[Sequence[str]],
        repeats: Mapping[str, int],
        *,
        shared: bool = False,
    ) -> tuple[list[Sample], list[dict[str, Any]]]:
        """Run a schedule; give its samples and the machine's state in each round.

        With `shared` a reference call between two candidates counts for both, where the device's
        program knows that.

        Raises:
            MeasurementError: the process was lost time and again, or gave impossible times.
        """
        return self._again(lambda: self._time(networks, schedule, repeats, shared))

    def _time(
        self,
        networks: Mapping[str, Prepared],
        schedule: Sequence[Sequence[str]],
        repeats: Mapping[str, int],
        shared: bool,
    ) -> tuple[list[Sample], list[dict[str, Any]]]:
        self._load(networks)
        names = [name for turn in schedule for name in turn]
        untimed = {name: untimed_for(self.call_ns[name]) for name in repeats}
        counts = {name: repeats[name] + untimed[name] for name in repeats}
        work = {name: ns * counts[name] for name, ns in self.call_ns.items() if name in counts}
        expected = 4e-9 * (sum(work[name] for name in names) + len(names) * work[REFERENCE])
        reply = self._ask(
            {
                "do": "time",
                "schedule": schedule,
                "reference": REFERENCE,
                "repeats": repeats,
                "untimed": untimed,
                "shared": shared,
            },
            seconds=LEAST_SECONDS + SLOWER_THAN_WARM * expected,
        )
        cpu_clock = self.target.clock != "wall"
        try:
            samples = read_samples(reply["samples"], cpu_clock=cpu_clock)
        except (KeyError, ValueError) as error:
            raise WorkerLostError(f"measuring process: must give times; got {error}") from error
        for sample in samples:
            self._references += (sample.before, sample.after)
        return samples, reply.get("states", [])

    def _ask(self, request: dict[str, Any], **more: Any) -> dict[str, Any]:
        assert self._worker is not None  # a process was started
        reply = self._worker.ask(request, **more)
        self.away += reply.pop("waited", 0.0)
        return reply

    def _again(self, action: Callable[[], T]) -> T:
        """The action; again in a new process if its process is lost, within reason."""
        local = self.target.reach.kind == "local"
        tries, since, gone, before = 0, 0.0, 0.0, 0.0
        while True:
            try:
                return action()
            except WorkerLostError as error:
                self.close()
                if not tries:
                    since, gone, before = time.time(), time.monotonic(), self.away
                tries += 1
                if tries < (LOCAL_TRIES if local else REMOTE_TRIES):
                    continue
                if local or self._answers():
                    raise  # the device is there: it is the network that ends the process
                self._wait(since, tries, error)
                # In the place of what was waited for meanwhile, not beside it.
                self.away = before + time.monotonic() - gone
                tries = 0

    def _answers(self) -> bool:
        try:
            self._load({})
        except WorkerLostError:
            self.close()
            return False
        return True

    def _wait(self, since: float, tries: int, error: WorkerLostError) -> None:
        patience = self._patience
        if patience is None:
            raise TargetError(f"target {self.target.where}: its device must answer; {error}")
        pause = patience.first_pause
        while True:
            waiting = Waiting(since, tries, pause, str(error))
            patience.told(waiting)
            until = time.monotonic() + pause
            while (left := until - time.monotonic()) > 0:
                patience.check()
                patience.meanwhile()
                time.sleep(min(left, POLL_SECONDS))
            if self._answers():
                patience.back(waiting)
                return
            tries, pause = tries + 1, min(2 * pause, LONGEST_PAUSE)

    def drop(self, names: Sequence[str]) -> None:
        """Forget networks."""
        loaded = [name for name in names if self.call_ns.pop(name, math.inf) < math.inf]
        if self._worker is not None and loaded:
            try:
                self._worker.ask({"do": "drop", "names": loaded}, seconds=LEAST_SECONDS)
            except WorkerLostError:
                self.close()  # a new process has forgotten everything

    def close(self) -> None:
        """End the process.

        The floor stays: it is the machine's, and the next process runs the same reference.
        """
        if self._worker is not None:
            self._worker.close()
        self._worker = None
        self.call_ns.clear()
