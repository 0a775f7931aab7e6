"""One measurement: networks run interleaved at one or more seats, and what that brought."""

from __future__ import annotations

import math
import random
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

from nas.latency import lease
from nas.latency.calls import histogram
from nas.latency.deviation import Spread
from nas.latency.levels import Level, rounds_for
from nas.latency.protocol import (
    FEWEST_QUIET,
    Ratio,
    Sample,
    estimate,
    estimate_tail,
    quiet_turns,
    repeats_for,
    schedule,
    spread_of,
    untimed_for,
)
from nas.latency.runtimes import Prepared
from nas.latency.seat import DUPLICATE, REFERENCE, Seat
from nas.latency.target import Target


@dataclass(frozen=True)
class Run:
    """What one measurement brought, per seat: samples, the quiet floor; states of the machine.

    Units: floors in ns; `waited` (for the lease) and `seconds` (in all, but for those in which the
    device was gone).
    """

    level: Level
    samples: tuple[tuple[Sample, ...], ...]
    floors: tuple[float, ...]
    reference_ns: tuple[float, ...]
    states: tuple[dict[str, Any], ...]
    waited: float
    seconds: float
    statistic: str

    def of(self, name: str) -> list[list[Sample]]:
        """The samples of one network, process by process."""
        return [[one for one in process if one.name == name] for process in self.samples]

    def ratio(self, name: str, spread: Spread) -> Ratio:
        """A network's ratio to the reference, by the statistic."""
        samples, floors = self._processes(name)
        if self.statistic == "p95":
            return estimate_tail(samples, spread=spread)
        return estimate(samples, floors, spread=spread)

    def spread(self, name: str) -> Spread:
        """What a network's processes say about the deviation between processes."""
        return spread_of(*self._processes(name))

    def _processes(self, name: str) -> tuple[list[list[Sample]], list[float]]:
        """The samples of one network in the processes that ran it, and their floors."""
        found = [(one, floor) for one, floor in zip(self.of(name), self.floors, strict=True) if one]
        return [one for one, _ in found], [floor for _, floor in found]

    @property
    def reference_ms(self) -> float:
        """Wall clock of a reference call in this run."""
        return statistics.median(self.reference_ns) / 1e6

    def __add__(self, other: Run) -> Run:
        """Both together: the same processes, more turns."""
        return replace(
            self._with(other),
            samples=tuple(a + b for a, b in zip(self.samples, other.samples, strict=True)),
            floors=other.floors,
            reference_ns=other.reference_ns,
        )

    def beside(self, other: Run) -> Run:
        """Both together: the processes of one and of the other."""
        return replace(
            self._with(other),
            samples=self.samples + other.samples,
            floors=self.floors + other.floors,
            reference_ns=self.reference_ns + other.reference_ns,
        )

    def _with(self, other: Run) -> Run:
        return replace(
            self,
            level=other.level,
            states=self.states + other.states,
            waited=self.waited + other.waited,
            seconds=self.seconds + other.seconds,
        )


def alone(target: Target) -> AbstractContextManager[float]:
    """The target's device under an exclusive lease, where training here would disturb it."""
    return lease.exclusive(target.device) if target.leased else nullcontext(0.0)


def measure(
    seats: Sequence[Seat],
    networks: Mapping[str, Prepared],
    *,
    level: Level,
    statistic: str,
    rng: random.Random,
    beside: Mapping[str, Prepared] | None = None,
    cold: bool = False,
) -> Run:
    """Run networks at every seat, one seat after the other, under one lease.

    They are loaded beside others' training, but never beside others' measurements; where the first
    call counts (`cold`), the device is had alone for that, too.

    Without networks the reference's hidden duplicate runs alone. What is `beside` them takes part
    in a few rounds, for a check and not for a number of its own.

    Raises:
        MeasurementError: a network cannot be loaded, or a process was lost time and again.
    """
    started, before = time.perf_counter(), sum(seat.away for seat in seats)
    beside = beside or {}
    target = seats[0].target
    loading = alone if cold else _among_others
    with loading(target) as queued:
        for seat in seats:
            seat.load({**networks, **beside}, cold=cold)
    samples: list[tuple[Sample, ...]] = []
    states: list[dict[str, Any]] = []
    with alone(target) as waited:
        for seat in seats:
            mine, seen = _measure_at(seat, networks, beside, level, rng)
            samples.append(tuple(mine))
            states += seen
    return Run(
        level=level,
        samples=tuple(samples),
        floors=tuple(seat.floor for seat in seats),
        reference_ns=tuple(
            seat.reference_ns(statistic, mine) for seat, mine in zip(seats, samples, strict=True)
        ),
        states=tuple(states),
        waited=queued + waited,
        seconds=time.perf_counter() - started - (sum(seat.away for seat in seats) - before),
        statistic=statistic,
    )


