"""What is searched for: limits, and (Costs, Latency, Evaluation) -> values and one violation.

A violation is ln(value / limit), so that limits of any unit compare; a candidate is feasible when
every limit is known and none is above 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Literal

from nas.outcome import Costs, Latency, Outcome

Quantity = Literal["latency", "multiply_adds", "parameters"]
Direction = Literal["minimize", "maximize"]

UNKNOWN = 1.0
"""The constraint told where a limit is not known: as if exceeded by a factor of e."""

LATENCY_FLOOR = 1.025
"""Two networks whose measured ratio is within 2.5 % are equally fast: copies of one network in one
process differ by 1-3 %."""


@dataclass(frozen=True)
class Limit:
    """A quantity must not exceed a number, or what a network needs.

    Units:
        bound: ms for latency (None against a network: the measured ratio decides), else a number.

    `network` is the name and `fingerprint` that of the network the limit came from; `statistic` is
    that of a latency, median or p95.
    """

    quantity: Quantity
    bound: float | None
    network: str | None = None
    fingerprint: str | None = None
    statistic: str = "median"

    @property
    def name(self) -> str:
        """The key under which its violation is written down."""
        return f"{self.quantity}_of" if self.network else self.quantity

    def violation(
        self, fingerprint: str, costs: Costs | None, latency: Latency | None
    ) -> float | None:
        """ln(value / limit), or None while the value is not known.

        The value of a latency is the upper end of its interval; against a network that of the
        ratio, which may be up to LATENCY_FLOOR. The network a limit came from keeps it by
        definition.
        """
        if fingerprint == self.fingerprint:
            return 0.0
        if self.quantity != "latency":
            if costs is None:
                return None
            assert self.bound is not None  # a counted limit always has a number
            return math.log(max(1, getattr(costs, self.quantity)) / self.bound)
        if latency is None:
            return None
        if self.bound is None:
            return math.log(latency.ratio_high / LATENCY_FLOOR)
        return math.log(latency.high / self.bound)

    @property
    def sentence(self) -> str:
        """The limit in words."""
        words = self.quantity.replace("_", "-")
        if self.statistic == "p95":
            words = f"95th percentile of {words}"
        if self.bound is None:
            return f"{words} no more than that of {self.network}"
        value = f"{self.bound:g} ms" if self.quantity == "latency" else f"{self.bound:,.0f}"
        return f"{words} <= {value}" + (f", that of {self.network}" if self.network else "")


@dataclass(frozen=True)
class Objective:
    """The values Optuna is told and the limits a candidate must keep.

    `name` is constrained, pareto or weighted; `quantities` are the objectives of pareto. weighted
    is accuracy x (latency/L)^a x (multiply-adds/F)^b (Tan et al. 2019, MnasNet, sec. 3), where L
    and F are the `soft` limits: exceeding them costs, and refuses nothing.
    """

    name: Literal["constrained", "pareto", "weighted"]
    limits: tuple[Limit, ...] = ()
    soft: tuple[Limit, ...] = ()
    exponents: tuple[float, ...] = ()
    quantities: tuple[str, ...] = ("accuracy",)

    @property
    def directions(self) -> tuple[Direction, ...]:
        """Optuna's directions, one a value."""
        if self.name != "pareto":
            return ("maximize",)
        return tuple("maximize" if q == "accuracy" else "minimize" for q in self.quantities)

    @property
    def needs_latency(self) -> bool:
        """Whether a value or a limit cannot be known without measuring."""
        limits = any(limit.quantity == "latency" for limit in (*self.limits, *self.soft))
        return limits or (self.name == "pareto" and "latency" in self.quantities)

    @property
    def goal(self) -> str:
        """The objective in words."""
        if self.name == "pareto":
            return "the front of " + ", ".join(q.replace("_", "-") for q in self.quantities)
        if self.name == "weighted":
            return "best accuracy weighted by latency and multiply-adds"
        return "best validation accuracy within the limits"

    def violations(
        self, fingerprint: str, costs: Costs | None, latency: Latency | None
    ) -> dict[str, float]:
        """The violation of each limit that is known so far, by the limit's name."""
        known = {limit.name: limit.violation(fingerprint, costs, latency) for limit in self.limits}
        return {name: value for name, value in known.items() if value is not None}

    def keeps(self, violations: Mapping[str, float]) -> bool:
        """Whether every limit is known and kept."""
        return len(violations) == len(self.limits) and all(v <= 0 for v in violations.values())

    def constraint(self, outcome: Outcome) -> float:
        """The one constraint Optuna is told: the worst violation, above 0 exactly where the
        candidate is not feasible (also where a limit could not be known).
        """
        worst = max(outcome.violations.values(), default=0.0)
        return worst if worst > 0 or self.keeps(outcome.violations) else UNKNOWN

    def values(self, outcome: Outcome, *, chance: float, unmeasured_ms: float) -> tuple[float, ...]:
        """What Optuna is told, also of a refused candidate: the objectives that are known as they
        are, accuracy by chance where nothing was trained, an unmeasured latency as `unmeasured_ms`
        (twice the reference's).
        """
        accuracy = outcome.evaluation.value if outcome.evaluation else chance
        if self.name == "constrained":
            return (accuracy,)
        if self.name == "weighted":
            return (accuracy * self._weight(outcome, unmeasured_ms),)
        costs = outcome.costs
        known = {
            "accuracy": accuracy,
            "latency": outcome.latency.ms if outcome.latency else unmeasured_ms,
            "multiply_adds": float(costs.multiply_adds) if costs else math.nan,
            "parameters": float(costs.parameters) if costs else math.nan,
        }
        return tuple(known[quantity] for quantity in self.quantities)

    def _weight(self, outcome: Outcome, unmeasured_ms: float) -> float:
        weight = 1.0
        for limit, exponent in zip(self.soft, self.exponents, strict=True):
            if limit.quantity != "latency":
                share = getattr(outcome.costs, limit.quantity) / (limit.bound or 1.0)
            elif limit.bound is None:
                share = outcome.latency.ratio if outcome.latency else 2.0
            else:
                share = (outcome.latency.ms if outcome.latency else unmeasured_ms) / limit.bound
            weight *= share**exponent
        return float(weight)


