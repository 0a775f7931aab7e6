"""Accuracy against latency in characters, for a terminal that has nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Sign = Literal["candidate", "infeasible", "reference", "best"]

SIGNS: dict[Sign, str] = {"infeasible": "x", "candidate": "o", "reference": "R", "best": "*"}
"""In this order: where several fall on one character, the last one is shown."""

WIDTH, HEIGHT = 62, 10


@dataclass(frozen=True)
class SketchPoint:
    """One network.

    Units:
        latency_ms: milliseconds; accuracy: 0..1.
    """

    latency_ms: float
    accuracy: float
    sign: Sign


def sketch(points: Sequence[SketchPoint], *, width: int = WIDTH, height: int = HEIGHT) -> list[str]:
    """Lines of a plot, accuracy upwards and latency to the right; empty with fewer than two
    networks. No line is wider than `width` + 10 characters.
    """
    if len({(point.latency_ms, point.accuracy) for point in points}) < 2:
        return []
    left, right = _range([point.latency_ms for point in points])
    low, high = _range([point.accuracy for point in points])
    grid = [[" "] * width for _ in range(height)]
    order = list(SIGNS)
    for point in sorted(points, key=lambda one: order.index(one.sign)):
        column = round((point.latency_ms - left) / (right - left) * (width - 1))
        row = round((high - point.accuracy) / (high - low) * (height - 1))
        grid[row][column] = SIGNS[point.sign]
    edges = {0: f"{100 * high:.1f} %", height - 1: f"{100 * low:.1f} %"}
    lines = [f"{edges.get(n, ''):>8} |{''.join(row).rstrip()}" for n, row in enumerate(grid)]
    first, last = f"{left:.3g}", f"{right:.3g} ms"
    return [
        *lines,
        f"{'':>8} +{'-' * width}",
        f"{'':>10}{first}{last:>{width - len(first)}}",
    ]


def legend(points: Sequence[SketchPoint]) -> str:
    """What the signs mean, those that are there."""
    words: dict[Sign, str] = {
        "best": "best",
        "reference": "reference",
        "candidate": "feasible",
        "infeasible": "over a limit",
    }
    there = {point.sign for point in points}
    return ", ".join(f"{SIGNS[sign]} {word}" for sign, word in words.items() if sign in there)


def _range(values: Sequence[float]) -> tuple[float, float]:
    """From the least to the greatest; a single value gets room on both sides."""
    low, high = min(values), max(values)
    return (low, high) if high > low else (low * 0.9 - 1e-9, high * 1.1 + 1e-9)
