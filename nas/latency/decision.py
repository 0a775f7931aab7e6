"""Whether a measured network keeps a limit: by its interval, not by its number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from nas.latency.deviation import Spread, in_ms
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
    """The latency with its verdict written into `conditions`, if there are bounds.

    Unresolved ones also say whether they are `beyond_measuring`.
    """
    if not bounds:
        return latency
    found = {**latency.conditions, "verdict": verdict(latency, *bounds)}
    if found["verdict"] == "unresolved":
        found["beyond_measuring"] = beyond_measuring(latency, bounds)
    return replace(latency, conditions=found)


def beyond_measuring(latency: Latency, bounds: Sequence[Bound]) -> bool:
    """Whether a limit in ms is nearer than the reference's own ms of two invocations are apart.

    However long one invocation measures, it does not know then what another one will find.
    """
    near = 1 + float(latency.conditions.get("invocations_differ", 0.0))
    return any(
        bound.ms is not None and latency.ms / near <= bound.ms < latency.ms * near
        for bound in bounds
    )


def hopeless(latency: Latency, bounds: Sequence[Bound]) -> bool:
    """Whether that is so for every value that the ratio may have: measuring further is in vain."""
    ends = (latency.ratio_low, latency.ratio, latency.ratio_high)
    return all(
        beyond_measuring(replace(latency, ms=latency.ms * end / latency.ratio), bounds)
        for end in ends
    )


def at_best(latency: Latency, spread: Spread) -> Latency:
    """A latency with the interval that is left when its processes have run for ever."""
    half = math.exp(spread.least_half(latency.processes))
    ratio, differ = latency.ratio, spread.invocations.half_width
    ends = ratio / half, ratio * half
    _, low, high = in_ms(ratio, *ends, reference_ms=latency.reference_ms, differ=differ)
    return replace(latency, low=low, high=high, ratio_low=ends[0], ratio_high=ends[1])
