"""How far apart processes and invocations are on a target: what no measurement finds by itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from scipy.special import stdtrit

PROCESS_SD = 0.014
"""Deviation of a network's log ratio between processes, found on 24 networks in eager torch."""

LEAST_FREEDOM = 20
LEAST_SD = 0.005

UNGATED_SD = 0.03
"""More deviation where too few quiet samples were had: a busy neighbouring core costs networks
28-55 % of CPU time, and the gate takes the shift of ratios from 10 to 3 %."""

INVOCATION_SD = 0.008
"""Deviation of a network's log ratio between invocations that their processes do not show: what one
and the same machine did to the reference and the network in those minutes. From 162 pairs of quiet
numbers of five processes, as found and beside training (benchmarks/results/latency.json): 1.8 %
apart where their processes let expect 1.4."""

MEDIAN_VARIANCE = {1: 1.0, 2: 1.0, 3: 1.35, 4: 1.19, 5: 1.43}
"""Variance of the median of n normal values, relative to that of their mean (pi/2 for many)."""

NORMAL_95 = 1.96
COVERED = 0.95

SPEED_SD = 0.027
DISTURBED = 0.07
BEFORE = 11
"""Deviation of the log of the reference's milliseconds between invocations, the share of networks
that had too few quiet turns, and how many invocations on the target itself they weigh as much as.
The former is of eleven of five processes each on one shared machine within 40 minutes of
2026-11-22, five as found (reference: 2.42, 2.39, 2.32, 2.24, 2.38 ms) and six idle or beside
training (2.42, 2.35, 2.36, 2.34, 2.47, 2.44 ms); nine such on another machine a week later
(benchmarks/results/latency.json) deviate by 2.2 %. The latter is of those nine."""


@dataclass(frozen=True)
class Invocations:
    """What invocations on a target said of each other; before there are any, the prior alone.

    `squares`: squared deviations of the log of the reference's milliseconds from their mean,
    `freedom` the degrees of freedom they add up to; `disturbed` of `number` had too few quiet
    samples.
    """

    squares: float = 0.0
    freedom: int = 0
    disturbed: int = 0
    number: int = 0

    @property
    def half_width(self) -> float:
        """Of the interval in which another invocation finds the reference's milliseconds.

        As a share.
        """
        squares = (BEFORE - 1) * SPEED_SD**2 + self.squares
        return apart(squares, BEFORE - 1 + self.freedom)

    @property
    def disturbed_share(self) -> float:
        """How likely another invocation is to have too few quiet samples."""
        return (BEFORE * DISTURBED + self.disturbed) / (BEFORE + self.number)


@dataclass(frozen=True)
class Spread:
    """What is known of the deviation between processes on a target, pooled over networks.

    `squares`: squared deviations of the processes' log medians from their network's mean, `within`
    the part of them that the bootstrap explains, `freedom` the degrees of freedom they add up to.
    `invocations` is what is known of those.
    """

    squares: float = 0.0
    within: float = 0.0
    freedom: int = 0
    invocations: Invocations = Invocations()

    def __add__(self, other: Spread) -> Spread:
        return replace(
            self,
            squares=self.squares + other.squares,
            within=self.within + other.within,
            freedom=self.freedom + other.freedom,
        )

    @property
    def deviation(self) -> float:
        """Of a log ratio between processes; the prior until there are enough of them."""
        if self.freedom < LEAST_FREEDOM:
            return PROCESS_SD
        return math.sqrt(max(LEAST_SD**2, (self.squares - self.within) / self.freedom))

    def variance(self, processes: int, *, within: float = 0.0, gated: bool = True) -> float:
        """Of a log ratio that is the median of so many processes.

        `within` is that of one process's own median; not `gated` are those that had too few quiet
        samples.
        """
        each = self.deviation**2 + within + (0.0 if gated else UNGATED_SD**2)
        return each * _of_median(processes)

    def elsewhere(self, variance: float, processes: int, *, gated: bool) -> float:
        """The variance of another invocation, that of this one given."""
        share = self.invocations.disturbed_share
        return elsewhere(variance, processes, gated=gated, share=share)

    def least_half(self, processes: int) -> float:
        """Half the width of a log ratio's interval that no number of rounds can make smaller."""
        variance = self.variance(processes)
        return NORMAL_95 * math.sqrt(variance + self.elsewhere(variance, processes, gated=True))


PRIOR = Spread()
"""What is known of a target on which nothing was measured yet."""


def apart(squares: float, freedom: int) -> float:
    """By how much two values of a logarithm differ at most in 95 % of cases, as a share.

    From squared deviations about their mean; by Student's t, as few do not tell a deviation well.
    """
    quantile = float(stdtrit(freedom, (1 + COVERED) / 2))
    return math.expm1(quantile * math.sqrt(2 * squares / freedom))


def elsewhere(variance: float, processes: int, *, gated: bool, share: float) -> float:
    """The variance of another invocation, which need not be as quiet as this one was.

    Both deviate as invocations do; both deviations are counted here. `share` of the others have too
    few quiet samples. One that is such a one itself is not surer of the others than of itself.
    """
    busier = share * UNGATED_SD**2 * _of_median(processes) if gated else 0.0
    return variance + 2 * INVOCATION_SD**2 + busier


def _of_median(number: int) -> float:
    """Variance of the median of so many values, relative to that of one."""
    return MEDIAN_VARIANCE.get(number, math.pi / 2) / number


def in_ms(
    ratio: float, low: float, high: float, *, reference_ms: float, differ: float
) -> tuple[float, float, float]:
    """A ratio and its interval in milliseconds; `differ` is `Invocations.half_width`.

    What another invocation finds differs in its ratio and in the speed of its machine: both parts
    add up in quadrature.
    """
    speed = math.log1p(differ)

    def away(end: float) -> float:
        return math.exp(math.hypot(math.log(end / ratio), speed))

    ms = ratio * reference_ms
    return ms, ms / away(low), ms * away(high)
