"""What a study knows of a candidate before it is examined: its network, and what counting says."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from nas.architecture import Architecture
from nas.objective import Objective
from nas.outcome import Costs, Latency
from nas.samplers.known import Known
from nas.space import Option, SearchSpace

COUNTED = 24
"""Candidates a proposal whose layers are counted before one is chosen: of a new network that takes
tens of milliseconds, where a table is read it takes none."""

NETWORKS = 1_000
REMEMBERED = 20_000
"""Networks and counts that are kept: a network takes some ten kilobytes, and is needed for its
fingerprint and for its count."""

Count = Callable[[Architecture, Mapping[str, Option]], Costs]


def known_of(
    space: SearchSpace,
    count: Count,
    objective: Objective,
    *,
    most: int | None = COUNTED,
    over: Callable[[Architecture], Latency | None] | None = None,
) -> Known:
    """Fingerprint, counted objectives, counted limits and, for several objectives, size.

    `over` gives the latency of a network where it is clear beforehand that it breaks a limit.

    Logarithms of multiply-adds and parameters rank small networks about as well as any score that
    needs no training; docs/samplers.md says what they were worth: a better front, and a worse best
    within a limit, where all good candidates are about equally large.
    """

    @lru_cache(maxsize=NETWORKS)
    def network(genes: tuple[tuple[str, Option], ...]) -> Architecture:
        return space.decode(dict(genes))

    @lru_cache(maxsize=REMEMBERED)
    def costs(genes: tuple[tuple[str, Option], ...]) -> Costs | None:
        try:
            return count(network(genes), dict(genes))
        except Exception:
            # As for a trial (Candidate.failing): a user's own unit may raise anything. A network
            # that cannot be counted is not proposed, it would only fail.
            return None

    def violation(genes: Mapping[str, Any]) -> float:
        key = tuple(genes.items())
        found = costs(key)
        if found is None:
            return math.inf
        candidate = network(key)
        latency = over(candidate) if over else None
        violations = objective.violations(candidate.fingerprint, found, latency)
        return max(violations.values(), default=0.0)

    def values(genes: Mapping[str, Any]) -> list[float | None]:
        found = costs(tuple(genes.items()))
        counted = [
            getattr(found, quantity, None) if found else 0.0 for quantity in objective.quantities
        ]
        return [None if value is None else float(value) for value in counted]

    def features(genes: Mapping[str, Any]) -> list[float]:
        found = costs(tuple(genes.items()))
        sizes = (found.multiply_adds, found.parameters) if found else (1, 1)
        return [math.log(max(1, size)) for size in sizes]

    several = objective.name == "pareto"
    return Known(
        identity=lambda genes: network(tuple(genes.items())).fingerprint,
        values=values if several else None,
        violation=violation,
        features=features if several else None,
        most=most,
        costs=tuple(way == "minimize" for way in objective.directions) if several else None,
    )
