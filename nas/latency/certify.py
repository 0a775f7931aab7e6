"""The last word on a few networks: fresh processes, percentiles, cold and under lasting load."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from nas.architecture import Architecture
from nas.latency.decision import Bound, judged, verdict
from nas.latency.deviation import Spread, in_ms
from nas.latency.levels import CERTIFY, Level
from nas.latency.measuring import Run, alone, disturbance, measure
from nas.latency.memory import Memory
from nas.latency.protocol import repeats_for, schedule, wall_ns
from nas.latency.runtimes import Prepared, prepare
from nas.latency.seat import DUPLICATE, REFERENCE, Patience, Seat
from nas.latency.subject import Subject, subject
from nas.latency.target import Target
from nas.outcome import Certificate, Latency

SUSTAINED_SECONDS = 60.0
LOAD_ROUNDS, LAST_ROUNDS = 4, 12
PERCENTILES = (50, 95, 99)


def certify(
    target: Target,
    networks: Sequence[Architecture | Subject],
    *,
    reference: Architecture | Subject,
    bounds: Sequence[Bound] = (),
    statistic: str = "median",
    level: Level = CERTIFY,
    sustained_seconds: float = SUSTAINED_SECONDS,
    memory: Memory | None = None,
    patience: Patience | None = None,
    seed: int | None = None,
) -> tuple[Certificate, ...]:
    """Certificates of the networks in the order given, the reference's last.

    What is measured goes into the `memory`, which knows how far processes are apart. Takes a few
    seconds a network, and `sustained_seconds`, under one lease a process. A device that goes away
    meanwhile is waited for with `patience`.

    Raises:
        MeasurementError: a network cannot be measured, or a process was lost time and again.
    """
    rng = random.Random(seed)
    itself = subject(reference)
    subjects = {one.name: one for one in map(subject, networks) if one.name != itself.name}
    prepared = {name: prepare(one, target) for name, one in subjects.items()}
    own = prepare(itself, target)
    runs, cold = [], []
    sustained: dict[str, tuple[float, float]] = {}
    for number in range(level.processes):
        seat = Seat(target, {REFERENCE: own, DUPLICATE: own}, patience=patience)
        try:
            one = replace(level, processes=1)
            runs.append(
                measure([seat], prepared, level=one, statistic=statistic, rng=rng, cold=True)
            )
            cold.append(dict(seat.first_ns))
            versions = seat.facts["versions"]
            if number == level.processes - 1:
                sustained = _sustained(seat, prepared, sustained_seconds, rng)
        finally:
            seat.close()
    run = _together(runs)
    spread = memory.spread if memory else Spread()
    found = []
    for name in [*subjects, DUPLICATE]:
        latency = judged(_latency(name, run, target, itself.name, spread, level, versions), bounds)
        network = itself.name if name == DUPLICATE else name
        if memory is not None:
            memory.keep(latency, network, run, versions, name=name)
        ns, ratio = sustained[name]
        loaded = 1.0 if name == DUPLICATE else ratio  # the reference: 1 by definition
        p50, p95, p99 = _percentiles(run, name)
        found.append(
            Certificate(
                name=network,
                latency=latency,
                p50_ms=p50,
                p95_ms=p95,
                p99_ms=p99,
                cold_ms=statistics.median(one[name] for one in cold) / 1e6,
                sustained_ms=ns / 1e6,
                sustained_ratio=ratio,
                verdict=latency.conditions.get("verdict", ""),
                within=_within(latency, bounds),
                sustained_seconds=sustained_seconds,
                sustained_within=_within(replace(latency, ms=ns / 1e6, ratio=loaded), bounds),
            )
        )
    by_name = {one.name: one for one in found}
    names = [subject(network).name for network in networks]
    return (*(by_name[name] for name in names if name != itself.name), by_name[itself.name])


def _within(latency: Latency, bounds: Sequence[Bound]) -> bool:
    """Whether the value itself keeps every limit, wherever its interval ends."""
    ms, ratio = latency.ms, latency.ratio
    exact = replace(latency, low=ms, high=ms, ratio_low=ratio, ratio_high=ratio)
    return verdict(exact, *bounds) == "kept"


def _together(runs: Sequence[Run]) -> Run:
    """Runs of one process each as one run of several."""
    first = runs[0]
    return replace(
        first,
        samples=tuple(run.samples[0] for run in runs),
        floors=tuple(run.floors[0] for run in runs),
        reference_ns=tuple(run.reference_ns[0] for run in runs),
        states=tuple(state for run in runs for state in run.states),
        waited=sum(run.waited for run in runs),
        seconds=sum(run.seconds for run in runs),
    )


def _sustained(
    seat: Seat, prepared: Mapping[str, Prepared], seconds: float, rng: random.Random
) -> dict[str, tuple[float, float]]:
    """(wall ns of a call, ratio) of each network at the end of a lasting load of all of them."""
    names = [*prepared, DUPLICATE]
    repeats = {name: repeats_for(seat.call_ns[name]) for name in [*names, REFERENCE]}
    with alone(seat.target):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            seat.time(prepared, schedule(names, LOAD_ROUNDS, rng), repeats)
        samples, _ = seat.time(prepared, schedule(names, LAST_ROUNDS, rng), repeats)
    found = {}
    for name in names:
        mine = [one for one in samples if one.name == name]
        groups = [group for one in mine for group in one.calls]
        ratio = float(np.exp(np.median([one.log_ratio for one in mine])))
        found[name] = (wall_ns(groups, "median"), ratio)
    return found


def _percentiles(run: Run, name: str) -> list[float]:
    groups = [group for process in run.of(name) for one in process for group in one.calls]
    walls = np.concatenate([np.asarray(group.walls, float) for group in groups])
    return [float(one) / 1e6 for one in np.percentile(walls, PERCENTILES)]


def _latency(
    name: str,
    run: Run,
    target: Target,
    reference: str,
    spread: Spread,
    level: Level,
    versions: Mapping[str, str],
) -> Latency:
    found = run.ratio(name, spread)
    ratio, low, high = found.ratio, found.low, found.high
    if name == DUPLICATE:  # the reference: 1 by definition, as sure as its duplicate is
        ratio, low, high = 1.0, 1 / (1 + found.half_width), 1 + found.half_width
    exact = name == DUPLICATE
    differ = spread.invocations.half_width
    ms, ms_low, ms_high = in_ms(ratio, low, high, reference_ms=run.reference_ms, differ=differ)
    return Latency(
        ms=ms,
        low=ms_low,
        high=ms_high,
        ratio=ratio,
        ratio_low=1.0 if exact else low,
        ratio_high=1.0 if exact else high,
        statistic=run.statistic,
        clock=target.clock if run.statistic == "median" else "wall",
        status="RESOLVED" if found.precision <= level.wish else "UNRESOLVED",
        target=target.key,
        reference=reference,
        reference_ms=run.reference_ms,
        rounds=found.samples // len(run.samples),
        processes=len(run.samples),
        seconds=run.seconds,
        conditions={
            "level": level.name,
            "versions": dict(versions),
            "gated": found.gated,
            "precision": found.precision,
            "invocations_differ": differ,
            "quiet_share": found.quiet / found.samples,
            "duplicate_ratio": run.ratio(DUPLICATE, spread).ratio,
            **disturbance(run, name),
        },
    )
