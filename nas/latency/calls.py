"""The times of single calls in a few numbers: what a histogram is drawn from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nas.latency.protocol import Group

BARS = 24
TAIL, FAR = 0.99, 2.0
"""Calls beyond this quantile, or beyond so many times the median, are counted and not drawn: an
interrupted one takes thirty times as long and would press all bars together."""


def histogram(groups: Sequence[Group]) -> dict[str, Any]:
    """How often a call took how long, as plain JSON.

    Units:
        low_ms, high_ms, slowest_ms: wall-clock milliseconds; `counts` are those of BARS equal
        classes from low to high, `beyond` the calls that took longer.
    """
    walls = np.concatenate([np.asarray(group.walls, float) for group in groups]) / 1e6
    low = float(walls.min())
    drawn = walls[walls <= min(np.quantile(walls, TAIL), FAR * np.median(walls))]
    high = float(drawn.max())
    # Equal times: a class of no width would hold nothing.
    counts, _ = np.histogram(drawn, bins=BARS, range=(low, max(high, low * (1 + 1e-6))))
    return {
        "low_ms": low,
        "high_ms": high,
        "counts": counts.tolist(),
        "beyond": len(walls) - len(drawn),
        "slowest_ms": float(walls.max()),
    }
