"""Which points no other point beats."""

from __future__ import annotations

from collections.abc import Sequence


def dominates(a: Sequence[float], b: Sequence[float], directions: Sequence[str]) -> bool:
    """Whether `a` is nowhere worse than `b` and somewhere better."""
    signs = [1 if d == "maximize" else -1 for d in directions]
    pairs = [(s * x, s * y) for s, x, y in zip(signs, a, b, strict=True)]
    return all(x >= y for x, y in pairs) and any(x > y for x, y in pairs)


def front(points: Sequence[Sequence[float]], directions: Sequence[str]) -> list[int]:
    """Indices of the points that no other point dominates, in their order.

    Of equal points all are kept.
    """
    if len(directions) == 1:
        values = [point[0] for point in points]
        best = (max if directions[0] == "maximize" else min)(values, default=None)
        return [i for i, value in enumerate(values) if value == best]
    return [
        i
        for i, point in enumerate(points)
        if not any(dominates(other, point, directions) for other in points)
    ]
