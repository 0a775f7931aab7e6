"""From raw call times to a ratio with an honest interval.

A sample is one turn of a candidate: a reference call on either side of its timed calls. Its value
is log(candidate / reference), so that what slows both down cancels. Who ran when is a random order
in every round.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nas.latency.deviation import NORMAL_95, PRIOR, Spread

REGIME_WIDTH = 0.15
"""Calls up to this much above the quiet floor count as quiet."""

FLOOR_QUANTILE = 0.05
FEWEST_QUIET = 5
"""The median of five bears two that are spoiled."""

RESAMPLES = 400
LEAST_NS = 1e6
"""Shorter calls are repeated inside one sample until they take this long."""

WARMING_NS = 3e6
"""Untimed calls last at least so long after another network has run."""

MOST_REPEATS = 100


@dataclass(frozen=True)
class Group:
    """Consecutive calls of one network.

    Units: ns of each call, by the target's clock and by the wall.
    """

    clocks: tuple[float, ...]
    switches: int
    faults: int
    walls: tuple[float, ...]

    @cached_property
    def typical(self) -> float:
        """ns of a call by the target's clock: the median, as one interruption spoils a mean."""
        return statistics.median(self.clocks)


@dataclass(frozen=True)
class Sample:
    """One turn: reference | an untimed call | timed calls | an untimed call of it | reference."""

    name: str
    before: Group
    calls: tuple[Group, ...]
    after: Group

    @property
    def log_ratio(self) -> float:
        """log(mean of the candidate's calls / mean of the reference's on either side)."""
        candidate = sum(group.typical for group in self.calls) / len(self.calls)
        return math.log(candidate / ((self.before.typical + self.after.typical) / 2))


@dataclass(frozen=True)
class Ratio:
    """A candidate's ratio to the reference, with the 95 % interval of another invocation.

    `quiet` of `samples` were taken in the quiet regime; `gated` says whether these were enough in
    every process, so that only they count.
    `precision` is half the interval, as a share, if the other one were like this one: what
    measuring longer makes smaller.
    """

    ratio: float
    low: float
    high: float
    samples: int
    quiet: int
    gated: bool
    precision: float

    @property
    def half_width(self) -> float:
        """Of the interval, as a share of the ratio."""
        return math.sqrt(self.high / self.low) - 1


def schedule(names: Sequence[str], rounds: int, rng: random.Random) -> list[list[str]]:
    """Every name once in every round, in random order."""
    return [rng.sample(list(names), len(names)) for _ in range(rounds)]


def repeats_for(call_ns: float) -> int:
    """Calls inside one sample."""
    return max(1, min(MOST_REPEATS, math.ceil(LEAST_NS / max(call_ns, 1.0))))


def untimed_for(call_ns: float) -> int:
    """Calls after another network that are not timed: until the caches hold this one again.

    One call of a network of 1 ms is not enough: the next two took 1.3 ms, the two after them 0.95.
    """
    return max(1, min(MOST_REPEATS, math.ceil(WARMING_NS / max(call_ns, 1.0))))


def read_samples(raw: Sequence[Sequence[object]], *, cpu_clock: bool) -> list[Sample]:
    """The worker's lists as samples; by the wall clock unless `cpu_clock`.

    Raises:
        ValueError: something is missing, or a time is not above zero.
    """

    def group(value: object) -> Group:
        if not isinstance(value, list) or len(value) != 4:
            raise ValueError(f"a group of calls must be [clocks, switches, faults, walls]: {value}")
        clocks, switches, faults, walls = value
        if not walls or len(clocks) != len(walls) or min(*clocks, *walls) <= 0:
            raise ValueError(f"times must be above 0; got {clocks} and {walls}")
        return Group(tuple(clocks if cpu_clock else walls), switches, faults, tuple(walls))

    samples = []
    for turn in raw:
        if len(turn) != 5 or not isinstance(turn[3], list):
            raise ValueError(f"a turn must be [round, name, before, calls, after]: {turn}")
        _, name, before, calls, after = turn
        assert isinstance(calls, list)
        samples.append(Sample(str(name), group(before), tuple(map(group, calls)), group(after)))
    return samples


def quiet_floor(references: Sequence[float]) -> float:
    """What a reference call takes when nothing disturbs, from all that one process has seen.

    Not the minimum, which shows whichever luck happened once.
    """
    return float(np.quantile(np.asarray(references), FLOOR_QUANTILE))


def quiet_turns(turns: Sequence[Sample], floor: float) -> list[Sample]:
    """The turns of one candidate in which both it and the reference are near their floors.

    `floor` is the reference's. Both are asked, not the reference alone: to keep the turns in which
    the reference happened to be fast makes every candidate look slow (5 % on a busy machine).
    """
    above = _above_floor(turns, floor)
    return [turn for turn, most in zip(turns, above, strict=True) if most <= 1 + REGIME_WIDTH]


