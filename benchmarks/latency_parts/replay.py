"""How the intervals would have covered what was measured, from nothing but other invocations.

The intervals as measured rest on a prior that these very invocations gave. Here the part of an
interval that differs between invocations comes from all but the one that is to be covered.
"""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np

from nas.latency.deviation import NORMAL_95, apart, elsewhere, in_ms
from nas.latency.levels import DECIDE, SCREEN

Runs = list[dict[str, Any]]
PROCESSES = {"screen": SCREEN.processes, "decide": DECIDE.processes}


def known(raw: dict[str, Runs]) -> list[dict[str, Any]]:
    """Every invocation under no load of our making but training: its measured networks.

    Those of the machine on which the section as-found was measured last.
    """
    found, trained = raw.get("as-found", []), raw.get("training", [])
    here = [run for run in (*found, *trained) if _machine(run) == _machine(found[-1])]
    alone = [run["decide"] for run in here if run in found]
    return alone + [run[which] for run in here if run in trained for which in ("idle", "beside")]


def _machine(run: dict[str, Any]) -> str:
    machine: str = run["seen"]["machine"]
    return machine


def reference_ms(invocation: dict[str, Any]) -> float:
    return float(np.mean([one["ms"] / one["ratio"] for one in invocation.values()]))


def disturbed(invocation: dict[str, Any]) -> float:
    return float(np.mean([not one["gated"] for one in invocation.values()]))


def deviation(invocations: list[dict[str, Any]]) -> float:
    """Of the log of the reference's milliseconds between invocations."""
    return float(np.std(np.log([reference_ms(one) for one in invocations]), ddof=1))


def replayed(raw: dict[str, Runs], section: str, *, of: str, key: str) -> dict[str, float]:
    """Share of a section's invocations that those beside them cover, and half the interval.

    `of`: screen or decide; `key`: ms or ratio.
    """
    runs = raw[section]
    inside, widths = [], []
    for a, b in permutations(range(len(runs)), 2):
        others = [one for one in known(raw) if one is not runs[b]["decide"]]
        share = float(np.mean([disturbed(one) for one in others]))
        freedom = len(others) - 1
        differ = apart(freedom * deviation(others) ** 2, freedom)
        for name, one in runs[a][of].items():
            low, high = interval(one, PROCESSES[of], share, differ if key == "ms" else 0.0)
            inside.append(low <= runs[b][of][name][key] / one[key] <= high)
            widths.append(high / low)
    return {
        "covered": float(np.mean(inside)),
        "half_width": float(np.median(np.sqrt(widths)) - 1),
    }


def interval(
    one: dict[str, Any], processes: int, share: float, differ: float
) -> tuple[float, float]:
    """Of a number, as multiples of it."""
    variance = (math.log1p(precision(one)) / NORMAL_95) ** 2 / 2
    both = variance + elsewhere(variance, processes, gated=one["gated"], share=share)
    half = math.exp(NORMAL_95 * math.sqrt(both))
    return in_ms(1.0, 1 / half, half, reference_ms=1.0, differ=differ)[1:]


def precision(one: dict[str, Any]) -> float:
    """Half the ratio's interval if the other invocation were like this one.

    That was the whole interval before 2026-11-28, when it was not written down by itself.
    """
    return one.get("precision", math.sqrt(one["ratio_high"] / one["ratio_low"]) - 1)
