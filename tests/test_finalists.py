"""The order of the finalists, and what is said of it."""

from __future__ import annotations

from nas.architecture import Architecture
from nas.finalists import ranked, warnings_of
from nas.outcome import Costs, Evaluation, Latency, Outcome
from nas.result import Finalist, SeedResult

TINY = Architecture.from_text("in1x8x8+stem8-s1+sandglass:16-s2+head0+out10")


def finalist(trial: int, *, validation: list[float], test: list[float], ms: float) -> Finalist:
    """With as many seeds as values; the first is the search's own training."""
    latency = Latency(
        ms=ms, low=ms, high=ms, ratio=ms, ratio_low=ms, ratio_high=ms, statistic="median",
        clock="wall", status="RESOLVED", target="here", reference="x", reference_ms=1.0, rounds=3,
        processes=1, seconds=1.0,
    )  # fmt: skip
    outcome = Outcome(
        kind="evaluated",
        architecture=TINY,
        costs=Costs(1000, 100, 3),
        latency=latency,
        evaluation=Evaluation(accuracy=validation[0], loss=0.1, seconds=1.0, seed=0),
        feasible=True,
    )
    seeds = tuple(SeedResult(n, *both) for n, both in enumerate(zip(validation, test, strict=True)))
    return Finalist(f"trial {trial}", trial, outcome, sum(test) / len(test), seeds=seeds)


def test_the_mean_of_the_seeds_decides_and_not_the_training_that_the_search_saw() -> None:
    lucky = finalist(1, validation=[0.96, 0.90, 0.90], test=[0.9] * 3, ms=1)
    steady = finalist(2, validation=[0.95, 0.95, 0.95], test=[0.9] * 3, ms=2)
    assert [one.trial for one in ranked([lucky, steady], noise=0.005)] == [2, 1]


def test_of_equal_means_within_the_noise_the_faster_is_first() -> None:
    slow = finalist(1, validation=[0.951, 0.951], test=[0.9] * 2, ms=2)
    fast = finalist(2, validation=[0.950, 0.950], test=[0.9] * 2, ms=1)
    assert [one.trial for one in ranked([slow, fast], noise=0.005)] == [2, 1]
    assert [one.trial for one in ranked([slow, fast], noise=0.0005)] == [1, 2]


def test_a_mean_is_not_compared_with_a_single_training() -> None:
    several = finalist(1, validation=[0.96, 0.90, 0.90], test=[0.9] * 3, ms=1)
    single = finalist(2, validation=[0.95], test=[0.9], ms=1)
    assert ranked([several, single], noise=0.001) == [several, single]


def test_a_rank_that_test_images_turn_round_is_told_with_both_names() -> None:
    one = finalist(1, validation=[0.95], test=[0.91], ms=1)
    other = finalist(2, validation=[0.93], test=[0.92], ms=1)
    third = finalist(3, validation=[0.90], test=[0.90], ms=1)
    (told,) = warnings_of([third, other, one])
    assert "rank the finalists differently (trial 1 against trial 2)" in told
    assert warnings_of([one, third]) == ()