_Tie = tuple[float, int, float, int]


def rank(outcomes: list[tuple[int, Outcome]], *, noise: float) -> list[tuple[int, Outcome]]:
    """Feasible trials evaluated on the whole budget, the best first.

    Of those whose accuracy is within `noise` of the best one left, the lowest latency comes next,
    then the fewest multiply-adds, then the higher accuracy.
    """
    left = [
        (o.evaluation.value, _tie((n, o)), n, o)
        for n, o in outcomes
        if o.kind == "evaluated" and o.feasible and o.evaluation and o.evaluation.whole
    ]
    left.sort(key=lambda one: (-one[0], one[1]))
    # What is equal to the best one left stays so to every later best: each is looked at once.
    equal: list[tuple[_Tie, int]] = []
    ranked: dict[int, tuple[int, Outcome]] = {}
    seen = 0
    for place, (best, *_) in enumerate(left):
        while seen < len(left) and left[seen][0] >= best - noise:
            heappush(equal, (left[seen][1], seen))
            seen += 1
        # They go before the best one left, until it is its own turn.
        while place not in ranked:
            chosen = heappop(equal)[1]
            ranked[chosen] = left[chosen][2:]
    return list(ranked.values())


def _tie(trial: tuple[int, Outcome]) -> _Tie:
    number, outcome = trial
    return (
        outcome.latency.ms if outcome.latency else math.inf,
        outcome.costs.multiply_adds if outcome.costs else 0,
        -outcome.evaluation.value if outcome.evaluation else 0.0,
        number,
    )


def noise_of(accuracy: float, images: int) -> float:
    """Standard error of an accuracy counted on that many images.

    Units:
        accuracy: 0..1.
    """
    return math.sqrt(max(accuracy * (1 - accuracy), 0) / images) if images else 0.0