def _among_others(target: Target) -> AbstractContextManager[float]:
    return lease.shared(target.device) if target.leased else nullcontext(0.0)


def _measure_at(
    seat: Seat,
    networks: Mapping[str, Prepared],
    beside: Mapping[str, Prepared],
    level: Level,
    rng: random.Random,
) -> tuple[list[Sample], list[dict[str, Any]]]:
    samples: list[Sample] = []
    states: list[dict[str, Any]] = []
    wanted = list(networks) or [DUPLICATE]
    for _ in range(level.schedules):
        # The first schedule has the checks; what is run again lacks quiet turns of its own.
        plan, repeats = _plan(seat, wanted, () if samples else tuple(beside), level, rng)
        turns, seen = seat.time({**networks, **beside}, plan, repeats, shared=level.shared)
        samples += turns
        states += seen
        missing = {name: _missing(samples, name, seat.floor) for name in wanted}
        wanted = [name for name in wanted if missing[name]]
        if not wanted:
            break
        level = replace(level, rounds=max(missing.values()), most_rounds=1)
    return samples, states


def _missing(samples: Sequence[Sample], name: str, floor: float) -> int:
    """Rounds until a network has enough quiet turns, if as many are quiet as were so far."""
    turns = [one for one in samples if one.name == name]
    quiet = len(quiet_turns(turns, floor))
    if quiet >= FEWEST_QUIET:
        return 0
    share = max(quiet, 1) / max(len(turns), 1)
    return min(FEWEST_QUIET, math.ceil((FEWEST_QUIET - quiet) / share))


def _plan(
    seat: Seat, names: Sequence[str], beside: Sequence[str], level: Level, rng: random.Random
) -> tuple[list[list[str]], dict[str, int]]:
    """Every candidate in every round, the reference's duplicate at least in every second, what is
    beside them in as many as have to be quiet."""
    every = {*names, *beside, REFERENCE, DUPLICATE}
    repeats = {name: repeats_for(seat.call_ns[name]) for name in every}

    def seconds(name: str) -> float:
        ns = seat.call_ns[name]
        return (2 * repeats[name] + untimed_for(ns)) * ns

    turns = [seconds(name) + seconds(REFERENCE) for name in names]
    plan = schedule(names, rounds_for(statistics.mean(turns), level), rng)
    if DUPLICATE not in names:
        for turn in plan[::2]:
            turn.insert(rng.randint(0, len(turn)), DUPLICATE)
    for turn in plan[:: max(1, len(plan) // FEWEST_QUIET)]:
        for name in beside:
            turn.insert(rng.randint(0, len(turn)), name)
    return plan, repeats


def disturbance(run: Run, name: str) -> dict[str, Any]:
    """What stood in the way while a network was timed.

    Share of timed groups that were preempted, minor faults of a call, how long single calls took.
    Of all rounds, where the system tells: the lowest frequency, the highest temperature, load and
    steps of cooling, how often the processor throttled itself meanwhile, and every governor.
    """
    groups = [group for process in run.of(name) for one in process for group in one.calls]
    calls = sum(len(group.walls) for group in groups)
    found: dict[str, Any] = {
        "preempted_share": sum(group.switches > 0 for group in groups) / len(groups),
        "faults_per_call": sum(group.faults for group in groups) / calls,
        "calls": histogram(groups),
        "lease_seconds": run.waited,
    }
    for key, pick in (
        ("mhz", min), ("celsius", max), ("load", max), ("cooling", max),
        ("throttled", lambda counts: max(counts) - min(counts)),
        ("governor", lambda names: ", ".join(sorted(set(names)))),
    ):  # fmt: skip
        values = [state[key] for state in run.states if key in state]
        if values:
            found[key] = pick(values)
    return found
