"""Whether a measured network keeps a limit: by its interval, not by its number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from nas.latency.protocol import least_half
from nas.objective import LATENCY_FLOOR
from nas.outcome import Latency

Verdict = Literal["kept", "broken", "unresolved"]

EQUAL = LATENCY_FLOOR


@dataclass(frozen=True)
class Bound:
    """A limit on latency: milliseconds, or the ratio to the reference network.

    Units: ms wall clock. Against the reference itself `ratio` is `EQUAL`: no slower than that.
    """

    ms: float | None = None
    ratio: float | None = None


def verdict(latency: Latency, *bounds: Bound) -> Verdict:
    """Kept if every bound is above the interval, broken if one is below it, else unresolved.

    The reference network keeps any ratio from 1 on by definition.
    """
    found = [_one(latency, bound) for bound in bounds]
    if "broken" in found:
        return "broken"
    return "unresolved" if "unresolved" in found else "kept"


def _one(latency: Latency, bound: Bound) -> Verdict:
    for limit, low, high in (
        (bound.ms, latency.low, latency.high),
        (bound.ratio, latency.ratio_low, latency.ratio_high),
    ):
        if limit is not None and low > limit:
            return "broken"
        if limit is not None and high > limit:
            return "unresolved"
    return "kept"


def judged(latency: Latency, bounds: Sequence[Bound]) -> Latency:
    """The latency with its verdict written into `conditions`, if there are bounds."""
    if not bounds:
        return latency
    found = {**latency.conditions, "verdict": verdict(latency, *bounds)}
    return replace(latency, conditions=found)


def at_best(latency: Latency, deviation: float) -> Latency:
    """A latency with the interval that is left when its processes have run for ever.

    Units:
        deviation: between processes, of the logarithm of the ratio.
    """
    half = math.exp(least_half(deviation, latency.processes))
    return replace(
        latency,
        low=latency.ms / half,
        high=latency.ms * half,
        ratio_low=latency.ratio / half,
        ratio_high=latency.ratio * half,
    )
