import random

import pytest

from nas.errors import SettingsError
from nas.evaluation.rungs import FRACTIONS, check_rungs, epochs_of, promotes, share_of_budget
from nas.settings.compose import compose

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


def test_two_rungs_of_equal_length_are_refused():
    with pytest.raises(SettingsError, match=r"evaluation\.fractions: .+; got 1, 1, 4 of training"):
        check_rungs(epochs=4, fractions=FRACTIONS)
    check_rungs(epochs=10, fractions=FRACTIONS)


def test_the_rungs_of_a_third_each_take_a_third_of_the_budget():
    # 1/9 of all, 1/3 of a third of all, all of a ninth.
    assert share_of_budget(fractions=FRACTIONS, promoted=1 / 3) == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    "override",
    ["evaluation.fractions=[1]", "evaluation.fractions=[0.5,0.2,1]", "evaluation.promoted=1",
     "evaluation.fractions=[0.1,0.5]", "evaluation.fractions=[0,1]"],
)  # fmt: skip
def test_rungs_that_cannot_be_are_refused(override):
    with pytest.raises(SettingsError, match=rf"^{override.partition('=')[0]}: .+; got .+; allow"):
        compose(["evaluation=rungs", override])


def test_the_default_rungs_are_those_of_the_design():
    settings = compose(["evaluation=rungs"])
    assert settings.evaluation.fractions == pytest.approx(FRACTIONS)
    check_rungs(epochs=settings.training.epochs, fractions=settings.evaluation.fractions)
