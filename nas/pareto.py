"""Which points no other point beats, and how much of the plane they beat together."""

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
    if len(directions) == 2:
        return _plane_front(points, directions)
    return [
        i
        for i, point in enumerate(points)
        if not any(dominates(other, point, directions) for other in points)
    ]


def _plane_front(points: Sequence[Sequence[float]], directions: Sequence[str]) -> list[int]:
    """The same of two values, in one pass over the sorted points: a thousand take no time."""
    a, b = (1 if d == "maximize" else -1 for d in directions)
    turned = [(a * x, b * y) for x, y in points]
    kept: list[int] = []
    best: tuple[float, float] | None = None
    for i in sorted(range(len(turned)), key=lambda i: turned[i], reverse=True):
        if best is None or turned[i][1] > best[1] or turned[i] == best:
            kept.append(i)
            best = turned[i]
    return sorted(kept)


def hypervolume(
    points: Sequence[tuple[float, float]],
    directions: Sequence[str],
    worst: tuple[float, float],
) -> float:
    """The area between the front of these points and `worst`; points beyond `worst` add nothing.

    Units:
        the product of the units of the two values.
    """
    a, b = (1 if d == "maximize" else -1 for d in directions)
    turned = [(a * (x - worst[0]), b * (y - worst[1])) for x, y in points]
    inside = [point for point in turned if min(point) > 0]
    area, height = 0.0, 0.0
    for x, y in sorted(inside, reverse=True):
        if y > height:
            area += x * (y - height)
            height = y
    return area
