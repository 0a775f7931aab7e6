from __future__ import annotations

from nas.pareto import front


def test_the_front_holds_what_no_point_beats_and_all_equal_points() -> None:
    points = [(0.9, 10.0), (0.8, 5.0), (0.7, 6.0), (0.9, 10.0), (0.6, 1.0)]
    assert front(points, ("maximize", "minimize")) == [0, 1, 3, 4]
