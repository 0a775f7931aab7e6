from __future__ import annotations

import math
import random
import time
from dataclasses import replace
from functools import partial

import pytest

from nas.architecture import Architecture, HeadSpec, StemSpec, UnitSpec
from nas.latency.decision import verdict
from nas.limits import bounds_of, limits_of
from nas.objective import Limit, Objective, noise_of, rank
from nas.outcome import Costs, Evaluation, Latency, Outcome
from nas.settings.compose import compose

NETWORK = Architecture(
    (1, 8, 8), StemSpec(24, stride=1, pool=False), (UnitSpec("shuffle_v2", 48),), HeadSpec(), 10
)


def latency(
    *, ms: float = 2.0, high: float = 2.1, ratio: float = 1.0, half: float = 0.0
) -> Latency:
    return Latency(
        ms=ms, low=2 * ms - high, high=high, ratio=ratio,
        ratio_low=ratio / (1 + half), ratio_high=ratio * (1 + half),
        statistic="median", clock="wall", status="RESOLVED", target="t", reference="r",
        reference_ms=2.0, rounds=8, processes=1, seconds=0.1,
    )  # fmt: skip


def outcome(
    accuracy: float, *, ms: float = 2.0, multiply_adds: int = 100, feasible: bool = True
) -> Outcome:
    return Outcome(
        "evaluated", NETWORK, Costs(multiply_adds, 10, 10), latency(ms=ms, high=ms),
        Evaluation(accuracy, 0.1, 1.0, 0), feasible=feasible,
    )  # fmt: skip


def test_a_number_is_compared_with_the_upper_bound_of_the_interval() -> None:
    limit = Limit("latency", 2.05)
    found = limit.violation("x", None, latency(ms=2.0, high=2.1))
    assert found == pytest.approx(math.log(2.1 / 2.05))


def test_a_network_as_fast_as_the_reference_within_the_floor_keeps_its_limit() -> None:
    limit = Limit("latency", None, "shufflenet_v2_x0_5", "abc")
    at_floor = limit.violation("x", None, latency(ratio=1.025))
    above = limit.violation("x", None, latency(ratio=1.03))
    assert at_floor is not None
    assert above is not None
    assert at_floor <= 0 < above


def test_against_a_network_the_upper_end_of_the_ratio_decides() -> None:
    # ln(0.99 x 1.04 / 1.025)
    limit = Limit("latency", None, "shufflenet_v2_x0_5", "abc")
    found = limit.violation("x", None, latency(ratio=0.99, half=0.04))
    assert found == pytest.approx(math.log(0.99 * 1.04 / 1.025))


@pytest.mark.parametrize("ratio", [0.5, 0.95, 0.98, 1.0, 1.02, 1.05, 1.5])
@pytest.mark.parametrize("half", [0.0, 0.02, 0.05, 0.2])
def test_a_candidate_is_feasible_exactly_where_the_verdict_is_kept(
    ratio: float, half: float
) -> None:
    network = Objective("constrained", limits=(Limit("latency", None, "net", "abc"),))
    number = Objective("constrained", limits=(Limit("latency", 2.0),))
    measured = replace(
        latency(ratio=ratio, half=half),
        ms=2 * ratio, low=2 * ratio / (1 + half), high=2 * ratio * (1 + half),
    )  # fmt: skip
    for objective in (network, number):
        kept = verdict(measured, *bounds_of(objective)) == "kept"
        violations = objective.violations("x", None, measured)
        assert objective.keeps(violations) == kept
        told = replace(outcome(0.9, feasible=kept), violations=violations)
        assert (objective.constraint(told) <= 0) == kept


def test_a_limit_on_the_95th_percentile_says_so() -> None:
    limit = Limit("latency", 5.0, statistic="p95")
    assert limit.sentence == "95th percentile of latency <= 5 ms"
    settings = compose(["objective.latency_statistic=p95", "objective.latency_ms=5"])
    (found,) = limits_of(settings, partial(lambda name: NETWORK))
    assert found == limit


def test_the_network_a_limit_came_from_keeps_it_whatever_was_measured() -> None:
    limit = Limit("latency", None, "shufflenet_v2_x0_5", "abc")
    assert limit.violation("abc", None, latency(ratio=1.2)) == 0


