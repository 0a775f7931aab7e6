"""The times of single calls in a few numbers: what a histogram is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nas.latency.protocol import Group

BARS = 24
TAIL = 0.99
"""Calls beyond this quantile are counted, not drawn: one of them would press all bars together."""


def histogram(groups: Sequence[Group]) -> dict[str, Any]:
    """How often a call took how long, as plain JSON.

    Units:
        low_ms, high_ms, slowest_ms: wall-clock milliseconds; `counts` are those of BARS equal
        classes from low to high, `beyond` the calls that took longer.
    """
    walls = np.concatenate([np.asarray(group.walls, float) for group in groups]) / 1e6
    low, high = float(walls.min()), float(np.quantile(walls, TAIL))
    drawn = walls[walls <= high]
    # Equal times: a class of no width would hold nothing.
    counts, _ = np.histogram(drawn, bins=BARS, range=(low, max(high, low * (1 + 1e-6))))
    return {
        "low_ms": low,
        "high_ms": high,
        "counts": counts.tolist(),
        "beyond": len(walls) - len(drawn),
        "slowest_ms": float(walls.max()),
    }
