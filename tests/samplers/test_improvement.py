import numpy as np
import pytest
from optuna._hypervolume import compute_hypervolume

from nas.samplers.improvement import cells, expected_shortfall, expected_volume, nondominated


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_cells_fill_what_the_front_does_not_dominate(objectives):
    points = np.random.default_rng(objectives).random((12, objectives))
    worst = np.full(objectives, 0.9)
    lower, upper = cells(points, worst)
    inside = points[(points < worst).all(axis=1)]
    volume = np.prod(upper - np.maximum(lower, 0), axis=1).sum()
    assert volume == pytest.approx(0.9**objectives - compute_hypervolume(inside, worst))


def test_expected_shortfall_by_hand_and_by_draws():
    one = np.ones(1)
    assert expected_shortfall(2 * one, one, 0 * one) == 1
    assert expected_shortfall(one, 2 * one, 0 * one) == 0
    assert expected_shortfall(np.array([-np.inf]), one, one) == 0
    draws = np.random.default_rng(0).normal(0.5, 2.0, 400_000)
    found = expected_shortfall(one, 0.5 * one, 2 * one)
    assert found == pytest.approx(np.maximum(1 - draws, 0).mean(), rel=0.01)


def test_expected_volume_is_the_mean_over_draws():
    rng = np.random.default_rng(1)
    front, worst = np.array([[0.2, 0.7], [0.6, 0.3]]), np.array([1.0, 1.0])
    mean, deviation = np.array([[0.3, 0.4]]), np.array([[0.2, 0.0]])
    draws = np.stack([rng.normal(0.3, 0.2, 4000), np.full(4000, 0.4)], axis=1)
    base = compute_hypervolume(front, worst)
    gains = [
        compute_hypervolume(np.vstack((front, np.minimum(draw, worst))), worst) - base
        for draw in draws
    ]
    found = expected_volume(mean, deviation, front=front, worst=worst)
    assert found[0] == pytest.approx(np.mean(gains), rel=0.05)


def test_nondominated_by_hand():
    values = np.array([[1.0, 3.0], [2.0, 2.0], [2.0, 2.0], [3.0, 3.0], [3.0, 1.0], [1.0, 4.0]])
    assert nondominated(values).tolist() == [True, True, False, False, True, False]


def test_a_front_of_thousands_is_summed_in_bounded_memory():
    angles = np.sort(np.random.default_rng(0).random(3000)) * np.pi / 2
    front = 1 - 0.9 * np.stack([np.cos(angles), np.sin(angles), np.cos(angles)], axis=1)
    found = expected_volume(
        np.full((5, 3), 0.05), np.full((5, 3), 0.1), front=front, worst=np.ones(3)
    )
    assert (found > 0).all()
