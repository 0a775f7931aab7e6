import random

import pytest

from nas.evaluation.rungs import epochs_of, promotes

UP = ("maximize",)
BOTH = ("maximize", "minimize")


def test_rungs_are_a_ninth_a_third_and_the_whole_of_the_epochs():
    assert [epochs_of(rung, epochs=90) for rung in range(3)] == [10, 30, 90]
    assert [epochs_of(rung, epochs=4) for rung in range(3)] == [1, 1, 4]
    assert epochs_of(0, epochs=10, fractions=(0.5, 1.0)) == 5


def test_the_first_candidate_climbs():
    assert promotes((0.1,), [], directions=UP)


def test_the_best_third_so_far_climbs():
    # Seven candidates: floor(7 / 3) = 2 places.
    others = [(value / 10,) for value in range(6)]
    assert promotes((0.45,), others, directions=UP)
    assert not promotes((0.35,), others, directions=UP)
    assert promotes((0.35,), others, directions=UP, share=0.5)


def test_less_is_more_where_it_is_to_be_minimised():
    others = [(1.0,), (2.0,), (3.0,), (4.0,), (5.0,)]
    assert promotes((1.5,), others, directions=("minimize",))
    assert not promotes((2.5,), others, directions=("minimize",))


def test_with_several_objectives_the_non_dominated_climb():
    others = [(0.9, 9.0), (0.5, 5.0), (0.4, 6.0), (0.3, 7.0), (0.2, 8.0)]
    assert promotes((0.1, 1.0), others, directions=BOTH)  # least accurate, and cheapest of all
    assert not promotes((0.35, 6.5), others, directions=BOTH)


def test_equals_on_the_border_climb_together():
    # One place, three equals: none is better than another.
    assert promotes((0.5,), [(0.5,), (0.5,)], directions=UP)


@pytest.mark.parametrize("share", [1 / 3, 1 / 2])
def test_over_many_candidates_about_the_share_climbs(share):
    numbers = random.Random(0)
    seen, climbed = [], 0
    for _ in range(300):
        value = (numbers.random(),)
        climbed += promotes(value, seen, directions=UP, share=share)
        seen.append(value)
    # Each climbs with about that probability: three deviations of 300 such draws are 0.087.
    assert climbed / 300 == pytest.approx(share, abs=0.087)