def quietest_turns(turns: Sequence[Sample], floor: float) -> list[Sample]:
    """The quiet turns of one candidate; if they are too few, the nearest five, or a quarter.

    Not all of them then: on a machine where three in four turns were disturbed, ratios of 24
    networks deviated by 4.9 % between processes with all and by 2.1 % with the nearest.
    """
    number = len(quiet_turns(turns, floor))
    if number < FEWEST_QUIET:
        number = max(FEWEST_QUIET, len(turns) // 4)
    order = np.argsort(_above_floor(turns, floor), kind="stable")
    return [turns[place] for place in order[:number]]


def _above_floor(turns: Sequence[Sample], floor: float) -> list[float]:
    """How many times its floor the slowest part of each turn takes."""
    if not turns:
        return []
    own = quiet_floor([group.typical for turn in turns for group in turn.calls])
    return [
        max(
            max(turn.before.typical, turn.after.typical) / floor,
            max(group.typical for group in turn.calls) / own,
        )
        for turn in turns
    ]


def estimate(
    samples: Sequence[Sequence[Sample]],
    floors: Sequence[float],
    *,
    spread: Spread = PRIOR,
    seed: int = 0,
) -> Ratio:
    """The ratio of one candidate from its samples in each process.

    Median within a process, median over processes. The interval is one for *another* invocation:
    this one's variance and the other's, which may be had on a busier machine. In each, the
    deviation between processes and the bootstrap's of the median: one process alone is not honest
    without the former, a nominal 95 % then covers another process 71-78 % of the time.
    """
    medians, variances, quiet, gated = _per_process(samples, floors, seed)
    number = len(medians)
    ours = spread.variance(number, within=float(np.mean(variances)), gated=gated)
    others = spread.elsewhere(ours, number, gated=gated)
    return _ratio(float(np.median(medians)), ours, others, samples, quiet, gated)


def _per_process(
    samples: Sequence[Sequence[Sample]], floors: Sequence[float], seed: int
) -> tuple[list[float], list[float], int, bool]:
    """Log medians and their bootstrap variances; quiet samples; whether only those count."""
    rng = np.random.default_rng(seed)
    medians, variances, quiet, gated = [], [], 0, True
    for turns, floor in zip(samples, floors, strict=True):
        number = len(quiet_turns(turns, floor))
        quiet, gated = quiet + number, gated and number >= FEWEST_QUIET
        values = np.array([turn.log_ratio for turn in quietest_turns(turns, floor)])
        medians.append(float(np.median(values)))
        variances.append(bootstrap_variance(values, rng))
    return medians, variances, quiet, gated


def spread_of(
    samples: Sequence[Sequence[Sample]], floors: Sequence[float], *, seed: int = 0
) -> Spread:
    """What one network's processes say about the deviation between processes."""
    medians, variances, _, gated = _per_process(samples, floors, seed)
    freedom = len(medians) - 1
    if not gated or freedom < 1:
        return Spread()
    mean = sum(medians) / len(medians)
    squares = sum((one - mean) ** 2 for one in medians)
    return Spread(squares, sum(variances) / len(variances) * freedom, freedom)


def estimate_tail(
    samples: Sequence[Sequence[Sample]], *, spread: Spread = PRIOR, seed: int = 0
) -> Ratio:
    """The ratio of the 95th percentiles of wall time, pooled over processes.

    Disturbed samples count: they are what a tail is made of. The interval comes from resampling
    processes, and turns within each.
    """
    rng = np.random.default_rng(seed)

    def tail(drawn: Sequence[Sequence[Sample]]) -> float:
        turns = [turn for process in drawn for turn in process]
        candidate = wall_ns([group for turn in turns for group in turn.calls], "p95")
        reference = [group for turn in turns for group in (turn.before, turn.after)]
        return math.log(candidate / wall_ns(reference, "p95"))

    def redrawn(process: Sequence[Sample]) -> list[Sample]:
        return [process[i] for i in rng.integers(0, len(process), len(process))]

    draws = [
        tail([redrawn(samples[i]) for i in rng.integers(0, len(samples), len(samples))])
        for _ in range(RESAMPLES // 4)
    ]
    variance = spread.deviation**2 / len(samples) + float(np.var(draws))
    number = sum(map(len, samples))
    others = spread.elsewhere(variance, len(samples), gated=False)
    return _ratio(tail(samples), variance, others, samples, number, gated=False)


def _ratio(
    middle: float,
    ours: float,
    others: float,
    samples: Sequence[Sequence[Sample]],
    quiet: int,
    gated: bool,
) -> Ratio:
    half = NORMAL_95 * math.sqrt(ours + others)
    return Ratio(
        ratio=math.exp(middle),
        low=math.exp(middle - half),
        high=math.exp(middle + half),
        samples=sum(map(len, samples)),
        quiet=quiet,
        gated=gated,
        precision=math.expm1(NORMAL_95 * math.sqrt(2 * ours)),
    )


def bootstrap_variance(values: NDArray[np.float64], rng: np.random.Generator) -> float:
    """Variance of the median of `values` under resampling."""
    draws = rng.choice(values, size=(RESAMPLES, len(values)))
    return float(np.var(np.median(draws, axis=1)))


def wall_ns(groups: Sequence[Group], statistic: str) -> float:
    """Median or 95th percentile of the wall time of single calls."""
    walls = np.concatenate([np.asarray(group.walls, float) for group in groups])
    return float(np.quantile(walls, 0.95 if statistic == "p95" else 0.5))
