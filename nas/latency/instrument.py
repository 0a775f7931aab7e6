"""The instrument a study measures with: networks in, `Latency` values out."""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nas.architecture import Architecture
from nas.errors import SettingsError
from nas.latency import lease
from nas.latency.protocol import (
    FEWEST_QUIET,
    SCREEN,
    Level,
    Ratio,
    Sample,
    estimate,
    estimate_tail,
    is_quiet,
    repeats_for,
    rounds_for,
    schedule,
)
from nas.latency.runtimes import Prepared, prepare
from nas.latency.seat import DUPLICATE, REFERENCE, Seat
from nas.latency.subject import Subject, subject
from nas.latency.target import Target
from nas.outcome import Latency

ATTEMPTS = 3
"""Schedules run at most until every candidate has enough quiet samples."""

STATISTICS = ("median", "p95")


@dataclass(frozen=True)
class _Run:
    """What one measurement brought: samples per process, states of the machine, seconds."""

    samples: list[list[Sample]]
    states: list[dict[str, float]]
    waited: float
    seconds: float

    def of(self, name: str) -> list[list[Sample]]:
        return [[one for one in process if one.name == name] for process in self.samples]


class Instrument:
    """Measures networks on a target beside a reference network, in processes of its own.

    The processes live until `close`, or until this process ends, however it ends. Raises
    TargetError where the target cannot be used, MeasurementError where a network cannot be
    measured on it.
    """

    def __init__(
        self,
        target: Target,
        *,
        reference: Architecture | Subject,
        folder: Path | None = None,
        level: Level = SCREEN,
        statistic: str = "median",
        seed: int = 0,
    ) -> None:
        if statistic not in STATISTICS:
            raise SettingsError(
                f"objective.latency_statistic: must be a known statistic; got {statistic!r}; "
                f"allowed: {', '.join(STATISTICS)}"
            )
        self.target, self.level, self.statistic = target, level, statistic
        self._rng = random.Random(seed)
        self._reference = subject(reference)
        prepared = prepare(self._reference, target)
        always = {REFERENCE: prepared, DUPLICATE: prepared}
        self._seats = [Seat(target, always, pin=_core(target)) for _ in range(level.processes)]
        try:
            self._first = self._run({}, time.perf_counter())
        except BaseException:
            self.close()
            raise

    def measure(self, network: Architecture | Subject) -> Latency:
        """One network.

        Raises:
            MeasurementError: the runtime cannot take it or gives other outputs than eager torch,
                or the measuring process was lost twice.
        """
        return self.measure_many([network])[0]

    def measure_many(self, networks: Sequence[Architecture | Subject]) -> list[Latency]:
        """Several networks in one interleaving, in the order given."""
        started = time.perf_counter()
        subjects = {one.name: one for one in map(subject, networks)}
        new = [one for name, one in subjects.items() if name != self._reference.name]
        found: dict[str, Latency] = {}
        if new:
            prepared = {one.name: prepare(one, self.target) for one in new}
            try:
                run = self._run(prepared, started)
            finally:
                for seat in self._seats:
                    seat.drop(list(prepared))
            found |= {name: self._latency(name, run, len(prepared)) for name in prepared}
        if len(new) < len(subjects):
            found[self._reference.name] = self.reference
        return [found[subject(network).name] for network in networks]

    def _run(self, prepared: dict[str, Prepared], started: float) -> _Run:
        for seat in self._seats:
            seat.load(prepared)
        samples: list[list[Sample]] = []
        states: list[dict[str, float]] = []
        with lease.exclusive(self.target.device) as waited:
            for seat in self._seats:
                mine: list[Sample] = []
                wanted = list(prepared) or [DUPLICATE]
                for _ in range(ATTEMPTS):
                    plan, repeats = self._plan(seat, wanted)
                    turns, seen = seat.time(prepared, plan, repeats)
                    mine += turns
                    states += seen
                    wanted = [name for name in wanted if _quiet(mine, name, seat) < FEWEST_QUIET]
                    if not wanted:
                        break
                samples.append(mine)
        return _Run(samples, states, waited, time.perf_counter() - started)

    def _plan(self, seat: Seat, names: Sequence[str]) -> tuple[list[list[str]], dict[str, int]]:
        """Every candidate in every round, the reference's duplicate at least in every second."""
        repeats = {name: repeats_for(seat.call_ns[name]) for name in {*names, REFERENCE, DUPLICATE}}
        beside = 2 * repeats[REFERENCE] * seat.call_ns[REFERENCE]
        turns = [(2 * repeats[name] + 1) * seat.call_ns[name] + beside for name in names]
        plan = schedule(names, rounds_for(statistics.mean(turns), self.level), self._rng)
        if DUPLICATE not in names:
            for turn in plan[::2]:
                turn.insert(self._rng.randint(0, len(turn)), DUPLICATE)
        return plan, repeats

    @property
    def reference(self) -> Latency:
        """The reference network: its ratio is 1 by definition.

        Its milliseconds are the median of all its quiet calls so far, so that they settle within
        the first measurements; what another invocation would find for them is at best as sure as
        the ratio of its hidden duplicate.
        """
        spread, ms = self._ratio(DUPLICATE, self._first), self._reference_ms()
        return Latency(
            ms=ms,
            low=ms / (1 + spread.half_width),
            high=ms * (1 + spread.half_width),
            ratio=1.0,
            ratio_low=1.0,
            ratio_high=1.0,
            reference_ms=ms,
            **self._circumstances(DUPLICATE, self._first, spread, networks=1),
        )

    def _latency(self, name: str, run: _Run, networks: int) -> Latency:
        ratio, ms = self._ratio(name, run), self._reference_ms()
        return Latency(
            ms=ratio.ratio * ms,
            low=ratio.low * ms,
            high=ratio.high * ms,
            ratio=ratio.ratio,
            ratio_low=ratio.low,
            ratio_high=ratio.high,
            reference_ms=ms,
            **self._circumstances(name, run, ratio, networks=networks),
        )

    def _ratio(self, name: str, run: _Run) -> Ratio:
        samples = [process for process in run.of(name) if process]
        if self.statistic == "p95":
            return estimate_tail(samples)
        return estimate(samples, [seat.floor for seat in self._seats])

    def _reference_ms(self, run: _Run | None = None) -> float:
        """Wall-clock milliseconds of the reference, in one run or in all so far."""
        of_run = run.samples if run else [None] * len(self._seats)
        found = [
            seat.reference_ns(self.statistic, samples) / 1e6
            for seat, samples in zip(self._seats, of_run, strict=True)
        ]
        return statistics.median(found)

    def _circumstances(
        self, name: str, run: _Run, ratio: Ratio, *, networks: int
    ) -> dict[str, Any]:
        """The fields of a `Latency` that say how it was measured."""
        return {
            "statistic": self.statistic,
            "clock": self.target.clock if self.statistic == "median" else "wall",
            "status": "RESOLVED" if ratio.half_width <= self.level.wish else "UNRESOLVED",
            "target": self.target.key,
            "reference": self._reference.name,
            "rounds": ratio.samples // len(self._seats),
            "processes": len(self._seats),
            "seconds": run.seconds / networks,
            "conditions": {
                "level": self.level.name,
                "versions": self._seats[0].versions,
                "threads": self.target.threads,
                "pinned": _core(self.target),
                "quiet_share": ratio.quiet / ratio.samples,
                "gated": ratio.gated,
                "duplicate_ratio": self._ratio(DUPLICATE, run).ratio,
                "reference_drift": self._reference_ms(run) / self._reference_ms() - 1,
                "lease_seconds": run.waited,
                **disturbance(run.of(name)),
                **_extremes(run.states),
            },
        }

    @property
    def pids(self) -> list[int | None]:
        """The measuring processes."""
        return [seat.pid for seat in self._seats]

    def close(self) -> None:
        """End the measuring processes."""
        for seat in self._seats:
            seat.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def disturbance(samples: Sequence[Sequence[Sample]]) -> dict[str, float]:
    """Share of timed groups that were preempted, and minor faults of a call."""
    groups = [group for process in samples for one in process for group in one.calls]
    calls = sum(len(group.walls) for group in groups)
    return {
        "preempted_share": sum(group.switches > 0 for group in groups) / len(groups),
        "faults_per_call": sum(group.faults for group in groups) / calls,
    }


def _extremes(states: Sequence[dict[str, float]]) -> dict[str, float]:
    """The lowest frequency, the highest temperature and load of all rounds, where told."""
    found = {}
    for name, pick in (("mhz", min), ("celsius", max), ("load", max)):
        values = [state[name] for state in states if name in state]
        if values:
            found[name] = pick(values)
    return found


def _quiet(samples: Sequence[Sample], name: str, seat: Seat) -> int:
    return sum(one.name == name and is_quiet(one, seat.floor) for one in samples)


def _core(target: Target) -> int | None:
    """The one core every process of a one-thread target is bound to, where that is possible.

    The last one: interrupts tend to be served by the first.
    """
    if target.threads > 1 or target.device != "cpu" or not hasattr(os, "sched_getaffinity"):
        return None
    return max(os.sched_getaffinity(0))
