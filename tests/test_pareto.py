from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from nas.pareto import front, hypervolume


def dominates(a: Sequence[float], b: Sequence[float], directions: Sequence[str]) -> bool:
    """Whether `a` is nowhere worse than `b` and somewhere better."""
    signs = [1 if d == "maximize" else -1 for d in directions]
    pairs = [(s * x, s * y) for s, x, y in zip(signs, a, b, strict=True)]
    return all(x >= y for x, y in pairs) and any(x > y for x, y in pairs)


def test_the_front_holds_what_no_point_beats_and_all_equal_points() -> None:
    points = [(0.9, 10.0), (0.8, 5.0), (0.7, 6.0), (0.9, 10.0), (0.6, 1.0)]
    assert front(points, ("maximize", "minimize")) == [0, 1, 3, 4]


@pytest.mark.parametrize("values", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(20))
def test_the_front_is_that_of_comparing_every_pair(seed: int, values: int) -> None:
    rng = random.Random(seed)
    directions = rng.choices(("maximize", "minimize"), k=values)
    # Few values, so that there are ties and equal points.
    points = [tuple(rng.randint(0, 6) for _ in range(values)) for _ in range(30)]
    unbeaten = [
        i
        for i, point in enumerate(points)
        if not any(dominates(other, point, directions) for other in points)
    ]
    assert front(points, directions) == unbeaten


def test_the_front_of_nothing_is_empty() -> None:
    assert front([], ("maximize", "minimize")) == []


@pytest.mark.parametrize("seed", range(10))
def test_the_hypervolume_is_the_number_of_unit_squares_that_some_point_beats(seed: int) -> None:
    rng = random.Random(seed)
    points = [(float(rng.randint(0, 12)), float(rng.randint(0, 12))) for _ in range(8)]
    # Worst: x = 10 (minimised) and y = 2 (maximised); squares are named by their far corner.
    squares = sum(
        any(px <= x and py >= y for px, py in points) for x in range(10) for y in range(3, 13)
    )
    assert hypervolume(points, ("minimize", "maximize"), (10.0, 2.0)) == squares


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_the_volume_is_optunas(objectives):
    import numpy as np
    from optuna._hypervolume import compute_hypervolume

    points = np.random.default_rng(objectives).random((15, objectives))
    worst = np.full(objectives, 0.8)
    inside = points[(points < worst).all(axis=1)]
    found = hypervolume(points.tolist(), ["minimize"] * objectives, worst.tolist())
    assert found == pytest.approx(compute_hypervolume(inside, worst))
    up = hypervolume((-points).tolist(), ["maximize"] * objectives, (-worst).tolist())
    assert up == pytest.approx(found)
