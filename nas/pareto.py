"""Which points no other point beats, and how much of the plane they beat together."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from operator import ge


def front(points: Sequence[Sequence[float]], directions: Sequence[str]) -> list[int]:
    """Indices of the points that no other point dominates, in their order.

    Of equal points all are kept.
    """
    if len(directions) == 2:
        return _plane_front(points, directions)
    signs = [1 if d == "maximize" else -1 for d in directions]
    turned = [tuple(s * x for s, x in zip(signs, point, strict=True)) for point in points]
    kept: list[int] = []
    # Whatever beats a point comes before it, and is kept or beaten by one that is.
    for i in sorted(range(len(turned)), key=lambda i: turned[i], reverse=True):
        point = turned[i]
        if not any(all(map(ge, turned[k], point)) and turned[k] != point for k in kept):
            kept.append(i)
    return sorted(kept)


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
    points: Sequence[Sequence[float]], directions: Sequence[str], worst: Sequence[float]
) -> float:
    """The volume between the points and `worst`; what lies beyond `worst` adds nothing.

    Slab by slab along the last objective: quick for two and three of them.
    """
    signs = [1 if d == "minimize" else -1 for d in directions]
    corner = [s * x for s, x in zip(signs, worst, strict=True)]
    inside = [[s * x for s, x in zip(signs, point, strict=True)] for point in points]
    inside = [p for p in inside if all(x < w for x, w in zip(p, corner, strict=True))]
    return _volume(inside, corner)


def _volume(points: list[list[float]], worst: list[float]) -> float:
    if not points:
        return 0.0
    if len(worst) == 1:
        return worst[0] - min(point[0] for point in points)
    if len(worst) == 2:
        volume, reached = 0.0, worst[0]
        for first, second in sorted(points, key=lambda p: (p[1], p[0])):
            if first < reached:
                volume += (reached - first) * (worst[1] - second)
                reached = first
        return volume
    edges = [*sorted({point[-1] for point in points}), worst[-1]]
    return sum(
        (above - below) * _volume([p[:-1] for p in points if p[-1] <= below], worst[:-1])
        for below, above in pairwise(edges)
    )
