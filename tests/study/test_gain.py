import pytest
from tiny import PARETO, Tiny

from nas.objective import Objective
from nas.outcome import Costs, Evaluation, Outcome
from nas.study.gain import gain

NETWORK = Tiny().decode(
    {"width1": 24, "depth1": 1, "width2": 24, "depth2": 1, "width3": 24, "depth3": 1, "idle": "a"}
)
CONSTRAINED = Objective("constrained")


def outcome(accuracy, multiply_adds=100, *, feasible=True, kind="evaluated"):
    return Outcome(
        kind, NETWORK, Costs(multiply_adds, 1, 0), None, Evaluation(accuracy, 0.0, 0.0, 0),
        feasible=feasible,
    )  # fmt: skip


def test_the_best_of_the_start_is_compared_with_the_best_of_all():
    trials = [
        (0, outcome(0.99)),  # named beforehand: neither random nor proposed
        (1, outcome(0.90)),
        (2, outcome(0.95, kind="refused")),
        (3, outcome(0.92)),
        (4, outcome(0.94)),
        (5, outcome(0.97, feasible=False)),
    ]
    found = gain(trials, CONSTRAINED, given=1, startup=4)
    assert (found.proposals, found.others) == (2, 2)
    assert (found.random, found.all) == (0.92, 0.94)
    assert found.sentence == (
        "the best of the 2 random candidates at the start has 92.00 %, with the 2 proposed by the "
        "sampler the best has 94.00 % (+2.00 points of accuracy)"
    )


def test_of_a_front_the_share_of_its_volume_counts():
    # Worst of all: accuracy 0.5 at 300. Start: (0.7 - 0.5) x (300 - 200) = 20.
    # All: 20 + (0.9 - 0.7) x ... (0.9, 100): (0.9 - 0.5) x 200 = 80, which holds the start's.
    trials = [(0, outcome(0.7, 200)), (1, outcome(0.5, 300)), (2, outcome(0.9, 100))]
    found = gain(trials, PARETO, given=0, startup=2)
    assert (found.random, found.all) == (pytest.approx(0.25), 1.0)
    assert "holds 25 % of the volume" in found.sentence


@pytest.mark.parametrize("startup", [0, 9])
def test_without_a_start_or_an_end_nothing_is_said(startup):
    trials = [(0, outcome(0.7)), (1, outcome(0.8))]
    assert gain(trials, CONSTRAINED, given=0, startup=startup) is None


def test_a_start_without_a_feasible_candidate_is_said():
    trials = [(0, outcome(0.7, feasible=False)), (1, outcome(0.8))]
    found = gain(trials, CONSTRAINED, given=0, startup=1)
    assert found.sentence.startswith("none of the 1 random candidates at the start kept the limits")