def test_violations_of_any_unit_are_shares_of_their_limits() -> None:
    objective = Objective(
        "constrained", limits=(Limit("multiply_adds", 100.0), Limit("latency", 1.0))
    )
    found = objective.violations("x", Costs(200, 1, 1), latency(ms=2.0, high=2.0))
    assert found["multiply_adds"] == pytest.approx(found["latency"]) == pytest.approx(math.log(2))


def test_an_unknown_limit_is_not_kept() -> None:
    objective = Objective(
        "constrained", limits=(Limit("multiply_adds", 100.0), Limit("latency", 1.0))
    )
    assert not objective.keeps(objective.violations("x", Costs(50, 1, 1), None))


def test_weighted_is_accuracy_at_the_limit_and_falls_by_the_exponent_beyond_it() -> None:
    # Tan et al. 2019, sec. 3: accuracy x (latency / L) ^ w with w = -0.07; at twice the limit the
    # accuracy counts 2 ^ -0.07 = 0.9526 of itself.
    objective = Objective("weighted", soft=(Limit("latency", 2.0),), exponents=(-0.07,))
    at = objective.values(outcome(0.9, ms=2.0), chance=0.1, unmeasured_ms=9.0)
    beyond = objective.values(outcome(0.9, ms=4.0), chance=0.1, unmeasured_ms=9.0)
    assert at == pytest.approx((0.9,))
    assert beyond[0] / at[0] == pytest.approx(0.95264, abs=1e-5)


def test_pareto_tells_a_refused_candidate_chance_and_twice_the_reference() -> None:
    objective = Objective("pareto", quantities=("accuracy", "latency", "multiply_adds"))
    refused = Outcome("refused", NETWORK, Costs(300, 10, 10))
    assert objective.values(refused, chance=0.1, unmeasured_ms=4.0) == (0.1, 4.0, 300.0)
    assert objective.directions == ("maximize", "minimize", "minimize")


def test_of_equal_accuracy_the_faster_network_ranks_first_then_the_smaller() -> None:
    trials = [
        (0, outcome(0.95, ms=3.0)),
        (1, outcome(0.96, ms=2.0, multiply_adds=200)),
        (2, outcome(0.955, ms=2.0, multiply_adds=100)),
        (3, outcome(0.90, ms=0.5)),
        (4, outcome(0.99, ms=0.1, feasible=False)),
    ]
    assert [number for number, _ in rank(trials, noise=0.011)] == [2, 1, 0, 3]
    assert [number for number, _ in rank(trials, noise=0.0)] == [1, 2, 0, 3]


def drawn(number: int) -> list[tuple[int, Outcome]]:
    """Trials of which many are equal in accuracy, latency or size."""
    rng = random.Random(number)
    return [
        (n, outcome(rng.randrange(80, 99) / 100, ms=rng.randrange(1, 9), multiply_adds=n % 3))
        for n in range(number)
    ]


@pytest.mark.parametrize("noise", [0.0, 0.011, 0.035, 1.0])
def test_each_rank_is_the_first_of_those_within_noise_of_the_best_one_left(noise: float) -> None:
    left = drawn(60)
    found: list[int] = []

    def accuracy(trial: tuple[int, Outcome]) -> float:
        evaluation = trial[1].evaluation
        assert evaluation is not None
        return evaluation.accuracy

    def order(trial: tuple[int, Outcome]) -> tuple[float, ...]:
        number, of = trial
        assert of.latency is not None
        assert of.costs is not None
        return (of.latency.ms, of.costs.multiply_adds, -accuracy(trial), number)

    while left:
        best = max(map(accuracy, left))
        found.append(min((t for t in left if accuracy(t) >= best - noise), key=order)[0])
        left = [trial for trial in left if trial[0] != found[-1]]
    assert [number for number, _ in rank(drawn(60), noise=noise)] == found


def test_ranking_eight_times_as_many_trials_takes_no_square_of_that() -> None:
    def seconds(number: int) -> float:
        trials = drawn(number)

        def once() -> float:
            began = time.process_time()
            rank(trials, noise=0.011)
            return time.process_time() - began

        return min(once() for _ in range(5))

    # Sorted, it is some ten times; each rank looked for among all that are left, 64 times.
    assert seconds(4000) < 30 * seconds(500)


def test_noise_is_the_standard_error_of_a_counted_share() -> None:
    # sqrt(0.95 x 0.05 / 400) = 0.0109
    assert noise_of(0.95, 400) == pytest.approx(0.0109, abs=1e-4)
